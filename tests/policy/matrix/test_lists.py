"""Whole lists of connections of folders of manifests, and what changes between two, as a suite has them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from isthmus.policy import ports
from isthmus.policy.reach import diff, matrix
from tests.policy import suites

SUITE: dict[str, Any] = suites.load(suites.GUARD / "expected.json")
LISTS: list[dict[str, Any]] = [
    case
    for case in SUITE.get("connlist_cases", [])
    if not case["focus_conn"]  # left out: a filter of that tool's output, with an answer that has no rows
]
DIFFS: list[dict[str, Any]] = SUITE.get("diff_cases", [])

pytestmark = pytest.mark.skipif(not SUITE, reason="../shared/data/np-guard-netpol-analyzer is missing")

ALL = "All Connections"
NOTHING = "No Connections"
Rows = dict[tuple[str, str], str]


def spelled(held: ports.Ports) -> str:
    """Return ports as the suite writes them: three protocols, ports from 1, all of them in two words."""
    found = []
    split = ports.split(held)
    for protocol in sorted(ports.TRANSPORT):
        ranges = [(max(first, 1), last) for first, last in split.get(protocol, ()) if last]
        if ranges:
            words = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
            found.append(f"{protocol.upper()} {','.join(words)}")
    whole = [f"{protocol.upper()} 1-65535" for protocol in sorted(ports.TRANSPORT)]
    return ALL if found == whole else ",".join(found) or NOTHING


def made(folder: str) -> matrix.Matrix:
    known, rules = suites.folder(suites.GUARD / folder)
    return matrix.Matrix(known, {suites.NAME: rules})


def listed(folder: str) -> Rows:
    found = {(row.source, row.destination): spelled(row.ports) for row in made(folder).rows()}
    return {ends: words for ends, words in found.items() if words != NOTHING}


def is_focused(case: dict[str, Any], ends: tuple[str, str]) -> bool:
    """Say whether a row is in the part of the list that the case asked for."""

    def is_one(wanted: list[str], title: str) -> bool:
        name = re.sub(r"\[.*\]$", "", title)
        return any(each in {name, name.partition("/")[2]} for each in wanted)

    ways = {"ingress": [(1, 0)], "egress": [(0, 1)]}.get(case["focus_direction"], [(0, 1), (1, 0)])
    focus, peers = case["focus_workloads"], case["focus_peers"]
    return not focus or any(
        is_one(focus, ends[one]) and (not peers or is_one(peers, ends[other])) for one, other in ways
    )


def test_a_list_of_connections_is_that_of_the_suite() -> None:
    for case in LISTS:
        expected = {(row["src"], row["dst"]): row["conn"] for row in case["connections"]}
        found = {ends: words for ends, words in listed(case["input_dir"]).items() if is_focused(case, ends)}
        assert found == expected, case["id"]


def test_a_difference_of_two_folders_is_that_of_the_suite() -> None:
    for case in DIFFS:
        found = {
            ((change.source, change.destination), *map(spelled, (change.before, change.after)))
            for change in diff.changes(made(case["first"]), made(case["second"]))
            if spelled(change.before) != spelled(change.after)  # ICMP is nothing to the suite
        }
        expected = {((row["src"], row["dst"]), row["first"], row["second"]) for row in case["rows"]}
        assert found == expected, (case["first"], case["second"])
