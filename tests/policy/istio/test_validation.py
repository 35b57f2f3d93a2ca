"""Objects that Istio's own tests of its webhook accept or refuse (facts, transcribed)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isthmus.policy import world
from isthmus.policy.istio import read
from tests.policy.istio import meshes

FILE = Path(__file__).parents[4] / "shared" / "data" / "istio-validation" / "validation_cases.json"
KINDS = {"AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"}
DATA: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
CASES = [
    case
    for part in DATA.values()
    if isinstance(part, list)
    for case in part
    if case["object"].get("kind") in KINDS
]

pytestmark = pytest.mark.skipif(not CASES, reason="../shared/data/istio-validation is missing")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_an_object_is_accepted_or_refused(case: dict[str, Any]) -> None:
    found = read.read([world.Object(case["object"])], meshes.SETTINGS)
    assert (not found.findings) == case["expect"]["valid"], [each.message for each in found.findings]
