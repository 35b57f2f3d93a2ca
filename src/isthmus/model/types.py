"""The small types that documents are made of: names, prefixes as written, durations.

Each refuses with a sentence that says what to write instead; `check.py` adds file and line.
No arithmetic on prefixes: that is `address`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final

import pydantic
from pydantic import alias_generators

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
CLUSTER = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
HOST = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MINOR = re.compile(r"(\d{1,3})\.(\d{1,3})(\.\d{1,3})?")
KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]+={0,2}( .*)?")
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
WRITTEN: Final = {"written": True}
"""The validation context of what a user wrote, which may be stricter than a value built in code."""

LONGEST = 366 * 24 * 3600.0
"""A year in seconds: a longer wait is a slip of the pen."""


class Value(pydantic.BaseModel):
    """What every part of a document is: frozen, camelCase outside, unknown keys refused."""

    model_config = pydantic.ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=alias_generators.to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


def _label(text: str) -> str:
    if LABEL.fullmatch(text):
        return text
    raise ValueError("no DNS label; write 1 to 63 of a-z, 0-9 and '-', a letter or digit at both ends")


def _cluster_name(text: str) -> str:
    # Cilium: at most 32 characters, and `default` is refused with an id other than 0.
    if text == "default":
        raise ValueError("Cilium refuses the cluster name 'default' in a mesh; name it after its place")
    if CLUSTER.fullmatch(text):
        return text
    raise ValueError(
        "no cluster name for Cilium; write 1 to 32 of a-z, 0-9 and '-', a letter or digit at both ends"
    )


def _prefix(text: str) -> str:
    address, slash, length = text.partition("/")
    if not slash:
        raise ValueError("a range has a length; write address/length, for example 10.0.0.0/16")
    try:
        network = ipaddress.ip_network(text, strict=False)
        has_rest = ipaddress.ip_address(address) != network.network_address
    except ValueError:
        raise ValueError("no IPv4 or IPv6 range; write address/length, for example 10.0.0.0/16") from None
    if "%" in address:
        raise ValueError("a range has no zone; write it without `%` and what follows")
    if length != str(network.prefixlen):  # Python takes netmasks, host masks and zeros in front too
        raise ValueError(f"the length is a count of bits; write {network}")
    if has_rest:
        raise ValueError(f"the address has bits beyond the length; write {network}")
    if network.prefixlen == 0:
        raise ValueError("this is every address there is; write the ranges that are yours")
    return str(network)


def _prefixes(value: object) -> tuple[str, ...]:
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(each, str) for each in texts):
        raise ValueError("no range; write address/length, or one of each family: [10.0.0.0/16, 'fd00::/48']")
    found = sorted((_prefix(each.strip()) for each in texts), key=_is_v6)
    if not found:
        raise ValueError("this is empty; write a range, or leave the field out")
    if len({_is_v6(each) for each in found}) < len(found):
        family = "IPv6" if _is_v6(found[-1]) else "IPv4"
        raise ValueError(f"two ranges of {family}; keep one of each family")
    return tuple(found)


def _is_v6(text: str) -> bool:
    return ":" in text


def seconds(text: object) -> float:
    """Return the seconds of `500ms`, `10s`, `2m` or `1h`."""
    if isinstance(text, str):
        found = DURATION.fullmatch(text)
        if found:
            value = float(found[1]) * UNITS[found[2]]
            if value <= LONGEST:
                return value
            raise ValueError("longer than a year; write a shorter duration, for example 24h")
    raise ValueError("no duration; write a number with a unit: 500ms, 10s, 2m or 1h")


def duration_text(value: float) -> str:
    """Return seconds the way a user writes them."""
    for unit in ("h", "m", "s"):
        count = value / UNITS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{round(value * 1000)}ms"


def _seconds(value: object) -> float:
    if isinstance(value, float):  # a value built in code, not read from a document
        return value
    return seconds(value)


def _factor(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value <= 1000:
        return float(value)
    raise ValueError("no factor of growth; write a number from 1 (no growth) to 1000")


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("this is empty; write a name")
    if not text.isprintable():  # it would reach terminals, scripts and tables
        raise ValueError("there is a control character or a line break in it; write plain text in one line")
    return text


def _host(text: str) -> str:
    if len(text) <= 253 and HOST.fullmatch(text):
        return text
    raise ValueError("no domain; write labels of a-z, 0-9 and '-' with dots between: shop.local")


def _subject(text: str) -> str:
    if _is_address(text) or (len(text) <= 253 and HOST.fullmatch(text.removeprefix("*."))):
        return text
    raise ValueError("no name of a host; write db.example.org, '*.db.example.org', or an IP address")


def _host_port(text: str) -> str:
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if colon and port.isdigit() and 0 < int(port) < 65536 and (HOST.fullmatch(bare) or _is_address(bare)):
        return text
    raise ValueError("no address with a port; write host:port, for example 10.1.2.3:6443 or '[fd00::1]:6443'")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _minor(text: str) -> str:
    if MINOR.fullmatch(text):
        return text
    raise ValueError("no version; write major.minor or major.minor.patch in quotes: '1.20' or '1.20.2'")


def _public_key(text: str) -> str:
    if KEY.fullmatch(text):
        return text
    raise ValueError("no public key; write one line of a `.pub` file: ssh-ed25519 AAAA... name")


def _pattern(pattern: str, *, longest: int) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$", "maxLength": longest}


Label = Annotated[
    str, pydantic.AfterValidator(_label), pydantic.WithJsonSchema(_pattern(LABEL.pattern, longest=63))
]
"""A DNS label: names of documents, namespaces, releases."""

ClusterName = Annotated[
    str,
    pydantic.AfterValidator(_cluster_name),
    pydantic.WithJsonSchema(_pattern(CLUSTER.pattern, longest=32)),
]
"""A cluster's name as Cilium takes it."""

