"""The authority of Apps' certificates: read from beside the Fleet, or new."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from typing import TYPE_CHECKING, Final

from isthmus.cli import connecting
from isthmus.model import finding

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.engine import draft as drafts
    from isthmus.model import app as apps
    from isthmus.model import fleet as fleets

FOLDER: Final = "app"
"""Inside the folder of the mesh's authority."""


def keys(wanted: apps.App, fleet: fleets.Fleet, folder: Path) -> connecting.Keys | None:
    """Return the authority that signs for Apps, None where this one asks for no certificate."""
    from isthmus.mesh.trust import authority as authorities

    if not wanted.spec.certificates:
        return None
    where, now = folder / connecting.TRUST / FOLDER, dt.datetime.now(dt.UTC)
    what = "certificate authority of Apps"
    found = connecting.read_authority(where, now)
    if found is not None:
        return connecting.Keys(authority=found, where=where, is_new=False, what=what)
    made = authorities.create(f"isthmus {fleet.name} apps", random=os.urandom, now=now)
    said = finding.Finding(
        code="new-authority",
        severity=finding.Severity.INFO,
        message=f"a new {what} will be made in {where}; its key goes to no cluster",
        remedy="to use one that you have, put it there as ca.crt and ca.key",
    )
    return connecting.Keys(authority=made, where=where, is_new=True, what=what, findings=(said,))


def told(draft: drafts.Draft, keys: connecting.Keys | None) -> drafts.Draft:
    """Return the draft with what is to say of the authority, where anything is done."""
    if keys is None or draft.plan.is_empty:
        return draft
    plan = dataclasses.replace(draft.plan, findings=(*draft.plan.findings, *keys.findings))
    return dataclasses.replace(draft, plan=plan)
