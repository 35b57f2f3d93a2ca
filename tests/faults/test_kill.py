"""kill -9 of an operation at every point of its journal, and while helm writes: it can always be ended well.

A third of the points is taken unless `ISTHMUS_FAULTS=all` (`make faults`) asks for all of them, on the way
back to an earlier operation and on the way down as well.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import os
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests import forks, shops
from tests.faults import lives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.clients import kube

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(7200), pytest.mark.xdist_group("kill")]

AT_ONCE = int(os.environ.get("ISTHMUS_FAULTS_AT_ONCE", "10"))
"""Apps that live at once: most of a life is waiting for API servers to forget a dead process's credential."""
IS_FULL = os.environ.get("ISTHMUS_FAULTS") == "all"
"""`make faults`: every point, also of the way down and the way back, and of what another stage has shown."""
STRIDE = 1 if IS_FULL else 3
"""Of so many points that follow one another one is taken, another one in each stage."""
SEED = int(os.environ.get("ISTHMUS_FAULTS_SEED", "20261122"))

# ---- what is expected: the points of each stage, and how each ends


def steps(waves: tuple[tuple[str, ...], ...], verb: str, *ends: str) -> tuple[str, ...]:
    return tuple(f"{name} {end}" for wave in waves for name in wave for end in (f"{verb} intent", *ends))


def wave(number: int) -> tuple[str, ...]:
    return (f"wave {number} gate ready passed",)


FORWARD = (("west",), ("east", "central"))
BACK = (("east", "central"), ("west",))


def run_of(verb: str) -> tuple[str, ...]:
    done = ("helm starts", f"{verb} outcome", "done")
    return ("created", *steps(FORWARD, verb, *done), *wave(0), *wave(1), "succeeded")


UNDONE = ("undo begins", *steps(BACK, "undo", "helm starts", "undo outcome", "undo done"), "rolled-back")
"""The way back; helm starts a second time in each cluster."""

LABELS: dict[str, tuple[str, ...]] = {
    "install": run_of("install"),
    "upgrade": run_of("upgrade"),
    "failing": (
        "created", *steps(FORWARD, "upgrade", "helm starts", "upgrade outcome"), *wave(0),
        "west done", "east done", "central failed", *UNDONE,
    ),
    "rollback": run_of("rollback"),
    "down": (
        "created", *steps(BACK, "uninstall", "helm starts", "uninstall outcome", "done"),
        "succeeded",
    ),
}  # fmt: skip
"""What a run without a kill writes to its journal: a point is before and after each of these."""

OLD, NEW = "old", "new"
ENDS: tuple[tuple[str, str, bool, str], ...] = (
    # stage, point, does an unfinished operation own the App after the kill, what do the clusters run at last
    ("*", "before created", False, OLD),  # nothing was changed, nothing is written down
    ("install", "after succeeded", False, NEW),
    ("install", "*", True, NEW),
    ("upgrade", "after succeeded", False, NEW),
    ("upgrade", "*", True, NEW),
    ("failing", "after rolled-back", False, OLD),
    ("failing", "*", True, OLD),  # the new version never gets ready in the last cluster
    ("rollback", "after succeeded", False, NEW),
    ("rollback", "*", True, NEW),
    ("down", "after succeeded", False, NEW),
    ("down", "*", True, NEW),
)


PATIENT = "90s"
"""On a busy machine the first wave may not be ready in a stage's own time: it is tried again with this."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of an App's life: what the folder says, the verb, and what the clusters run before and after."""

    name: str
    verb: str
    old: str | None
    new: str | None
    values: dict[str, object]
    timeout: str = "60s"

    def end(self, point: str) -> lives.End:
        """Return the end that the table has for a point."""
        owned, which = next(
            (owned, which)
            for stage, pattern, owned, which in ENDS
            if fnmatch.fnmatch(self.name, stage) and fnmatch.fnmatch(point, pattern)
        )
        outcome = "rolled-back" if self.name == "failing" else "succeeded"
        return lives.End(owned=owned, version=self.new if which == NEW else self.old, outcome=outcome)

    def write(self, shop: shops.Shop, timeout: str = "") -> None:
        """Write the folder."""
        shop.spec["rollout"]["timeout"] = timeout or self.timeout
        shop.set({"version": self.values["version"]}, central={"never": self.name == "failing"})


STAGES = (
    Stage("install", "up", None, "1", {"version": "1"}),
    Stage("upgrade", "up", "1", "2", {"version": "2"}),
    Stage("failing", "up", "2", "2", {"version": "3"}, timeout="20s"),
    Stage("rollback", "rollback", "2", "1", {"version": "2"}),
    Stage("down", "down", "1", None, {"version": "2"}),
)
QUICK = {"install", "upgrade", "failing"}


def points(stage: str) -> list[str]:
    """Return the points of a stage in the order of the table; `#2` is the second time of the same label."""
    count: dict[str, int] = {}
    found = []
    for label in LABELS[stage]:
        count[label] = count.get(label, 0) + 1
        mark = "" if count[label] == 1 else f"#{count[label]}"
        found += [f"before {label}{mark}", f"after {label}{mark}"]
    return found


