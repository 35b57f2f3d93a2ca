"""Brings the folder of signatures before the plan: what `plan sign` and `plan check` begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.cli.planning import reading
    from isthmus.model import finding
    from isthmus.network import agreement


def read(found: reading.Reading, shelf: Mapping[str, str]) -> agreement.Agreement:
    """Return who agrees to which part of the plan."""
    from isthmus.clients import signature
    from isthmus.network import agreement

    return agreement.read(found.folder, found.plan, shelf, signature.verify)


def findings(
    found: reading.Reading, source: Path, *, required: bool, trusted: str | None
) -> tuple[finding.Finding, ...]:
    """Return what is to be said of signatures; nothing while none is required and nobody began to sign."""
    from isthmus.clients import shelf
    from isthmus.network import place, unsigned

    held = shelf.read(source)
    if not required and not (found.folder.fleet.spec.teams and held):
        return ()
    return tuple(
        unsigned.findings(
            read(found, held),
            found.folder,
            place.Places(found.folder),
            folder_name=str(shelf.folder(source)),
            required=required,
            trusted=trusted,
        )
    )