Host = Annotated[
    str, pydantic.AfterValidator(_host), pydantic.WithJsonSchema(_pattern(HOST.pattern, longest=253))
]
"""A domain such as a trust domain."""

Subject = Annotated[str, pydantic.AfterValidator(_subject)]
"""What a certificate can be made out to: a DNS name, `*.` before it included, or an IP address."""

HostPort = Annotated[str, pydantic.AfterValidator(_host_port)]
"""A host or an address with a port, an IPv6 address in brackets."""

Minor = Annotated[
    str, pydantic.AfterValidator(_minor), pydantic.WithJsonSchema(_pattern(MINOR.pattern, longest=11))
]
"""A version as `1.20` or `1.20.2`, quoted: YAML reads 1.20 as the number 1.2."""

PublicKey = Annotated[str, pydantic.AfterValidator(_public_key)]
"""A public key as a line of authorized_keys has it."""

Prefix = Annotated[str, pydantic.AfterValidator(_prefix)]
"""An IPv4 or IPv6 range in its canonical text."""

Prefixes = Annotated[
    tuple[str, ...],
    pydantic.BeforeValidator(_prefixes),
    pydantic.WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            ],
            "examples": ["10.0.0.0/16", ["10.0.0.0/16", "fd00::/48"]],
        }
    ),
]
"""One range, or one of each family: as text with a comma or as a list; here canonical, IPv4 first."""

Text = Annotated[str, pydantic.AfterValidator(_filled)]
"""A string with something in it, in one line."""

Flag = Annotated[bool, pydantic.Field(strict=True)]
"""True or false; text that reads like it is not."""

Count = Annotated[int, pydantic.Field(strict=True)]
"""A whole number; a boolean or a quoted number is not one."""

Mtu = Annotated[int, pydantic.Field(strict=True, ge=576, le=65535)]
"""Bytes of the largest packet; 576 is what every IPv4 host takes (RFC 791)."""

Duration = Annotated[
    float,
    pydantic.BeforeValidator(_seconds),
    pydantic.WithJsonSchema({**_pattern(DURATION.pattern, longest=24), "examples": ["2m"]}),
]
"""Seconds, written with a unit."""

Factor = Annotated[
    float,
    pydantic.BeforeValidator(_factor),
    pydantic.WithJsonSchema({"type": "number", "minimum": 1, "maximum": 1000}),
]
"""A factor of growth, 1 or more."""

Values = Annotated[dict[str, Any], pydantic.Field(repr=False)]
"""Helm values; out of `repr`, since somebody will put a secret there."""

OwnValues = Annotated[dict[str, Any] | None, pydantic.Field(repr=False)]
"""The same where they may be left out."""
