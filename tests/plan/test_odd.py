"""Signing and recording a Fleet with something odd in it: texts and findings, and never a traceback."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings

from isthmus.model import folder, team
from isthmus.network import place, plan
from isthmus.network.changes import change, record
from isthmus.network.consent import parts, teams
from tests.plan import test_mutations

COUNT = int(os.environ.get("ISTHMUS_MUTATIONS", "50"))


def read(text: str) -> folder.Folder | None:
    return folder.parse([("fleet.yaml", text)]).folder


def recorded(source: folder.Folder, made: plan.Plan) -> record.Record:
    return record.read(record.write(record.of(source.fleet, made.addresses)))


@settings(max_examples=COUNT, deadline=None, suppress_health_check=list(HealthCheck))
@given(test_mutations.mutations())
def test_whatever_is_planned_can_be_signed_and_recorded(text: str) -> None:
    first, source = read(test_mutations.FLEET), read(text)
    assert first is not None
    if source is None:
        return
    made = plan.plan(source)

    for part in team.Part:
        lines = parts.content(part, source, made).split("\n")
        assert lines[2] == f"part: {part.value}"
        assert all(line.isascii() and (not line or line.isprintable()) for line in lines)
    assert teams.read(parts.content(team.Part.TEAMS, source, made)) == teams.of(source.fleet)

    after = recorded(source, made)
    changes = change.Changes(source.fleet, place.Places(source), "plan.lock.json")
    assert not list(changes.findings(after, after))
    for each in changes.findings(recorded(first, plan.plan(first)), after):
        assert each.remedy
        assert each.line
