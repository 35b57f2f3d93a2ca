"""DNS names as peers: the addresses that DNS gave for them, as far as the question brings answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.address import space

if TYPE_CHECKING:
    from isthmus.policy.kubernetes import notes

NAME: Final = re.compile(
    r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.?", re.IGNORECASE
)


def addresses(told: notes.Notes, place: str, data: Any) -> space.Space:
    """Return the known addresses of a list of names; `*.` stands for one or more labels."""
    found: list[tuple[int, int]] = []
    for number, each in enumerate(told.items(place, data)):
        if not isinstance(each, str) or not NAME.fullmatch(each):
            raise told.broken(
                f"{place}[{number}]", f"'{each}' is no DNS name", "write one such as *.example.com"
            )
        wanted = each.lower().removesuffix(".")
        suffix = wanted.removeprefix("*") if wanted.startswith("*.") else None
        for name, known in told.settings.answers.items():
            if name == wanted or (suffix is not None and name.endswith(suffix) and name != suffix):
                found.extend((address, address + 1) for address in known)
    return space.merge(found)
