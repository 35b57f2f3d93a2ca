"""What is measured: one small function for each figure, each returning rows for the table.

A figure says nothing about whether it is good; the target beside it comes from the design. Ratios are of
measurements in one run on one machine. Nothing here is a test: a slow machine breaks nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import sys
from typing import TYPE_CHECKING

from bench import clock, world

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS = 20
"""Runs of a command whose start-up is measured."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    figure: str
    target: str = ""


def startup(_: world.World) -> list[Row]:
    """Return how long the command line takes to say something."""
    bare = clock.median(STARTS, lambda: clock.run([sys.executable, "-c", "pass"]).seconds)
    asked = clock.median(STARTS, lambda: clock.isthmus("--help").seconds)
    return [
        Row("python -c pass", milliseconds(bare)),
        Row("isthmus --help", milliseconds(asked), "150 ms"),
    ]


def check(bench: world.World) -> list[Row]:
    """Return how long `plan check` of three clusters takes."""
    folder = bench.fleet(3)
    took = clock.median(STARTS, lambda: clock.isthmus("plan", "check", "-f", folder).seconds)
    return [Row("plan check, 3 clusters", milliseconds(took), "300 ms")]


def lab(bench: world.World) -> list[Row]:
    """Return how long three clusters take from nothing to ready, and what they hold in memory."""
    with bench.lab("start", 3) as started:
        held = started.memory() / 3
    return [
        Row("lab up, 3 clusters, binaries present", seconds(started.seconds), "15 s"),
        Row("memory of a lab cluster (PSS)", mebibytes(held), "600 MiB"),
    ]


def rollout(bench: world.World) -> list[Row]:
    """Return the rollout of one wave over 3 and over 8 clusters beside helm and helmfile."""
    rows = []
    for count in (3, 8):
        with bench.lab(f"rollout{count}", count) as started:
            rows += _rollout(bench, started, count)
    return rows


def _rollout(bench: world.World, lab: world.Lab, count: int) -> list[Row]:
    singles = [functools.partial(bench.helm, lab, context) for context in lab.contexts.values()]
    alone = max(_upgraded(bench, single) for single in singles)
    bench.deploy(lab)
    ours = [bench.deploy(lab) for _ in range(bench.turns)]
    took = statistics.median(run.seconds for run in ours)
    theirs = _upgraded(bench, functools.partial(bench.helmfile, lab))
    return [
        Row(f"slowest single helm upgrade --wait of {count}", seconds(alone)),
        Row(f"helmfile sync, {count} releases at once", seconds(theirs)),
        Row(f"deploy up, {count} clusters in one wave", seconds(took)),
        Row("  over the slowest single helm", ratio(took, alone), "1.25 ×"),
        Row("  over helmfile", ratio(took, theirs)),
        Row("  peak memory", mebibytes(max(run.peak for run in ours))),
    ]


def _upgraded(bench: world.World, work: Callable[[], float]) -> float:
    """Return the median of several upgrades; the installation before them does not count."""
    work()
    return clock.median(bench.turns, work)


def diff(bench: world.World) -> list[Row]:
    """Return how long a diff of 8 clusters takes from cold caches."""
    with bench.lab("diff", 8) as started:
        bench.deploy(started)
        took = clock.median(bench.turns, lambda: bench.diff(started).seconds)
    return [Row("deploy diff, 8 clusters, cold", seconds(took), "5 s for 10")]


def ratio(ours: float, theirs: float) -> str:
    """Return how many times longer ours takes, as text."""
    return f"{ours / theirs:.2f} ×"


def milliseconds(value: float) -> str:
    """Return seconds as text in milliseconds."""
    return f"{value * 1000:.0f} ms"


def seconds(value: float) -> str:
    """Return seconds as text."""
    return f"{value:.1f} s"


def mebibytes(value: float) -> str:
    """Return bytes as text in MiB."""
    return f"{value / 2**20:.0f} MiB"


FIGURES: dict[str, Callable[[world.World], list[Row]]] = {
    "startup": startup,
    "check": check,
    "lab": lab,
    "rollout": rollout,
    "diff": diff,
}
