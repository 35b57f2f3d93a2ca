"""Programs that are killed or frozen: of the control plane, of nodes, in pods, and nodes as a whole.

What a lab records is started again by the lab; what runs on a node comes back by its kubelet, or not at all,
and that is told. Nothing here reaches a process outside the cgroups of the cluster's nodes or its records.
"""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from isthmus.lab import components, process
from isthmus.lab.network import groups
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.lab import one
    from isthmus.lab.faults import deeds
    from isthmus.lab.network import layout

_BACK_WITHIN: Final = 90.0  # seconds: a kubelet waits 10 s and more before it starts a container again
_INIT_WITHIN: Final = 10.0  # seconds: a node's init waits one
_STOPS_WITHIN: Final = 10.0  # seconds
_STEP: Final = 0.01  # seconds
_POLL: Final = 0.2  # seconds

SHORT: Final = {
    "apiserver": components.APISERVER,
    "controller-manager": components.CONTROLLERS,
    "scheduler": components.SCHEDULER,
}
"""Other names of what the lab records."""
ON_NODES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "agent": (("cilium-agent",),),
    "operator": (("cilium-operator-generic",),),
    "clustermesh-apiserver": (("clustermesh-apiserver",), ("etcd",)),  # the pod with all its containers
    "kvstoremesh": (("clustermesh-apiserver", "kvstoremesh"),),
    "mesh-etcd": (("etcd",),),
    "relay": (("hubble-relay",),),
    "istiod": (("pilot-discovery",),),
}
"""What users call processes on nodes, and their first words; any other name is a first word itself."""


class Programs:
    """The programs of one cluster of a lab; `site` is None where no real node is."""

    def __init__(self, lab: one.Lab, cluster: str, site: layout.Place | None) -> None:
        self._lab = lab
        self._cluster = cluster
        self._known = lab.clusters[cluster].programs
        self._nodes = site.nodes if site else ()

    def name(self, word: str) -> str:
        """Return the name of what a user means."""
        return SHORT.get(word, word)

    def found(self, program: str) -> list[psutil.Process]:
        """Return the processes that run now; refuse a program of which none does, naming those that do."""
        found = list(self._processes(program))
        if found:
            return found
        if program in self._known:
            remedy = f"start it: isthmus lab up --name {self._lab.name}"
        else:
            remedy = f"name one of {', '.join(self.names())}"
        raise errors.InputError(f"{program} does not run", where=self._cluster, remedy=remedy)

    def names(self) -> list[str]:
        """Return what could be named now."""
        running = sorted({_words(each)[0] for node in self._nodes for each in _of(node.group)})
        short = [name for name in ON_NODES if name not in running and any(self._processes(name))]
        return list(dict.fromkeys((*self._known, *short, *running)))

    def check_node(self, name: str) -> None:
        """Refuse what is no real node."""
        names = [node.name for node in self._nodes]
        if not names:
            raise errors.InputError(
                f"{name} is no process of its own: kwok plays all nodes of this cluster",
                where=self._cluster,
                remedy=f"kill them all: isthmus lab fault kill {self._cluster} kwok",
            )
        if name not in names:
            raise errors.InputError(
                f"there is no node {name!r}", where=self._cluster, remedy=f"name one of {', '.join(names)}"
            )

    def kill(self, deed: deeds.Kill) -> None:
        """Kill what a fault names; whatever has ended meanwhile is dead as well."""
        if deed.program in self._known:
            self._lab.kill(self._cluster, deed.program)
            return
        for each in self._processes(deed.program):
            if each.pid in deed.pids:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()

    def revive(self, deed: deeds.Kill) -> None:
        """Start what the lab records; wait for what comes back by itself."""
        if deed.program in self._known:
            hand = self._lab.control(self._cluster)
            hand.start(deed.program)
            hand.admit()
            return
        deadline = time.monotonic() + _BACK_WITHIN
        while not self.is_back(deed):
            if time.monotonic() > deadline:
                raise errors.DeadlineError(
                    f"{deed.program} was not started again within {_BACK_WITHIN:.0f} s",
                    where=self._cluster,
                    remedy="does its kubelet run, and is its pod still wanted? kubectl describe pod tells",
                )
            time.sleep(_POLL)

    def is_back(self, deed: deeds.Kill) -> bool:
        """Say whether another process is in the place of a killed one.

        Of a node its first process counts: the others may take a moment to die.
        """
        if deed.program in self._known:
            record = self._lab.clusters[self._cluster].processes.get(deed.program)
            return record is not None and record.is_running()
        return any(each.pid not in deed.pids for each in self._processes(deed.program))

    def restart_on(self, node: str, program: str) -> None:
        """Kill a program that a node's init keeps, and wait for the next; one that is down stays so."""
        group = next(each.group for each in self._nodes if each.name == node)
        old = [each for each in _of(group) if _is_one_of(each, ((program,),))]
        for each in old:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        pids, deadline = {each.pid for each in old}, time.monotonic() + _INIT_WITHIN
        while old and time.monotonic() < deadline:
            if any(_is_one_of(each, ((program,),)) for each in _of(group) if each.pid not in pids):
                return
            time.sleep(_POLL)

    def _processes(self, program: str) -> Iterator[psutil.Process]:
        for node in self._nodes:
            if node.name == program:
                yield from _of(node.group)
                return
        if program in self._known:
            record = self._lab.clusters[self._cluster].processes.get(program)
            live = record.live() if record else None
            yield from (live,) if live else ()
            return
        wanted = ON_NODES.get(program, ((program,),))
        for node in self._nodes:
            yield from (each for each in _of(node.group) if _is_one_of(each, wanted))


def freeze(deed: deeds.Freeze) -> None:
    """Stop processes where they stand, and wait until they do: each thread stops when it is next run."""
    for each in _frozen(deed):
        each.signal(signal.SIGSTOP)
    deadline = time.monotonic() + _STOPS_WITHIN
    while any(each.is_running() and not each.is_frozen() for each in _frozen(deed)):
        if time.monotonic() > deadline:
            raise errors.DeadlineError(
                f"{deed.program} did not stop within {_STOPS_WITHIN:.0f} s",
                where=deed.cluster,
                remedy="a process in state D waits for a disk: heal this fault and repeat",
            )
        time.sleep(_STEP)


def thaw(deed: deeds.Freeze) -> None:
    """Let processes run on; those that have ended are left out."""
    for each in _frozen(deed):
        each.signal(signal.SIGCONT)


def is_frozen(deed: deeds.Freeze) -> bool:
    """Say whether any of these processes still stands."""
    return any(each.is_frozen() for each in _frozen(deed))


def _frozen(deed: deeds.Freeze) -> Iterator[process.Process]:
    for pid, created in deed.processes:
        yield process.Process(pid=pid, created=created, argv=())


def _of(group: str) -> Iterator[psutil.Process]:
    """Yield the processes in a node's cgroups, pods included, each once."""
    for pid in sorted(groups.processes(group)):
        with contextlib.suppress(psutil.Error):
            yield psutil.Process(pid)


def _words(of: psutil.Process) -> tuple[str, ...]:
    """Return the words of a process, the first without its folder; an empty one for what has none."""
    with contextlib.suppress(psutil.Error):
        first, *rest = of.cmdline() or [""]
        return (Path(first).name, *rest)
    return ("",)


def _is_one_of(found: psutil.Process, wanted: tuple[tuple[str, ...], ...]) -> bool:
    words = _words(found)
    return any(words[: len(each)] == each for each in wanted)
