"""What a proxy knows of one connection or request when it authorizes.

Truth has three values: True, False, and None where it depends on a request that was not given.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from isthmus.address import prefix
from isthmus.policy.istio import paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from isthmus.policy import layer7, world

Truth = bool | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One connection or request at one point.

    `principal` is None without mutual TLS. `peers` are the addresses that the packets come from, `remotes`
    those of the client that X-Forwarded-For tells; empty where unknown, and then nothing matches them.
    `request` is None for TCP, or where it was not given. `claims` are those of an accepted token.
    """

    settings: world.Settings
    port: int
    is_http: bool
    principal: str | None = None
    peers: tuple[int, ...] = ()
    remotes: tuple[int, ...] = ()
    addresses: tuple[int, ...] = ()
    request: layer7.Request | None = None
    claims: Mapping[str, object] | None = None

    @property
    def path(self) -> str | None:
        """The path as policies see it."""
        if self.request is None or self.request.path is None:
            return None
        return paths.normalize(self.request.path, self.settings.path_normalization)


def both(truths: Iterable[Truth]) -> Truth:
    """Return whether all are true; False wins over not knowing."""
    found: Truth = True
    for each in truths:
        if each is False:
            return False
        found = None if each is None else found
    return found


def either(truths: Iterable[Truth]) -> Truth:
    """Return whether any is true; True wins over not knowing."""
    found: Truth = False
    for each in truths:
        if each:
            return True
        found = None if each is None else found
    return found


def opposite(truth: Truth) -> Truth:
    """Return the contrary; what is not known stays so."""
    return None if truth is None else not truth


@functools.lru_cache(maxsize=1 << 14)
def block(text: str) -> prefix.Prefix:
    """Return the prefix of a CIDR or address of a policy."""
    return prefix.parse(text)


def within(text: str, addresses: Iterable[int]) -> bool:
    """Say whether any address is in a CIDR of a policy."""
    found = block(text)
    return any(found.first <= each < found.end for each in addresses)


def like(value: str, text: str) -> bool:
    """Say whether a text matches a value: `*` presence, `*x`, `x*`, or exact (StringMatcher)."""
    if value == "*":
        return bool(text)
    if value.startswith("*"):
        return text.endswith(value[1:])
    return text.startswith(value[:-1]) if value.endswith("*") else text == value
