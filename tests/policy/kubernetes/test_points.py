"""Single connections of whole folders of manifests, of workloads and addresses, as a suite judges them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from isthmus.policy import decide, ports, rule, world
from tests.policy import suites

QUERIES: list[dict[str, Any]] = suites.load(suites.GUARD / "point_queries.json").get("queries", [])

pytestmark = pytest.mark.skipif(not QUERIES, reason="../shared/data/np-guard-netpol-analyzer is missing")

BY_FOLDER = {
    folder: list(queries)
    for folder, queries in itertools.groupby(sorted(QUERIES, key=lambda q: q["dir"]), key=lambda q: q["dir"])
}


def ends(known: world.World, spot: dict[str, Any]) -> list[world.Endpoint]:
    if "ip" in spot:
        return [suites.outside(spot["ip"])]
    found = suites.named(known, spot["namespace"], spot["workload"], spot["kind"])
    assert found, f"{spot} is not in the manifests"
    return found


@pytest.mark.parametrize("folder", BY_FOLDER)
def test_connections_of_a_folder_are_judged_as_the_suite_does(folder: str) -> None:
    known, rules = suites.folder(suites.GUARD / folder)
    book = decide.Book(suites.SETTINGS, rules)

    def is_allowed(ask: decide.Ask) -> bool:
        return all(
            book.decide(direction, ask).is_allowed
            for direction, end in zip(rule.Direction, (ask.destination, ask.source), strict=True)
            if end.is_managed
        )

    wrong = []
    for query in BY_FOLDER[folder]:
        protocol = ports.Protocol(query["protocol"].lower())
        verdicts = {
            is_allowed(decide.Ask(source, destination, protocol, query["port"]))
            for source in ends(known, query["src"])
            for destination in ends(known, query["dst"])
        }
        if verdicts != {query["expect"] == "allow"}:
            wrong.append(
                (query["id"], query["src"], query["dst"], query["protocol"], query["port"], verdicts)
            )
    assert not wrong
