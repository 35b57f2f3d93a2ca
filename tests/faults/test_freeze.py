"""A holder frozen with its helm between two of helm's writes, overtaken, thawed: no old write is accepted.

The API servers' audit logs are the witness: every write names the credential it came with. `ISTHMUS_FREEZES`
says how many seeded moments are tried (12 unless said; `make freeze` tries 100).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import datetime as dt
import functools
import json
import os
import random
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from isthmus.clients import kinds
from isthmus.engine import voters
from tests import forks
from tests.faults import lives

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from isthmus.clients import kube
    from isthmus.lab import labs as running

pytestmark = [
    pytest.mark.lab,
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.xdist_group("kill"),
]

COUNT = int(os.environ.get("ISTHMUS_FREEZES", "12"))
SEED = int(os.environ.get("ISTHMUS_FAULTS_SEED", "20261122"))
AT_ONCE = int(os.environ.get("ISTHMUS_FAULTS_AT_ONCE", "12"))
LEASE = "10"
"""Seconds: short, so that the successor need not wait long, and long enough for a machine that is busy."""
WRITES = 40
"""ConfigMaps in the chart: helm needs a few tenths of a second to write them."""
CREDENTIAL = "authentication.kubernetes.io/credential-id"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moment:
    """When the holder is frozen, who overtakes it and when it wakes."""

    is_upgrade: bool
    where: int
    """The cluster whose writes are counted."""
    after: int
    """ConfigMaps that helm has written there."""
    verb: str
    is_early: bool
    """Thawed as soon as the successor's fence stands, else after the successor's end."""
    lag: float
    """Seconds that helm wakes before the process that started it, which will stop it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overtaken:
    """One holder that was overtaken."""

    namespace: str
    credentials: frozenset[str]
    helms: int
    """How many helms were frozen at their work."""
    fenced: float
    """When the successor's fence stood in every cluster; seconds since the epoch, as the others."""
    thawed: float
    ended: float


def moment(seed: int) -> Moment:
    """Return the moment of a seed."""
    chance = random.Random(seed)  # noqa: S311 - the same moments in every run
    return Moment(
        is_upgrade=chance.random() < 0.5,
        where=chance.randrange(3),
        after=chance.randint(1, WRITES),
        verb=chance.choice(["resume", "abort"]),
        is_early=chance.random() < 0.5,
        lag=chance.choice([0.0, 1.5]),
    )


async def test_no_write_of_a_frozen_and_overtaken_holder_is_accepted(
    born: lives.Born, servers: Sequence[kube.Cluster], lab: running.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    began, overtaken = time.monotonic(), list[Overtaken]()

    async def one(seed: int) -> None:
        with lives.told(f"seed {seed}: {moment(seed)}"):
            async with born() as life:
                overtaken.append(await _overtake(life, servers, moment(seed)))

    cases = [functools.partial(one, SEED + number) for number in range(COUNT)]
    failures = await lives.together(cases, AT_ONCE)

    writes = [write for cluster in lab.clusters.values() for write in _audited(cluster.audit_log)]
    accepted = [write for one in overtaken for write in writes if _is_accepted(write, one)]
    refused = [write for one in overtaken for write in writes if _is_refused(write, one)]
    helms = sum(one.helms for one in overtaken)
    took = time.monotonic() - began
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what `make freeze` is run for
            f"\nfrozen and overtaken: {len(overtaken)} holders with {helms} helms; old writes after"
            f" the fence: {len(accepted)} accepted, {len(refused)} refused; {took:.0f} s"
        )
    lives.check_none(failures)
    assert accepted == []
    assert sum(one.helms > 0 for one in overtaken) > len(overtaken) / 2, "few were frozen while helm wrote"
    assert refused, "no thawed helm has tried to write: the test proves nothing"


def _is_helm(process: psutil.Process) -> bool:
    try:
        return process.name() == "helm"
    except psutil.NoSuchProcess:  # it ended before it could be frozen
        return False


