"""Versions of Cilium and Istio as numbers, and how far apart the parts of a mesh may be."""

from __future__ import annotations

from typing import Final, NamedTuple

SKEW: Final = 1
"""Minor versions between the oldest and the newest Cilium of a mesh (Cilium 1.20 clustermesh/setup.rst)."""

OLDEST: Final = 13
"""The first minor version of Cilium 1 whose rules stand here."""


class Version(NamedTuple):
    """A version; without a patch level it stands for the newest one of its minor version."""

    major: int
    minor: int
    patch: int | None = None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}" + ("" if self.patch is None else f".{self.patch}")


def parse(text: str) -> Version:
    """Return the version of `1.20` or `1.20.2`, which the model has checked already."""
    major, minor, *rest = text.split(".")
    return Version(int(major), int(minor), int(rest[0]) if rest else None)


def before(text: str | None, major: int, minor: int, patch: int = 0) -> bool:
    """Say whether a version is older than another; one that nobody states is the newest."""
    if text is None:
        return False
    one = parse(text)
    last = patch if one.patch is None else one.patch
    return (one.major, one.minor, last) < (major, minor, patch)


def apart(one: Version, other: Version) -> int:
    """Return the minor versions between two; more than any rule allows where the major ones differ."""
    return abs(one.minor - other.minor) if one.major == other.major else 1000