def chosen(stage: str) -> list[str]:
    """Return the points that this run kills at: until `failing` goes back it is an upgrade like the other."""
    found = points(stage)
    if stage == "failing" and not IS_FULL:
        return found[found.index("before central failed") :]
    return found


# ---- the tests


async def test_a_run_without_a_kill_passes_every_point_of_the_table(born: lives.Born) -> None:
    async with born() as life:
        for stage in STAGES:
            stage.write(life.shop)
            record = life.shop.folder / stage.name
            await life.drive("--verb", stage.verb, "--record", str(record))

            passed = [line.partition(" ")[2] for line in record.read_text(encoding="utf-8").splitlines()]
            assert sorted(passed) == sorted(points(stage.name)), stage.name


async def test_an_operation_killed_at_any_point_of_its_journal_is_brought_to_an_end(born: lives.Born) -> None:
    stages = [stage for stage in STAGES if IS_FULL or stage.name in QUICK]
    count = max(len(chosen(stage.name)) for stage in stages)

    async def live(number: int) -> None:
        async with born() as life:
            for offset, stage in enumerate(stages):
                await _live(life, stage, number + offset % STRIDE)

    starts = range(0, count, STRIDE)
    lives.check_none(await lives.together([functools.partial(live, n) for n in starts], AT_ONCE))


async def _live(life: lives.Life, stage: Stage, number: int) -> None:
    """Kill a stage at its point of that number; where it has no more, live through it."""
    found = chosen(stage.name)
    if number < len(found):
        await _kill(life, stage, found[number])
    elif stage.new != stage.old:
        stage.write(life.shop)
        await life.again(stage.verb, lives.End(owned=True, version=stage.new, outcome="succeeded"))


async def _kill(life: lives.Life, stage: Stage, point: str) -> None:
    end = stage.end(point)
    with lives.told(f"{stage.name} killed {point}"):
        stage.write(life.shop)
        if not await life.killed(stage.verb, point):
            stage.write(life.shop, PATIENT)
            assert await life.killed(stage.verb, point), "the point did not come"
        await life.recover(end)
        if end.version != stage.new:
            await life.again(stage.verb, dataclasses.replace(end, version=stage.new))


async def test_a_takeover_that_is_killed_itself_is_taken_over(born: lives.Born) -> None:
    async with born() as life:
        upgrade = STAGES[0]
        upgrade.write(life.shop)
        first = await life.drive("--kill", "after west helm starts")
        second = await life.drive("--verb", "resume", "--kill", "before taken over")
        third = await life.drive("--verb", "resume", "--kill", "after taken over")
        fourth = await life.drive("--verb", "abort", "--kill", "after undo begins")

        assert [first.code, second.code, third.code, fourth.code] == [lives.KILLED] * 4
        await life.recover(lives.End(owned=True, version=None, outcome="rolled-back"))


WRITES = 40
"""ConfigMaps in the chart: helm needs a few tenths of a second to write them."""


@pytest.mark.parametrize("seed", range(SEED, SEED + 6))
async def test_an_operation_killed_while_helm_writes_is_brought_to_an_end(
    born: lives.Born, servers: Sequence[kube.Cluster], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same moments in every run
    async with born() as life:
        life.shop.spec["rollout"]["timeout"] = "60s"
        life.shop.set({"extra": WRITES})
        if is_upgrade := chance.random() < 0.5:
            assert (await life.drive()).code == 0
            life.shop.set({"version": "2"})
        version = "2" if is_upgrade else "1"
        child = forks.driver(life.shop.folder, env=life.shop.env)
        where = chance.choice(servers)
        assert await lives.written(where, life.shop.namespace, version, chance.randint(1, WRITES))
        os.kill(child.pid, signal.SIGKILL)

        assert await child.end(10) == lives.KILLED
        await life.recover(lives.End(owned=True, version=version, outcome="succeeded"))


@pytest.mark.parametrize("status", ["pending-upgrade", "pending-rollback"])
async def test_a_way_back_from_what_helm_left_pending_leaves_nothing_of_the_new_version(
    born: lives.Born, servers: Sequence[kube.Cluster], status: str
) -> None:
    async with born() as life:
        life.shop.spec["rollout"]["timeout"] = "30s"
        life.shop.write()
        assert (await life.drive()).code == 0
        life.shop.set({"version": "2", "extra": WRITES}, west={"never": True})
        child = forks.driver(life.shop.folder, env=life.shop.env)
        if status == "pending-upgrade":
            assert await lives.written(servers[0], life.shop.namespace, "2", WRITES // 2)
        else:
            assert await lives.recorded(servers[0], life.shop.namespace, status)
        os.kill(child.pid, signal.SIGKILL)
        assert await child.end(10) == lives.KILLED

        assert (await life.run("abort")).code == 0
        await life.check_end(lives.End(owned=True, version="1", outcome="rolled-back"))
        path = f"/api/v1/namespaces/{life.shop.namespace}/configmaps"
        names = {item["metadata"]["name"] for item in life.shop.get("west", path)["items"]}
        assert names == {"db", "kube-root-ca.crt"}