async def _overtake(life: lives.Life, servers: Sequence[kube.Cluster], at: Moment) -> Overtaken:
    old, new = await _prepare(life, at)
    holder = forks.driver(life.shop.folder, "--lease", LEASE, env=life.shop.env)
    assert await lives.written(servers[at.where], life.shop.namespace, new, at.after), holder.said
    frozen = freeze(holder.pid)
    helms = sum(_is_helm(process) for process in frozen)
    record = life.shop.folder / "takeover"
    try:
        credentials = frozenset([await _credential(server, life.key) for server in servers])
        successor = forks.driver(
            life.shop.folder, "--verb", at.verb, "--record", str(record), env=life.shop.env
        )
        if at.is_early:
            await _until_fenced(successor, record)
        else:
            await successor.end(lives.PATIENCE)
        thawed = time.time()
        thaw(frozen[1:])
        await asyncio.sleep(at.lag)
    finally:
        thaw(frozen)
    codes = [await child.end(lives.PATIENCE) for child in (holder, successor)]
    ended = time.time()

    is_forward = at.verb == "resume"
    fenced = _passed(record, "before taken over")
    assert fenced is not None, successor.said
    assert codes == [1, 0 if is_forward else 1], f"{holder.said}\n{successor.said}"
    assert "Traceback" not in holder.said
    outcome = "succeeded" if is_forward else "rolled-back"
    await life.check_end(lives.End(owned=True, version=new if is_forward else old, outcome=outcome))
    last = (await life.history())[-1]
    assert (last.is_finished, str(last.outcome)) == (True, outcome)
    return Overtaken(
        namespace=life.shop.namespace,
        credentials=credentials,
        helms=helms,
        fenced=fenced,
        thawed=thawed,
        ended=ended,
    )


async def _prepare(life: lives.Life, at: Moment) -> tuple[str | None, str]:
    """Bring the App to where the moment begins; return the versions before and after."""
    life.shop.spec["rollout"]["timeout"] = "60s"
    life.shop.set({"extra": WRITES})
    if not at.is_upgrade:
        return None, "1"
    done = await life.drive()
    assert done.code == 0, done.out
    life.shop.set({"version": "2"})
    return "1", "2"


async def _until_fenced(successor: forks.Child, record: Path) -> None:
    """Return as soon as the successor's fence stands and it begins to work."""
    while True:
        await asyncio.sleep(0.02)
        if not successor.is_running or _passed(record, "before taken over") is not None:
            return


def freeze(pid: int) -> list[psutil.Process]:
    """Stop a process and what it has started, and return them, the process first."""
    parent = psutil.Process(pid)
    children = parent.children(recursive=True)
    for process in (*children, parent):
        process.suspend()
    late = [child for child in parent.children(recursive=True) if child not in children]
    for process in late:
        process.suspend()
    return [parent, *children, *late]


def thaw(processes: Sequence[psutil.Process]) -> None:
    """Let stopped processes go on."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


async def _credential(server: kube.Cluster, key: str) -> str:
    """Return the id of the token that the holder writes with, as audit logs name it."""
    secret = await server.get(kinds.SECRET, f"fence.{key}", voters.NAMESPACE)
    assert secret is not None
    body = base64.b64decode(secret["data"]["token"]).decode().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return f"JTI={claims['jti']}"


def _passed(record: Path, point: str) -> float | None:
    """Return when a point was passed."""
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    found = [line.partition(" ") for line in lines]
    return next((float(when) for when, _, label in found if label == point), None)


def _audited(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the writes in an audit log, with what was rotated away."""
    for path in sorted(log.parent.glob("audit*.log")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                event = json.loads(line)
                if event["stage"] == "ResponseComplete" or event["responseStatus"].get("code") == 401:
                    yield event  # who is not known is refused before a response is completed


def _is_accepted(write: dict[str, Any], one: Overtaken) -> bool:
    """Say whether this write came with the old credential and was accepted after the fence."""
    ids = (write["user"].get("extra") or {}).get(CREDENTIAL, ())
    is_late = _moment(write["stageTimestamp"]) > one.fenced
    return is_late and not one.credentials.isdisjoint(ids) and write["responseStatus"].get("code", 500) < 300


def _is_refused(write: dict[str, Any], one: Overtaken) -> bool:
    """Say whether this is a write of the thawed holder that was refused: who it was is not known any more."""
    in_time = one.thawed <= _moment(write["stageTimestamp"]) <= one.ended
    return in_time and write["responseStatus"].get("code") == 401 and one.namespace in write["requestURI"]


def _moment(stamp: str) -> float:
    return dt.datetime.fromisoformat(stamp).timestamp()
