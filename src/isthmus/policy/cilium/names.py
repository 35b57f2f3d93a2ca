"""DNS names and TLS server names that patterns of policies match, version by version."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

Version = tuple[int, int]
LETTER: Final = "[-a-zA-Z0-9_]"
LEVELS: Final = (1, 19)
"""Since then a leading `**.` spans several labels, and any run of `*` alone matches every name
(`pkg/fqdn/matchpattern/matchpattern.go`); before, `**` is `*`."""
SERVER_PATTERNS: Final = (1, 18)
"""Since then server names may hold `*` (`pkg/policy/api/l4.go` ServerName); before, they are literal."""
LONGEST: Final = 255
PATTERN: Final = re.compile(r"[-a-zA-Z0-9_.*]+")
NAME: Final = re.compile(r"[-a-zA-Z0-9_.]+")
EVERY: Final = re.compile(rf"(?:{LETTER}+\.)+|\.")


def dns(pattern: str, name: str, version: Version) -> bool:
    """Say whether a DNS name meets a name or pattern of `toFQDNs` or of a DNS rule."""
    return _dns(pattern.strip().lower(), version >= LEVELS).fullmatch(_dotted(name.lower())) is not None


def answered(patterns: Iterable[str], known: Iterable[str], version: Version) -> list[str]:
    """Return which of the known DNS names any pattern matches."""
    wanted = tuple(patterns)
    return [name for name in known if any(dns(pattern, name, version) for pattern in wanted)]


def server(pattern: str, name: str, version: Version) -> bool:
    """Say whether the server name of a TLS hello meets one of a policy; case does not matter."""
    if version < SERVER_PATTERNS:
        return pattern.lower() == name.lower()
    return _server(pattern.lower()).fullmatch(name.lower().removesuffix(".")) is not None


def is_every(pattern: str, version: Version) -> bool:
    """Say whether a DNS pattern matches every name."""
    text = pattern.strip()
    return bool(re.fullmatch(r"\*+\.?", text)) if version >= LEVELS else text == "*"


@functools.lru_cache(maxsize=4096)
def _dns(pattern: str, spans_levels: bool) -> re.Pattern[str]:  # noqa: FBT001 - a key of the cache
    if is_every(pattern, LEVELS if spans_levels else (1, 0)):
        return EVERY
    text = re.escape(_dotted(pattern)).replace(r"\*", "*").replace(r"\-", "-")
    if spans_levels:
        # The replacement holds no `*`, which the next step would take for a wildcard.
        text = re.sub(r"^\*{2,}\\\.", rf"{LETTER}+(?:\\.{LETTER}+){{0,}}\\.", text)
    return re.compile(re.sub(r"\*+", f"{LETTER}{{0,}}", text))


@functools.lru_cache(maxsize=4096)
def _server(pattern: str) -> re.Pattern[str]:
    """`sanitizeServerNamePattern` of pkg/envoy/utils.go, then SniPattern of cilium/proxy."""
    text = pattern.removesuffix(".")
    prefix = ""
    if found := re.match(r"\*{2,}\.", text):
        prefix, text = rf"{LETTER}+(?:\.{LETTER}+){{0,}}\.", text[found.end() :]
    if not prefix and re.fullmatch(r"\*+", text):
        return re.compile(rf"{LETTER}+(?:\.{LETTER}+){{0,}}")
    plain = re.escape(text).replace(r"\*", "*").replace(r"\-", "-")
    return re.compile(prefix + re.sub(r"\*+", f"{LETTER}{{0,}}", plain))


def _dotted(name: str) -> str:
    return name if name.endswith(".") else f"{name}."
