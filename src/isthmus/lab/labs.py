"""The way into the lab: bring labs up and down, and find the running ones.

A lab is a folder (`place`); its `lab.json` holds what was asked for, its ports, and whether it was ever
whole. What was killed before it was whole is removed by the next `up` or `down`. Calls block; clusters come
up in parallel, a thread each. Down never fails on what is gone already.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

from isthmus.lab import control, one, place, ports, profiles
from isthmus.lab import spec as specs
from isthmus.lab.faults import making
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Lab = one.Lab
Cluster = one.Cluster

READY_WITHIN = 180.0  # seconds for all clusters, on a machine that is busy with other things
_LOCK_WITHIN = 240.0  # seconds: longer than any `up` or `down` takes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """A step in bringing up a lab: cluster ('' for the whole lab), what happens, seconds since the start."""

    cluster: str
    what: str
    elapsed: float


def silent(_: Event) -> None:
    """Report nothing."""


def up(
    spec: specs.LabSpec,
    *,
    report: Callable[[Event], None] = silent,
    bin_folder: Path | None = None,
    seconds: float = READY_WITHIN,
) -> Lab:
    """Bring a lab up, or what of it is down; return when pods can run in every cluster, all faults healed.

    The binaries must exist (`build.ensure`). A lab of that name with other clusters is refused.
    """
    began = time.monotonic()

    def tell(cluster: str, what: str) -> None:
        report(Event(cluster=cluster, what=what, elapsed=time.monotonic() - began))

    if not spec.clusters:
        raise errors.InputError("the lab has no cluster", remedy="name at least one")
    profile = profiles.get(spec)
    profile.check()
    built = profile.find(bin_folder)
    try:
        with _locked(spec.name) as lock:
            return _bring(spec, built, tell, seconds, lock)
    except BaseException:
        _tidy()
        raise


def _bring(
    spec: specs.LabSpec,
    built: profiles.State,
    tell: Callable[[str, str], None],
    seconds: float,
    lock: int,
) -> Lab:
    folder = place.labs() / spec.name
    state = _known(folder, spec, lock)
    reserved = ports.Reservation()
    try:
        state = _prepare(folder, spec, state, built, reserved, tell)
        profiles.get(spec, lock).lay(state, lambda what: tell("", what))
        lab = Lab(folder, state, lock=lock)
        faults = making.Faults(lab, lock)
        if faults.all:
            tell("", f"healing {', '.join(each.id for each in faults.all)}")
        faults.forget_for_start()
        _start(lab, reserved, seconds, tell)
        faults.heal_all()
    except BaseException:
        # A lab that never was whole is of no use to anybody; one with data keeps it.
        if not state or not state.get("whole"):
            _remove(folder, lock)
        raise
    finally:
        reserved.release()
    place.write_json(folder / "kubeconfig", lab.kubeconfig())
    place.write_json(folder / "lab.json", {**state, "whole": True})
    return Lab(folder, state)  # without our lock, and without a word of giving up


def down(name: str, *, keep: bool = False) -> bool:
    """End a lab and remove it, data and all unless `keep`; False when there is none."""
    specs.check_name(name)
    folder = place.labs() / name
    with _locked(name) as lock:
        found = folder.is_dir()
        state = place.read_json(folder / "lab.json")
        if found and keep and state and state.get("whole"):
            control.stop(_clusters(folder), keep=True)
            _clear(state, lock)
        elif found:
            _remove(folder, lock)
    _tidy()
    return found


@contextlib.contextmanager
def held(name: str) -> Iterator[tuple[Lab, int]]:
    """Hold a lab against everybody else who changes it; yield it, and its lock for children to hold."""
    get(name)
    with _locked(name) as lock:
        lab = get(name)
        yield Lab(lab.folder, place.read_json(lab.folder / "lab.json"), lock=lock), lock


def find(name: str) -> Lab | None:
    """Return the lab of that name if it was ever whole, running or kept."""
    folder = place.labs() / name
    state = place.read_json(folder / "lab.json")
    return Lab(folder, state) if state and state.get("whole") else None


def get(name: str) -> Lab:
    """Return the lab of that name, or say which there are."""
    lab = find(name)
    if lab is None:
        known = ", ".join(names())
        raise errors.InputError(
            f"there is no lab {name!r}",
            why=f"labs here: {known}" if known else "there is no lab at all",
            remedy=f"isthmus lab up --name {name}",
        )
    return lab


def names() -> tuple[str, ...]:
    """Return the names of all labs that left a trace, half-made ones included."""
    folder = place.labs()
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir())) if folder.is_dir() else ()


def running() -> tuple[Lab, ...]:
    """Return the labs of which at least one program runs."""
    known = [lab for lab in map(readable, names()) if lab is not None]
    return tuple(
        lab
        for lab in known
        if any(each.is_running() for cluster in lab.clusters.values() for each in cluster.processes.values())
    )


def readable(name: str) -> Lab | None:
    """Return the lab of that name, None also where another version wrote its record."""
    with contextlib.suppress(errors.InputError):
        return find(name)
    return None


def kubeconfigs() -> tuple[Path, ...]:
    """Return the kubeconfig files of running labs, where a context is sought that no other has."""
    return tuple(lab.kubeconfig_path for lab in running())


def _known(folder: Path, spec: specs.LabSpec, lock: int) -> dict[str, Any] | None:
    """Return the state of an earlier lab of that name; what was left half-made is removed."""
    state: dict[str, Any] | None = place.read_json(folder / "lab.json")
    if state is None or not state.get("whole"):
        if folder.exists():
            _remove(folder, lock)
        return None
    if specs.LabSpec.from_json(state["spec"]) != spec:
        raise errors.ConflictError(
            f"a lab {spec.name!r} exists with other clusters or settings",
            remedy=f"use another --name, or remove it: isthmus lab down --name {spec.name}",
        )
    return state


def _prepare(
    folder: Path,
    spec: specs.LabSpec,
    state: dict[str, Any] | None,
    built: profiles.State,
    reserved: ports.Reservation,
    tell: Callable[[str, str], None],
) -> dict[str, Any]:
    """Claim addresses and write lab.json: from here on the lab has a trace that `down` finds."""
    with _ports_locked():
        claimed = profiles.get(spec).claim(state, reserved, lambda what: tell("", what))
        fresh = {"spec": spec.to_json(), **claimed, **built, "whole": bool(state)}
        place.write_json(folder / "lab.json", fresh)
    return fresh


def _start(lab: Lab, reserved: ports.Reservation, seconds: float, tell: Callable[[str, str], None]) -> None:
    """Bring all clusters up at once; the first failure ends the wait for the others."""
    given_up = threading.Event()

    def bring(name: str) -> None:
        try:
            lab.control(name).up(
                seconds=seconds,
                reserved=reserved,
                tell=lambda what: tell(name, what),
                given_up=given_up.is_set,
            )
        except BaseException:
            given_up.set()
            raise

    with concurrent.futures.ThreadPoolExecutor(max_workers=len(lab.clusters)) as pool:
        jobs = [pool.submit(bring, name) for name in lab.clusters]
        try:
            for job in concurrent.futures.as_completed(jobs):
                job.result()
        finally:
            given_up.set()


def _clear(state: profiles.State, lock: int) -> None:
    """Remove what a lab has beside processes and files; its record may be of another version."""
    spec = state["spec"]
    if spec.get("profile") in specs.CLUSTERS:
        known = specs.LabSpec(name=spec["name"], profile=spec["profile"])
        profiles.get(known, lock).clear(state)


def _remove(folder: Path, lock: int) -> None:
    control.stop(_clusters(folder), keep=False)
    state = place.read_json(folder / "lab.json")
    if state:
        _clear(state, lock)
    with place.writing(folder), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _tidy() -> None:
    """Leave nothing behind after the last lab, not even the trial or lock of a process that was killed."""
    with place.trying():
        pass
    if names():
        return
    with _ports_locked():
        pass
    with contextlib.suppress(OSError):
        place.labs().rmdir()


def _clusters(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted((folder / "clusters").glob("*")))


def _locked(name: str) -> contextlib.AbstractContextManager[int]:
    return place.locked(place.labs() / f".{name}.lock", f"the lab {name!r}", seconds=_LOCK_WITHIN)


def _ports_locked() -> contextlib.AbstractContextManager[int]:
    return place.locked(place.labs() / ".ports.lock", "the ports of all labs", seconds=30)
