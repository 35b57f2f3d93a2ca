"""What the agent refuses: every check of `pkg/policy/api/rule_validation.go`, with the versions that make it.

One refused rule refuses the whole object: none of its rules is enforced. What the agent's flags decide is
taken as allowed (node selectors, ICMP rules, the L7 proxy, extended protocols for what is one).
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.policy import ports, regex
from isthmus.policy.cilium import icmp, names, selectors

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
Version = tuple[int, int]
LISTS: Final = ("ingress", "ingressDeny", "egress", "egressDeny")
MOST_PORTS: Final = 40
MOST_TYPES: Final = 40
NUMBERS: Final = {"VRRP": 112, "IGMP": 2, "GRE": 47, "IPIP": 4, "IPV6": 41, "ESP": 50, "AH": 51}
"""Protocol numbers of what has no ports: VRRP and IGMP since 1.19, the others since 1.20."""
EXTENDED: Final = {name: (1, 19) if name in {"VRRP", "IGMP"} else (1, 20) for name in NUMBERS}
TRANSPORT: Final = ("TCP", "UDP", "SCTP", "ANY")
SERVICE_NAME: Final = re.compile(r"(?:[a-zA-Z0-9]-?)*[a-zA-Z](?:-?[a-zA-Z0-9])*")
LONGEST_NAME: Final = 15
ENTITIES: Final = frozenset({
    "all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "init", "ingress", "unmanaged",
    "remote-node", "health", "none", "kube-apiserver",
})  # fmt: skip
MESH_ENTITY: Final = ("cluster-mesh", (1, 20))
FROM: Final = ("fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "fromNodes", "fromGroups")
TO: Final = (
    "toEndpoints",
    "toCIDR",
    "toCIDRSet",
    "toEntities",
    "toServices",
    "toGroups",
    "toNodes",
    "toFQDNs",
)
PARSERS: Final = ("http", "dns", "kafka", "l7proto")
WITHOUT_REQUIRES: Final = (1, 19)
SINCE_17: Final = (1, 17)


class Refusal(NamedTuple):
    """Why the agent refuses an object: the path and the reason."""

    path: str
    message: str


class Where(NamedTuple):
    """What a check needs to know around it."""

    version: Version
    is_ingress: bool
    is_deny: bool
    is_host: bool

    @property
    def is_looked_at(self) -> bool:
        """Whether the agent looks at the rule: at deny rules since 1.17 (`Sanitize` of 1.16.0 does not).

        What the API server refuses by the CRD's schema, it refuses in every rule.
        """
        return not self.is_deny or self.version >= SINCE_17


def check(written: Json, *, path: str, is_namespaced: bool, version: Version) -> Iterator[Refusal]:
    """Yield why a rule (`spec`, or one of `specs`) is refused."""
    if version >= SINCE_17 and not any(written.get(each) for each in LISTS):
        yield Refusal(path, f"a rule needs at least one of {', '.join(LISTS)}")
    by_pods, by_nodes = written.get("endpointSelector"), written.get("nodeSelector")
    if by_pods is None and by_nodes is None:
        yield Refusal(path, "a rule needs an endpointSelector or a nodeSelector")
    if by_pods is not None and by_nodes is not None:
        yield Refusal(path, "a rule cannot have both an endpointSelector and a nodeSelector")
    if by_nodes is not None and is_namespaced:
        yield Refusal(f"{path}.nodeSelector", "nodes are selected by a CiliumClusterwideNetworkPolicy alone")
    for key in ("endpointSelector", "nodeSelector"):
        yield from _selector(written.get(key), f"{path}.{key}")
    for key in LISTS:
        where = Where(version, key.startswith("ingress"), key.endswith("Deny"), by_nodes is not None)
        for place, each in enumerate(written.get(key) or ()):
            yield from _rule(each or {}, where, f"{path}.{key}[{place}]")


def _rule(each: Json, where: Where, path: str) -> Iterator[Refusal]:
    kinds = FROM if where.is_ingress else TO
    given = [kind for kind in kinds if each.get(kind)]
    if len(given) > 1 and where.is_looked_at:
        yield Refusal(path, f"{given[0]} and {given[1]} cannot be in one rule: write two")
    requires = f"{'from' if where.is_ingress else 'to'}Requires"
    if each.get(requires) and where.version >= WITHOUT_REQUIRES:
        yield Refusal(f"{path}.{requires}", "Cilium 1.19 took it away, and the API server refuses it")
    if "toServices" in given and each.get("toPorts") and where.version < SINCE_17:
        yield Refusal(path, "toServices and toPorts cannot be in one rule before Cilium 1.17")
    yield from _peers(each, kinds, where, path)
    if each.get("icmps") and each.get("toPorts") and where.is_looked_at:
        yield Refusal(path, "icmps and toPorts cannot be in one rule: write two")
    for place, rule in enumerate(each.get("toPorts") or ()):
        yield from _ports(rule or {}, where, f"{path}.toPorts[{place}]")
    for place, rule in enumerate(each.get("icmps") or ()):
        yield from _icmps(rule or {}, where, f"{path}.icmps[{place}]")
    for place, name in enumerate(each.get("toFQDNs") or ()):
        yield from _fqdn(name or {}, f"{path}.toFQDNs[{place}]", is_peer=True)


def _peers(each: Json, kinds: tuple[str, ...], where: Where, path: str) -> Iterator[Refusal]:
    for kind in kinds:
        for place, one in enumerate(each.get(kind) or ()):
            here = f"{path}.{kind}[{place}]"
            if kind.endswith(("Endpoints", "Nodes")):
                yield from _selector(one or {}, here)
            elif kind.endswith("CIDRSet"):
                yield from _cidr_set(one or {}, where.version, here)
            elif kind.endswith("CIDR"):
                yield from _cidr(one, here)
            elif kind.endswith("Entities"):
                yield from _entity(one, where.version, here)
            elif kind == "toServices":
                chosen = (one or {}).get("k8sServiceSelector") or {}
                yield from _selector(chosen.get("selector") or {}, f"{here}.k8sServiceSelector.selector")


def _selector(written: Json | None, path: str) -> Iterator[Refusal]:
    for message in selectors.troubles(written):
        yield Refusal(path, message)


def _entity(name: str, version: Version, path: str) -> Iterator[Refusal]:
    if name in ENTITIES:
        return
    known, since = MESH_ENTITY
    if name != known:
        yield Refusal(path, f"'{name}' is no entity")
    elif version < since:
        yield Refusal(path, f"Cilium knows the entity '{name}' since 1.20")


def _cidr(text: str, path: str) -> Iterator[Refusal]:
    try:
        _network(text)
    except ValueError as error:
        yield Refusal(path, f"'{text}' is no CIDR: {error}")


def _cidr_set(each: Json, version: Version, path: str) -> Iterator[Refusal]:
    group = each.get("cidrGroupSelector")
    given = [key for key in ("cidr", "cidrGroupRef") if each.get(key)]
    if group is not None:
        given.append("cidrGroupSelector")
        yield from _selector(group, f"{path}.cidrGroupSelector")
    if len(given) != 1:
        said = " and ".join(given) or "none of them"
        yield Refusal(
            path, f"exactly one of cidr, cidrGroupRef and cidrGroupSelector is needed; it has {said}"
        )
    if given != ["cidr"]:
        # The agent checks no exception of a group; the API server does, by the format of the field.
        for place, text in enumerate(each.get("except") or ()):
            yield from _cidr(text, f"{path}.except[{place}]")
        return
    try:
        whole = _prefix(each["cidr"])
    except ValueError as error:
        yield Refusal(f"{path}.cidr", f"'{each['cidr']}' is no CIDR: {error}")
        return
    for place, text in enumerate(each.get("except") or ()):
        here = f"{path}.except[{place}]"
        try:
            part = _prefix(text)
        except ValueError as error:
            yield Refusal(here, f"'{text}' is no CIDR: {error}")
            continue
        # 1.20 alone refuses an exception that is wider than what it cuts from.
        is_wider = version >= (1, 20) and whole.prefixlen > part.prefixlen
        # The written address is asked, not the network's first: 10.0.0.7/8 counts as inside 10.0.0.0/24.
        start = ipaddress.ip_address(text.partition("/")[0])
        if is_wider or start.version != whole.version or start not in whole:
            yield Refusal(here, f"{text} is not inside {each['cidr']}")


def _ports(rule: Json, where: Where, path: str) -> Iterator[Refusal]:
    rules = rule.get("rules") or {}
    http, dns = rules.get("http") or (), rules.get("dns") or ()
    proxied = rules.get("kafka") or rules.get("l7proto")
    has_rules = bool(http or dns or proxied)
    yield from _numbers(rule, where, path, has_dns=bool(dns), has_rules=has_rules)
    if where.is_deny:
        return
    if dns and where.is_ingress:
        yield Refusal(f"{path}.rules.dns", "DNS rules are for egress alone")
    if where.is_host and has_rules:
        yield from _host(where, path, is_dns=bool(dns) and not (http or proxied))
    server_names = rule.get("serverNames") or ()
    if server_names and has_rules and not rule.get("terminatingTLS"):
        yield Refusal(f"{path}.serverNames", "server names with L7 rules need terminatingTLS")
    if "" in server_names:
        yield Refusal(f"{path}.serverNames", "a server name is empty")
    if rule.get("listener"):
        if where.is_ingress:
            yield Refusal(f"{path}.listener", "a listener is for egress alone")
        if has_rules:
            yield Refusal(f"{path}.listener", "a listener and L7 rules cannot be in one rule")
    if has_rules:
        yield from _l7(rule, rules, f"{path}.rules")


def _host(where: Where, path: str, *, is_dns: bool) -> Iterator[Refusal]:
    if where.is_ingress or where.version < SINCE_17:
        yield Refusal(f"{path}.rules", "L7 rules are not for nodes here")
    elif not is_dns:
        yield Refusal(f"{path}.rules", "of L7 rules, nodes can have DNS alone")


def _numbers(rule: Json, where: Where, path: str, *, has_dns: bool, has_rules: bool) -> Iterator[Refusal]:
    listed = rule.get("ports") or ()
    if len(listed) > MOST_PORTS and where.is_looked_at:
        yield Refusal(f"{path}.ports", f"{len(listed)} ports are more than {MOST_PORTS}")
    for place, each in enumerate(listed):
        here = f"{path}.ports[{place}]"
        protocol = str((each or {}).get("protocol") or "ANY").upper()
        yield from _port(each or {}, protocol, where, here, has_dns=has_dns)
        if has_rules and not has_dns and protocol != "TCP":
            yield Refusal(here, f"L7 rules other than DNS are for TCP alone, not {protocol}")
        if has_rules and port_number(str((each or {}).get("port") or "")) == 0:
            yield Refusal(here, "L7 rules cannot be on port 0, which means every port")


def _port(each: Json, protocol: str, where: Where, path: str, *, has_dns: bool) -> Iterator[Refusal]:
    since = EXTENDED.get(protocol)
    if protocol not in TRANSPORT and (since is None or where.version < since):
        yield Refusal(
            path, f"Cilium {where.version[0]}.{where.version[1]} knows no protocol '{protocol}' here"
        )
        return
    text = str(each.get("port") or "")
    if since is not None:
        if text not in {"", "0"}:
            yield Refusal(path, f"{protocol} has no ports: leave the port out")
        return
    if not text:
        yield Refusal(path, "a port is missing")
    elif not is_name(text):
        first = port_number(text)
        if first is None:
            yield Refusal(path, f"'{text}' is no port: write 0 to 65535, or a name of at most 15 letters")
        elif has_dns and where.version >= SINCE_17 and (each.get("endPort") or 0) > first:
            yield Refusal(path, "DNS rules cannot be on a range of ports")


def _icmps(rule: Json, where: Where, path: str) -> Iterator[Refusal]:
    fields = rule.get("fields") or ()
    if len(fields) > MOST_TYPES:
        yield Refusal(f"{path}.fields", f"{len(fields)} types are more than {MOST_TYPES}")
    for place, each in enumerate(fields):
        here = f"{path}.fields[{place}]"
        family, kind = (each or {}).get("family") or "", (each or {}).get("type")
        protocol = icmp.FAMILIES.get(family, ports.Protocol.ICMP)
        if family not in icmp.FAMILIES:
            yield Refusal(here, f"'{family}' is neither IPv4 nor IPv6")
        elif where.version < (1, 16) and isinstance(kind, str):
            yield Refusal(here, "names of ICMP types are known since Cilium 1.16")
        elif icmp.number(kind, protocol) is None:
            yield Refusal(here, f"'{kind}' is no ICMP type of {family or 'IPv4'}")


def _l7(rule: Json, rules: Json, path: str) -> Iterator[Refusal]:
    if sum(rules.get(kind) is not None for kind in PARSERS) > 1:
        yield Refusal(path, "one rule holds L7 rules of one protocol alone")
    if rules.get("dns") and not rule.get("ports"):
        yield Refusal(f"{path}.dns", "DNS rules need the port 53 beside them")
    for place, each in enumerate(rules.get("http") or ()):
        for key in ("path", "method"):
            try:
                regex.parse((each or {}).get(key) or "")
            except ValueError as error:
                yield Refusal(
                    f"{path}.http[{place}].{key}", f"'{each[key]}' is no regular expression: {error}"
                )
        for match in (each or {}).get("headerMatches") or ():
            if not match.get("name"):
                yield Refusal(f"{path}.http[{place}].headerMatches", "a header has no name")
            if match.get("secret") is not None and not match["secret"].get("name"):
                yield Refusal(f"{path}.http[{place}].headerMatches", "a secret has no name")
    for place, each in enumerate(rules.get("dns") or ()):
        yield from _fqdn(each or {}, f"{path}.dns[{place}]", is_peer=False)


def _fqdn(each: Json, path: str, *, is_peer: bool) -> Iterator[Refusal]:
    name, pattern = each.get("matchName") or "", each.get("matchPattern") or ""
    if name and pattern and is_peer:
        yield Refusal(path, "matchName and matchPattern cannot be in one selector: write two")
    if name and not names.NAME.fullmatch(name):
        yield Refusal(path, f"'{name}' has signs that a DNS name cannot have")
    if pattern and not names.PATTERN.fullmatch(pattern):
        yield Refusal(path, f"'{pattern}' has signs that a DNS pattern cannot have")
    elif len(pattern.strip()) > names.LONGEST:
        yield Refusal(path, f"a pattern is longer than {names.LONGEST}")


def is_name(text: str) -> bool:
    """Say whether a port is written as a name (`pkg/iana/svcname.go`), which `0x50` is too."""
    return 0 < len(text) <= LONGEST_NAME and SERVICE_NAME.fullmatch(text) is not None


def port_number(text: str) -> int | None:
    """Return the number that Go reads from a text with any base; None when it is no port."""
    if not re.fullmatch(r"[0-9A-Za-z_]+", text):
        return None
    octal = re.fullmatch(r"0_?([0-7_]+)", text)
    try:
        found = int(octal[1], 8) if octal else int(text, 0)
    except ValueError:
        return None
    return found if 0 <= found < ports.STRETCH else None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if not text:
        raise ValueError("it is empty")
    return _prefix(text) if "/" in text else ipaddress.ip_network(text)


def _prefix(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if not re.fullmatch(r"[^/]+/\d{1,3}", text):
        raise ValueError("write an address, a slash and a length")
    return ipaddress.ip_network(text, strict=False)
