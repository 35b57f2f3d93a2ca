"""Brings the folder of signatures before the plan: what `plan sign` and `plan check` begin with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.cli.planning import reading
    from isthmus.model import finding
    from isthmus.network.consent import agreement

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def read(found: reading.Reading, shelf: Mapping[str, str]) -> agreement.Agreement:
    """Return who agrees to which part of the plan."""
    from isthmus.clients import signature
    from isthmus.network.consent import agreement

    return agreement.read(found.folder, found.plan, shelf, signature.verify)


def findings(
    found: reading.Reading, source: Path, *, required: bool, trusted: str | None
) -> tuple[finding.Finding, ...]:
    """Return what is to be said of signatures; nothing while none is required and nobody began to sign."""
    from isthmus.clients import shelf

    if trusted is not None and DIGEST.fullmatch(trusted) is None:
        raise errors.InputError(
            f"'{trusted}' is no digest of agreed teams",
            remedy="give what `isthmus plan sign` printed: sha256: and 64 hexadecimal digits",
        )
    held = shelf.read(source)
    if not required and not (found.folder.fleet.spec.teams and held):
        return ()
    from isthmus.network import place
    from isthmus.network.consent import teams, unsigned

    places = place.Places(found.folder)
    stated = [each for each in teams.findings(found.folder, places) if each not in found.findings]
    lacking = unsigned.findings(
        read(found, held),
        found.folder,
        places,
        folder_name=str(shelf.folder(source)),
        required=required,
        trusted=trusted,
    )
    return (*stated, *lacking)


def refuse(found: reading.Reading, agreed: agreement.Agreement) -> None:
    """Refuse to sign for teams that are not sound, or behind a chain that cannot be followed."""
    from isthmus.network import place
    from isthmus.network.consent import teams

    for each in teams.findings(found.folder, place.Places(found.folder)):
        where = f"{each.file}:{each.line}" if each.file else ""
        raise errors.InputError(each.message, where=where, remedy=each.remedy)
    if agreed.chain.broken:
        raise errors.InputError(
            "the chain of agreed teams cannot be followed",
            why=agreed.chain.broken,
            remedy="isthmus plan check --require-signatures tells more",
        )
