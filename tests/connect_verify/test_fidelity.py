"""The engine's verdicts against real agents and real packets: generated policies, no disagreement.

`make fidelity` plays 500 cases (CASES=10000 for more) and prints which features were in how many; `make test`
plays a few. A case that disagrees is shrunk to the objects that it needs.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from isthmus.cli import connection
from tests.fidelity import cases, cast, court, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.connect_verify import meshes

CASES = int(os.environ.get("ISTHMUS_FIDELITY", "8"))
FIRST = int(os.environ.get("ISTHMUS_FIDELITY_SEED", "20261128"))
TRIES = 60
"""Connections of a case, of the 396 that there are."""

pytestmark = [pytest.mark.network, pytest.mark.timeout(120 + 20 * CASES)]


def test_packets_fare_as_the_engine_says(
    mesh: meshes.Mesh, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(mesh.lab.kubeconfig_path))
    for name in cast.CLUSTERS:
        for collection, body in cast.objects():
            mesh.lab.api(name).create(collection, body)
    try:
        table, wrong = asyncio.run(play(mesh))
    finally:
        for name in cast.CLUSTERS:
            for space in cast.NAMESPACES:
                mesh.lab.api(name).delete(f"/api/v1/namespaces/{space}")
    with capsys.disabled():
        sys.stdout.write(f"\n{table}\n")

    assert not wrong


async def play(mesh: meshes.Mesh) -> tuple[str, list[str]]:
    """Play all cases; return the table of features, and what disagrees."""
    pairs = [(name, mesh.lab.clusters[name].context) for name in cast.CLUSTERS]
    features: dict[str, collections.Counter[bool]] = {}
    wrong: list[str] = []
    count = 0
    async with connection.opened(pairs, with_helm=False) as opened:
        ground = field.Field(opened.clusters)
        await ground.look()
        for seed in range(FIRST, FIRST + CASES):
            case = cases.generate(seed, ground.addresses)
            tries = court.chosen(seed, ground, TRIES)
            wanted, differing = await court.disagreements(case, ground, tries)
            count += len(tries)
            for feature in case.features:
                counted = features.setdefault(feature, collections.Counter())
                counted.update(set(wanted.values()))
            if differing:
                wrong.append(await shrunk(case, ground, tries, differing))
    return covered(features, count), wrong


async def shrunk(
    case: cases.Case, ground: field.Field, tries: Sequence[field.Try], differing: Sequence[str]
) -> str:
    """Return a failing case with as few objects as still fail."""
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for cluster, objects in case.objects.items():
            for place in range(len(objects)):
                less = case.without(cluster, place)
                _, still = await court.disagreements(less, ground, tries)
                if still:
                    case, differing, is_smaller = less, still, True
                    break
    policies = {name: list(found) for name, found in case.objects.items()}
    return "\n".join([f"seed {case.seed}", *differing[:5], json.dumps(policies)])


def covered(features: dict[str, collections.Counter[bool]], count: int) -> str:
    """Return in how many cases each feature was, and with which outcomes."""
    lines = [f"{CASES} cases, {count} connections; cases with a feature, and of them with both outcomes:"]
    for feature, counted in sorted(features.items()):
        both = min(counted[True], counted[False])
        lines.append(f"  {feature:32} {max(counted.values()):5} {both:5}")
    return "\n".join(lines)
