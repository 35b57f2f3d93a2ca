"""Istio's samples are good configuration: nothing of them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from isthmus.policy import world
from isthmus.policy.istio import read
from tests.policy.istio import meshes

ROOT = Path(__file__).parents[4] / "shared" / "data" / "istio-samples"
FILES = sorted(ROOT.rglob("*.yaml"))

pytestmark = pytest.mark.skipif(not FILES, reason="../shared/data/istio-samples is missing")


def test_no_sample_has_an_error() -> None:
    seen = 0
    for file in FILES:
        documents = [each for each in yaml.safe_load_all(file.read_text()) if isinstance(each, dict)]
        found = read.read([world.Object(each, str(file)) for each in documents], meshes.SETTINGS)
        assert not found.findings, file
        seen += sum(len(part) for part in (found.authorizations, found.peers, found.clients, found.gateways))
    assert seen > 0
