"""Makes and heals faults of one lab: each is written down, made by the module of its kind, and struck out.

The caller holds the lab's lock. Words for people are in `deeds` and in the command.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from typing import TYPE_CHECKING, Final, assert_never

from isthmus.lab import components, place
from isthmus.lab.faults import book, deeds, expiry, paths, programs
from isthmus.lab.network import layout
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from isthmus.lab import one

_READY_WITHIN: Final = 60.0  # seconds for API servers that were started again
_POLL: Final = 0.1  # seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A fault as it would be made: the value, and what else comes of it, a line each."""

    deed: deeds.Deed
    notes: tuple[str, ...] = ()


class Faults:
    """The faults of one lab."""

    def __init__(self, lab: one.Lab, lock: int | None = None) -> None:
        self._lab = lab
        self._lock = lock
        state = place.read_json(lab.folder / "lab.json") or {}
        self._known = layout.Layout.from_json(state["layout"]) if state.get("layout") else None

    @property
    def all(self) -> tuple[deeds.Fault, ...]:
        """Every fault that was made and not healed, the oldest first."""
        return book.read(self._lab.folder)

    def between(self, one: str, other: str) -> deeds.Between:
        """Return the regions of a path, each named by itself or by a cluster in it."""
        known = self._network()
        return known.paths[paths.find(known, one, other)].between

    def killed(self, cluster: str, program: str) -> Step:
        """Return what kills a program of the control plane, or the processes of that name on nodes."""
        found, name = self._programs(cluster), self._programs(cluster).name(program)
        pids = tuple(each.pid for each in found.found(name))
        is_recorded = name in self._lab.clusters[cluster].programs
        notes = () if is_recorded else ("what started it starts it again",)
        return Step(
            deed=deeds.Kill(cluster=cluster, program=name, pids=() if is_recorded else pids), notes=notes
        )

    def killed_node(self, cluster: str, node: str) -> Step:
        """Return what kills a node with everything on it."""
        self._programs(cluster).check_node(node)
        return self.killed(cluster, node)

    def frozen(self, cluster: str, program: str) -> Step:
        """Return what stops a program, or every process of a node, where it stands."""
        found = self._programs(cluster)
        name = found.name(program)
        stopped = tuple((each.pid, each.create_time()) for each in found.found(name))
        return Step(deed=deeds.Freeze(cluster=cluster, program=name, processes=stopped))

    def expired(self, cluster: str, what: str, *, authority: Path | None) -> Step:
        """Return what lets a certificate run out."""
        own = self._certificates(cluster)
        made = own.expiry(what, authority=authority, now=dt.datetime.now(dt.UTC))
        again = own.readers(what)
        note = f"started again, to read it: {', '.join(again)}" if again else "connections that are open stay"
        return Step(deed=made, notes=(note,))

    def rotated(self, cluster: str) -> Step:
        """Return what gives an API server another authority."""
        self._check_cluster(cluster)
        if any(each.deed == deeds.Rotate(cluster=cluster) for each in self.all):
            raise errors.InputError(
                "its authority is another one already",
                where=cluster,
                remedy="heal that first: isthmus lab fault list",
            )
        notes = (
            "copies of the lab's kubeconfig are refused from now on; the lab's own is written anew",
            "all programs that speak to the API server are started again",
        )
        return Step(deed=deeds.Rotate(cluster=cluster), notes=notes)

    def check(self, deed: deeds.Deed) -> None:
        """Refuse what cannot be made in this lab as it is."""
        if not any(
            each.is_running() for one in self._lab.clusters.values() for each in one.processes.values()
        ):
            raise errors.InputError(
                f"the lab {self._lab.name} does not run", remedy=f"isthmus lab up --name {self._lab.name}"
            )
        if isinstance(deed, deeds.OnPath):
            known = self._network()
            paths.check(known.paths[paths.find(known, *deed.between)], deed)

    def make(self, step: Step) -> deeds.Fault:
        """Write a fault down and make it; one of the same kind on the same thing gives way to it."""
        self.check(step.deed)
        replaced = [each for each in self.all if _is_instead_of(step.deed, each.deed)]
        made = book.add(self._lab.folder, step.deed)
        for each in replaced:
            book.strike(self._lab.folder, each)
        self._do(step.deed)
        return made

    def heal(self, fault: deeds.Fault) -> None:
        """Take a fault back and strike it out."""
        self._undo(fault.deed)
        book.strike(self._lab.folder, fault)

    def forget_for_start(self) -> None:
        """Take back what a starting lab would trip over; whatever it starts by itself is struck out only.

        What is in an API server waits until that runs.
        """
        for each in reversed(self.all):
            match each.deed:
                case deeds.Kill():
                    book.strike(self._lab.folder, each)
                case deeds.Expire() if "/" in each.deed.what:
                    pass
                case _:
                    self.heal(each)

    def heal_all(self) -> None:
        """Take back every fault, the newest first."""
        self.heal_these(tuple(reversed(self.all)))

    def heal_these(self, faults: Iterable[deeds.Fault]) -> None:
        """Take faults back in this order, and wait until the API servers that they concerned are ready."""
        touched = set()
        for each in faults:
            self.heal(each)
            if not isinstance(each.deed, deeds.OnPath):
                touched.add(each.deed.cluster)
        self._settle(touched)

    def name(self, cluster: str, program: str) -> str:
        """Return the name of what a user means by a program."""
        return self._programs(cluster).name(program)

    def _settle(self, clusters: set[str]) -> None:
        """Wait until API servers that can run are ready, and start again who ended for want of them."""
        deadline = time.monotonic() + _READY_WITHIN
        for name in sorted(clusters):
            running = {key for key, each in self._lab.clusters[name].processes.items() if each.is_running()}
            if {components.ETCD, components.APISERVER} <= running:
                self._wait(name, deadline)
                self._start_followers(name)

    def _wait(self, cluster: str, deadline: float) -> None:
        api = self._lab.control(cluster).api("bootstrap")
        while not api.is_ready():
            if time.monotonic() > deadline:
                raise errors.DeadlineError(
                    f"kube-apiserver was not ready within {_READY_WITHIN:.0f} s",
                    where=cluster,
                    remedy=f"isthmus lab up --name {self._lab.name} brings back what is down",
                )
            time.sleep(_POLL)

    def _start_followers(self, cluster: str) -> None:
        killed = (each.deed for each in self.all if isinstance(each.deed, deeds.Kill))
        dead = {each.program for each in killed if each.cluster == cluster}
        for name in self._lab.clusters[cluster].programs:
            if name in components.FOLLOWERS - dead:
                self._lab.control(cluster).start(name)

    def state(self, fault: deeds.Fault) -> str:
        """Return `in force`, or `gone` when something else than `heal` has ended it."""
        return "in force" if self._is_in_force(fault.deed) else "gone"

    def _do(self, deed: deeds.Deed) -> None:
        match deed:
            case deeds.Cut() | deeds.Delay() | deeds.Shrink():
                self._lay(deed.between, [each.deed for each in self.all])
            case deeds.Kill():
                self._programs(deed.cluster).kill(deed)
            case deeds.Freeze():
                programs.freeze(deed)
            case deeds.Expire():
                self._certificates(deed.cluster).expire(deed)
            case deeds.Rotate():
                self._certificates(deed.cluster).rotate()
                self._settle({deed.cluster})
            case _:
                assert_never(deed)

    def _undo(self, deed: deeds.Deed) -> None:
        match deed:
            case deeds.Cut() | deeds.Delay() | deeds.Shrink():
                self._lay(deed.between, [each.deed for each in self.all if each.deed != deed])
            case deeds.Kill():
                self._programs(deed.cluster).revive(deed)
            case deeds.Freeze():
                programs.thaw(deed)
            case deeds.Expire():
                self._certificates(deed.cluster).renew(deed)
            case deeds.Rotate():
                self._certificates(deed.cluster).rotate_back()
            case _:
                assert_never(deed)

    def _is_in_force(self, deed: deeds.Deed) -> bool:
        match deed:
            case deeds.Cut() | deeds.Delay() | deeds.Shrink():
                known = self._network()
                index = paths.find(known, *deed.between)
                wanted = paths.condition(known.paths[index], [each.deed for each in self.all])
                return self._paths().is_in_force(index, wanted)
            case deeds.Kill():
                return not self._programs(deed.cluster).is_back(deed)
            case deeds.Freeze():
                return programs.is_frozen(deed)
            case deeds.Expire():
                return self._certificates(deed.cluster).has_expired(deed)
            case deeds.Rotate():
                return self._certificates(deed.cluster).is_rotated
            case _:
                assert_never(deed)

    def _lay(self, between: deeds.Between, faults: list[deeds.Deed]) -> None:
        known = self._network()
        index = paths.find(known, *between)
        self._paths().apply(index, paths.condition(known.paths[index], faults))

    def _paths(self) -> paths.Paths:
        return paths.Paths(self._network(), self._lab.folder, self._lock)

    def _network(self) -> layout.Layout:
        if self._known is None:
            raise errors.InputError(
                f"the lab {self._lab.name} has no paths: all its servers share the loopback",
                remedy="take a lab with real nodes: isthmus lab up --profile network",
            )
        return self._known

    def _programs(self, cluster: str) -> programs.Programs:
        self._check_cluster(cluster)
        return programs.Programs(self._lab, cluster, self._site(cluster))

    def _certificates(self, cluster: str) -> expiry.Certificates:
        self._check_cluster(cluster)
        return expiry.Certificates(self._lab, cluster, self._site(cluster))

    def _site(self, cluster: str) -> layout.Place | None:
        return self._known.by_cluster[cluster] if self._known else None

    def _check_cluster(self, cluster: str) -> None:
        if cluster not in self._lab.clusters:
            raise errors.InputError(
                f"the lab {self._lab.name} has no cluster {cluster!r}",
                remedy=f"name one of {', '.join(self._lab.clusters)}",
            )


def _is_instead_of(new: deeds.Deed, old: deeds.Deed) -> bool:
    """Say whether a path cannot have both: it has one delay, one size and one cut."""
    if not isinstance(new, deeds.OnPath) or not isinstance(old, deeds.OnPath):
        return False
    return type(new) is type(old) and new.between == old.between
