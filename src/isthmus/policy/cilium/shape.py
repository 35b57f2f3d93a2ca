"""Fields of Cilium's policies and what they hold, with the versions that know them.

From the structures of `pkg/policy/api` and their validation marks. The API server drops a field it does not
know, silently where the client does not ask, and refuses a value of a wrong type.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Version = tuple[int, int]
Json = dict[str, Any]
FIRST: Final = (1, 0)
LAST: Final = (1, 99)


class Leaf(StrEnum):
    """What a field without fields of its own holds."""

    TEXT = "text"
    FLAG = "true or false"
    NUMBER = "a whole number"
    EITHER = "a number or a text"
    TEXTS = "a list of texts"
    MAP = "a map of texts"
    ANY = "anything"


class Field(NamedTuple):
    """What a field holds, and the first and last version that knows it; `words` are all it may say."""

    holds: Leaf | Mapping[str, Field] | list[Mapping[str, Field]]
    since: Version = FIRST
    until: Version = LAST
    words: tuple[str, ...] = ()


class Odd(NamedTuple):
    """A field that is not as it should be: its path, what is odd, and whether it is merely unknown."""

    path: str
    message: str
    is_unknown: bool = False


TEXT, FLAG, NUMBER = Field(Leaf.TEXT), Field(Leaf.FLAG), Field(Leaf.NUMBER)
TEXTS, MAP, ANY = Field(Leaf.TEXTS), Field(Leaf.MAP), Field(Leaf.ANY)
SELECTOR: Final = {
    "matchLabels": MAP,
    "matchExpressions": Field([{"key": TEXT, "operator": TEXT, "values": TEXTS}]),
}
SECRET: Final = {"namespace": TEXT, "name": TEXT}
TLS: Final = {"secret": Field(SECRET), "trustedCA": TEXT, "certificate": TEXT, "privateKey": TEXT}
HEADER: Final = {
    "mismatch": Field(Leaf.TEXT, words=("LOG", "ADD", "DELETE", "REPLACE")),
    "name": TEXT, "secret": Field(SECRET), "value": TEXT,
}  # fmt: skip
HTTP: Final = {"path": TEXT, "method": TEXT, "host": TEXT, "headers": TEXTS, "headerMatches": Field([HEADER])}
FQDN: Final = {"matchName": TEXT, "matchPattern": TEXT}
RULES: Final = {
    "http": Field([HTTP]),
    "dns": Field([FQDN]),
    "kafka": Field(Leaf.ANY, until=(1, 19)),
    "l7proto": Field(Leaf.TEXT, until=(1, 19)),
    "l7": Field(Leaf.ANY, until=(1, 19)),
}
PORT: Final = {"port": TEXT, "endPort": Field(Leaf.NUMBER, since=(1, 16)), "protocol": TEXT}
LISTENER: Final = {
    "envoyConfig": Field({
        "kind": Field(Leaf.TEXT, words=("CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig")),
        "name": TEXT,
    }),
    "name": TEXT,
    "priority": Field(Leaf.NUMBER, since=(1, 16)),
}  # fmt: skip
PORTS: Final = {
    "ports": Field([PORT]), "terminatingTLS": Field(TLS), "originatingTLS": Field(TLS), "serverNames": TEXTS,
    "listener": Field(LISTENER), "rules": Field(RULES),
}  # fmt: skip
ICMP: Final = {
    "fields": Field([{"family": Field(Leaf.TEXT, words=("IPv4", "IPv6")), "type": Field(Leaf.EITHER)}])
}
CIDR_SET: Final = {
    "cidr": TEXT, "cidrGroupRef": TEXT, "cidrGroupSelector": Field(SELECTOR, since=(1, 17)), "except": TEXTS,
}  # fmt: skip
AWS: Final = {"labels": MAP, "securityGroupsIds": TEXTS, "securityGroupsNames": TEXTS, "region": TEXT}
GROUPS: Final = {"aws": Field(AWS)}
SERVICE: Final = {
    "k8sService": Field({"serviceName": TEXT, "namespace": TEXT}),
    "k8sServiceSelector": Field({"selector": Field(SELECTOR), "namespace": TEXT}),
}
MODES: Final = ("disabled", "required", "test-always-fail")
DENIED: Final = {"toPorts": Field([{"ports": Field([PORT])}]), "icmps": Field([ICMP])}
ALLOWED: Final = {
    "toPorts": Field([PORTS]), "icmps": Field([ICMP]),
    "authentication": Field({"mode": Field(Leaf.TEXT, words=MODES)}),
}  # fmt: skip
FROM: Final = {
    "fromEndpoints": Field([SELECTOR]), "fromRequires": ANY, "fromCIDR": TEXTS,
    "fromCIDRSet": Field([CIDR_SET]), "fromEntities": TEXTS, "fromGroups": Field([GROUPS], since=(1, 16)),
    "fromNodes": Field([SELECTOR], since=(1, 16)),
}  # fmt: skip
TO: Final = {
    "toEndpoints": Field([SELECTOR]), "toRequires": ANY, "toCIDR": TEXTS,
    "toCIDRSet": Field([CIDR_SET]), "toEntities": TEXTS, "toServices": Field([SERVICE]),
    "toGroups": Field([GROUPS]), "toNodes": Field([SELECTOR], since=(1, 16)),
}  # fmt: skip
RULE: Final = {
    "endpointSelector": Field(SELECTOR),
    "nodeSelector": Field(SELECTOR),
    "ingress": Field([FROM | ALLOWED]),
    "ingressDeny": Field([FROM | DENIED]),
    "egress": Field([TO | ALLOWED | {"toFQDNs": Field([FQDN])}]),
    "egressDeny": Field([TO | DENIED]),
    "labels": ANY,
    "description": TEXT,
    "enableDefaultDeny": Field({"ingress": FLAG, "egress": FLAG}, since=(1, 16)),
    "log": Field({"value": TEXT}, since=(1, 18)),
}
POLICY: Final = {"spec": Field(RULE), "specs": Field([RULE])}
GROUP: Final = {"spec": Field({"externalCIDRs": TEXTS})}
ROOT: Final = frozenset({"apiVersion", "kind", "metadata", "status"})


def check(data: Mapping[str, Any], fields: Mapping[str, Field], version: Version) -> Iterator[Odd]:
    """Yield every field of an object that the version does not know or that holds something else."""
    shown = {key: value for key, value in data.items() if key not in ROOT}
    yield from _map(shown, fields, version, "")


def known(data: Any, fields: Mapping[str, Field], version: Version) -> Any:
    """Return an object without the fields that the version drops."""
    if not isinstance(data, dict):
        return data
    kept: Json = {}
    for key, value in data.items():
        field = fields.get(key)
        if field is None or not field.since <= version <= field.until:
            continue
        if isinstance(field.holds, dict):
            kept[key] = known(value, field.holds, version)
        elif isinstance(field.holds, list) and isinstance(value, list):
            kept[key] = [known(each, field.holds[0], version) for each in value]
        else:
            kept[key] = value
    return kept


def _map(data: Mapping[str, Any], fields: Mapping[str, Field], version: Version, path: str) -> Iterator[Odd]:
    for key, value in data.items():
        place = f"{path}.{key}" if path else str(key)
        field = fields.get(key)
        if field is None:
            yield Odd(place, "no version of Cilium knows this field here", is_unknown=True)
        elif version < field.since:
            yield Odd(
                place,
                f"Cilium {_shown(version)} does not know it, {_shown(field.since)} does",
                is_unknown=True,
            )
        elif version > field.until:
            yield Odd(place, f"Cilium {_shown(version)} no longer knows it", is_unknown=True)
        elif value is not None:
            yield from _held(value, field, version, place)


def _held(value: object, field: Field, version: Version, path: str) -> Iterator[Odd]:
    if isinstance(field.holds, Leaf):
        if not _is(value, field.holds):
            yield Odd(path, f"must be {field.holds.value}, not {_short(value)}")
        elif field.words and value not in field.words:
            yield Odd(path, f"'{value}' is none of {', '.join(field.words)}")
    elif isinstance(field.holds, list):
        if not isinstance(value, list):
            yield Odd(path, f"must be a list, not {_short(value)}")
            return
        for place, each in enumerate(value):
            yield from _inside(each, field.holds[0], version, f"{path}[{place}]")
    else:
        yield from _inside(value, field.holds, version, path)


def _inside(value: object, fields: Mapping[str, Field], version: Version, path: str) -> Iterator[Odd]:
    if isinstance(value, dict):
        yield from _map(value, fields, version, path)
    else:
        yield Odd(path, f"must hold fields, not {_short(value)}")


def _is(value: object, leaf: Leaf) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return {
        Leaf.TEXT: isinstance(value, str),
        Leaf.FLAG: isinstance(value, bool),
        Leaf.NUMBER: is_number,
        Leaf.EITHER: is_number or isinstance(value, str),
        Leaf.TEXTS: isinstance(value, list) and all(isinstance(each, str) for each in value),
        Leaf.MAP: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
        Leaf.ANY: True,
    }[leaf]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _shown(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
