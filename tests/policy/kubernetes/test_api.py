"""Manifests of network-policy-api: its conformance policies and stories are read without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isthmus.policy.kubernetes import rules
from isthmus.policy.manifests import text
from tests.policy import suites

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.policy import world

FILES = sorted(suites.API.rglob("*.yaml"))
INVALID = {
    "invalid-ingress-action.yaml": ["policy-value"],
    # A semicolon stands where a comma should: no YAML, upstream.
    "user-story-4-v1.yaml": ["yaml-syntax"],
    "user-story-4-v2.yaml": ["yaml-syntax"],
}

pytestmark = pytest.mark.skipif(not FILES, reason="../shared/data/network-policy-api is missing")


def read(file: Path) -> tuple[tuple[world.Object, ...], list[str]]:
    """Return the objects of a file and the codes of all findings; templates of Go are filled in."""
    words = file.read_text(encoding="utf-8")
    for number in range(5):
        words = words.replace(f"{{{{ index .HostNetworkPorts {number} }}}}", str(9000 + number))
    objects, told = text.objects([(str(file), words)])
    return objects, [each.code for each in (*told, *rules.read(objects, suites.SETTINGS).findings)]


def test_every_policy_of_the_suite_is_read_without_a_finding_but_the_invalid_ones() -> None:
    found = {file.name: codes for file in FILES if (codes := read(file)[1])}
    assert found == INVALID


def test_every_policy_of_the_suite_comes_to_rules() -> None:
    for file in FILES:
        objects, _ = read(file)
        kinds = {each.kind for each in objects} & {"ClusterNetworkPolicy", "NetworkPolicy"}
        found = rules.read(objects, suites.SETTINGS)
        assert bool(found.guards) is (bool(kinds) and file.name not in INVALID), file.name
