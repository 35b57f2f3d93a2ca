"""What is measured: one small function for each figure, each returning rows for the table.

A figure says nothing about whether it is good; the target beside it comes from the design. Ratios are of
measurements in one run on one machine. Nothing here is a test: a slow machine breaks nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING

from bench import clock, policies, world
from isthmus.network.ipam import addresses, give

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS = 20
"""Runs of a command whose start-up is measured."""
PLANS = 3
"""Runs of a large plan."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    figure: str
    target: str = ""
    note: str = ""


def startup(_: world.World) -> list[Row]:
    """Return how long the command line takes to say something."""
    bare = clock.median(STARTS, lambda: clock.run([sys.executable, "-c", "pass"]))
    asked = clock.median(STARTS, lambda: clock.isthmus("--help"))
    return [
        Row("python -c pass", milliseconds(bare.seconds)),
        Row("isthmus --help", milliseconds(asked.seconds), "150 ms", cpu(asked)),
    ]


def check(bench: world.World) -> list[Row]:
    """Return how long `plan check` of three clusters takes."""
    folder = bench.fleet(3)
    took = clock.median(STARTS, lambda: clock.isthmus("plan", "check", "-f", folder))
    return [Row("plan check, 3 clusters", milliseconds(took.seconds), "300 ms", cpu(took))]


def plan(bench: world.World) -> list[Row]:
    """Return how long large plans take, and what one more cluster costs and moves."""
    rows = []
    for count, cni, what in ((10_000, "none", "cni: none"), (511, "cilium", "every pair")):
        source = bench.fleet(count, cni=cni)
        took = clock.median(PLANS, functools.partial(clock.isthmus, "plan", "check", "-f", source))
        rows.append(Row(f"plan check, {count:,} clusters, {what}", seconds(took.seconds), "2 s", cpu(took)))
    return [*rows, *_one_more(bench)]


def _one_more(bench: world.World) -> list[Row]:
    before, after = (bench.parsed(count, cni="none") for count in (10_000, 10_001))
    planned, again = addresses.plan(before), addresses.plan(after)
    began = time.perf_counter()
    newcomer = give.newcomer(before.fleet, planned.clusters, after.fleet.clusters[-1])
    took = time.perf_counter() - began
    assert newcomer == again.clusters[-1], "a newcomer gets what the whole plan would give it"
    moved = sum(one != other for one, other in zip(_ranges(planned), _ranges(again), strict=False))
    return [
        Row("  one more cluster beside 10,000", milliseconds(took), "100 ms"),
        Row("  ranges of others that move", str(moved), "0"),
    ]


def _ranges(planned: addresses.Addresses) -> list[dict[str, str | int | None]]:
    return [each.to_json() for each in planned.clusters]


def lab(bench: world.World) -> list[Row]:
    """Return how long three clusters take from nothing to ready, and what they hold in memory."""
    with bench.lab("start", 3) as started:
        held = started.memory() / 3
    return [
        Row("lab up, 3 clusters, binaries present", seconds(started.seconds), "15 s"),
        Row("memory of a lab cluster (PSS)", mebibytes(held), "600 MiB"),
    ]


def network(bench: world.World) -> list[Row]:
    """Return how long two meshed clusters with real nodes take from nothing, and what they hold in memory."""
    took = bench.mesh("network", 2)
    return [
        Row("lab up, 2 clusters with real nodes, bare", seconds(took.bare)),
        Row("  then connect up", seconds(took.connected)),
        Row("  until the mesh is ready, in all", seconds(_in_all(took)), "60 s"),
        Row("  memory of all, witness included (PSS)", mebibytes(took.memory), "2560 MiB"),
    ]


def connect(bench: world.World, count: int) -> list[Row]:
    """Return how long `connect up` takes from bare clusters with real nodes to a mesh that is ready."""
    took = bench.mesh(f"connect{count}", count)
    return [
        Row(f"connect up, {count} clusters, bare to ready", seconds(took.connected + took.synced)),
        Row("  of that after the pods were ready", seconds(took.synced)),
        Row("  memory of all (PSS)", mebibytes(took.memory)),
    ]


def _in_all(took: world.Mesh) -> float:
    return took.bare + took.connected + took.synced


def rollout(bench: world.World, count: int) -> list[Row]:
    """Return the rollout of one wave over so many clusters beside helm and helmfile."""
    with bench.lab(f"rollout{count}", count) as started:
        return _rollout(bench, started, count)


def _rollout(bench: world.World, lab: world.Lab, count: int) -> list[Row]:
    contexts = lab.contexts.values()
    singles = [_upgraded(bench, functools.partial(bench.helm, lab, context)) for context in contexts]
    alone = max(single.seconds for single in singles)
    ours = _upgraded(bench, lambda: bench.deploy(lab))
    return [
        Row(f"slowest single helm upgrade --wait of {count}", seconds(alone)),
        Row(f"deploy up, {count} clusters in one wave", seconds(ours.seconds), "", cpu(ours)),
        Row("  over the slowest single helm", ratio(ours.seconds, alone), "1.25 ×"),
        Row("  one release in it, over that helm", ratio(_release(ours.output), alone), "1.10 ×"),
        Row("  peak memory", mebibytes(ours.peak)),
        *_helmfile(bench, lab, ours),
    ]


def _release(output: str) -> float:
    """Return the median seconds of one release in the last rollout, from its step's start to ready."""
    last = json.loads(output.strip().splitlines()[-1])
    moments = [
        [dt.datetime.fromisoformat(run[name]) for name in ("started", "ended")]
        for run in last["operation"]["runs"]
    ]
    return statistics.median((ended - started).total_seconds() for started, ended in moments)


def _helmfile(bench: world.World, lab: world.Lab, ours: clock.Run) -> list[Row]:
    what = f"helmfile sync, {len(lab.contexts)} releases at once"
    if not world.is_built("helmfile"):
        return [Row(what, "not here", "", "isthmus lab build helmfile")]
    theirs = _upgraded(bench, lambda: bench.helmfile(lab))
    return [
        Row(what, seconds(theirs.seconds), "", cpu(theirs)),
        Row("  deploy up over helmfile", ratio(ours.seconds, theirs.seconds)),
    ]


def _upgraded(bench: world.World, work: Callable[[], clock.Run]) -> clock.Run:
    """Return the median of several upgrades; the installation before them does not count."""
    work()
    return clock.median(bench.turns, work)


def diff(bench: world.World) -> list[Row]:
    """Return how long a diff of 8 clusters takes from cold caches."""
    with bench.lab("diff", 8) as started:
        bench.deploy(started)
        took = clock.median(bench.turns, lambda: bench.diff(started))
    return [
        Row("deploy diff, 8 clusters, cold", seconds(took.seconds), "5 s for 10", cpu(took)),
        Row("  peak memory", mebibytes(took.peak)),
    ]


def doctor(bench: world.World) -> list[Row]:
    """Return how long `doctor` takes for ten clusters, in a process that knows nothing yet."""
    with bench.lab("doctor", 10) as started:
        bench.mesh_objects(started)
        took = clock.median(bench.turns, lambda: bench.doctor(started))
    found = json.loads(took.output)
    return [
        Row("doctor, 10 clusters, cold", seconds(took.seconds), "5 s", cpu(took)),
        Row("  peak memory", mebibytes(took.peak)),
        Row("  findings; what is not checked, as nodes are played", _told(found)),
    ]


def _told(found: dict[str, list[object]]) -> str:
    return f"{len(found['findings'])}, {len(found['not_checked'])}"


def matrix(bench: world.World) -> list[Row]:
    """Return how long the matrix of a thousand workloads takes, from manifests on disk to the last row."""
    folder = policies.write(bench.folder / "manifests", workloads=1000, policies=500, namespaces=40)
    rows = bench.folder / "matrix.csv"
    # Rows go to a file: held here, they would count as the memory of the next run, which forks from us.
    command = f'exec "$0" access matrix -o csv --manifests "{folder}" > "{rows}"'
    shell = ["sh", "-c", command, f"{sys.prefix}/bin/isthmus"]
    took = clock.median(bench.turns, lambda: clock.run(shell))
    with rows.open() as lines:
        count = sum(1 for _ in lines) - 1
    return [
        Row("access matrix, 1,000 workloads, 500 policies", seconds(took.seconds), "1 s", cpu(took)),
        Row("  peak memory", mebibytes(took.peak), "200 MiB", f"{count:,} rows"),
    ]


def classes(_: world.World) -> list[Row]:
    """Return how long the matrix of 100,000 pods takes from parsed objects, and what one change costs."""
    rows: list[Row] = []
    for distinct, target in ((2_000, "1 s"), (20_000, "5 s")):
        script = [sys.executable, "-m", "bench.crowd", str(distinct)]
        took = json.loads(clock.run(script).output)
        what = f"matrix, 100,000 pods, {distinct:,} label sets"
        rows += [
            Row(what, seconds(took["seconds"]), target, f"cpu {seconds(took['cpu'])}"),
            Row("  peak memory, the pods themselves included", mebibytes(took["peak"]), "1024 MiB"),
            Row("  what one policy would change, median", milliseconds(took["change"]), "100 ms"),
            Row("  of 10,000 pairs unlike their single verdict", str(took["unlike"]), "0"),
        ]
    return rows


def cpu(run: clock.Run) -> str:
    """Return the work of a run as text."""
    return f"cpu {milliseconds(run.cpu) if run.cpu < 1 else seconds(run.cpu)}"


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
    "plan": plan,
    "lab": lab,
    "network": network,
    "connect3": lambda bench: connect(bench, 3),
    "rollout3": lambda bench: rollout(bench, 3),
    "rollout8": lambda bench: rollout(bench, 8),
    "diff": diff,
    "doctor": doctor,
    "matrix": matrix,
    "classes": classes,
}
