"""Paths between regions, made worse: by routes, by the link's MTU, and by a forwarder of ours.

What a path is like follows from all its faults together and is brought about as a whole, so any of them may
be healed before the others. Addresses, and the routes over the link itself, stay as the lab laid them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.lab.faults import deeds, wires
from isthmus.lab.network import links, tools
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from isthmus.lab.network import layout

# Of routes; a lower one comes before a higher one, and links.METRIC before none of these.
_CUT: Final = 10
_WIRE: Final = 50
LEAST: Final = 576
"""Bytes that every IPv4 host must take (RFC 791); below, Linux refuses to believe ICMP (min_pmtu 552)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """What a path is like: seconds of delay one way, the part lost one way, bytes.

    `mtu` is what routers answer with ICMP above, `size` what is lost in silence above (0: nothing).
    """

    is_cut: bool
    delay: float
    loss: float
    mtu: int
    size: int

    @property
    def needs_wire(self) -> bool:
        """Say whether a link of the kernel cannot be like this."""
        return bool(self.delay or self.loss or self.size)


def condition(path: layout.Path, faults: Iterable[deeds.Deed]) -> Condition:
    """Return what a path is like under these faults; those of other paths are left out."""
    found = Condition(is_cut=False, delay=0.0, loss=0.0, mtu=path.mtu, size=0)
    for each in faults:
        match each:
            case deeds.Cut(between=path.between):
                found = dataclasses.replace(found, is_cut=True)
            case deeds.Delay(between=path.between):
                found = dataclasses.replace(found, delay=each.round_trip / 2, loss=each.loss)
            case deeds.Shrink(between=path.between, is_silent=True):
                found = dataclasses.replace(found, size=each.mtu)
            case deeds.Shrink(between=path.between):
                found = dataclasses.replace(found, mtu=each.mtu)
            case _:
                pass
    return found


def find(known: layout.Layout, one: str, other: str) -> int:
    """Return the index of the path between two regions, each named by itself or by a cluster in it."""
    regions = {_region(known, one), _region(known, other)}
    for index, path in enumerate(known.paths):
        if set(path.between) == regions:
            return index
    raise errors.InputError(
        f"{one} and {other} are in the same region, so no path is between them",
        remedy=f"name two of the regions {', '.join(sorted(known.by_region))}",
    )


def check(path: layout.Path, deed: deeds.OnPath) -> None:
    """Refuse what no path can be."""
    match deed:
        case deeds.Shrink() if not LEAST <= deed.mtu < path.mtu:
            raise errors.InputError(
                f"a path that carries {path.mtu} bytes cannot shrink to {deed.mtu}",
                where=" - ".join(path.between),
                remedy=f"take {LEAST} to {path.mtu - 1}",
            )
        case deeds.Delay() if not (deed.round_trip or deed.loss):
            raise errors.InputError(
                "a delay of nothing is no fault", remedy="say how long, as in 60ms, or --loss 1%"
            )
        case _:
            pass


class Paths:
    """The paths of one running lab."""

    def __init__(self, known: layout.Layout, folder: Path, lock: int | None) -> None:
        self._known = known
        self._run = tools.Tools(lock)
        self._links = links.Links(known, self._run)
        self._wires = wires.Wires(folder, self._run)

    def apply(self, index: int, wanted: Condition) -> None:
        """Bring a path into a condition; what is so already stays. Where no path is, no forwarder stays."""
        if not self._links.are_whole():
            self._wires.end(self._ends(index, wanted))
            return
        narrowed = self._mtu(index) > wanted.mtu
        if wanted.is_cut:
            self._each(index, f"route replace blackhole {{target}} metric {_CUT}")
        self._each(index, f"link set {links.path_link(index)} mtu {wanted.mtu}")
        self._lay(index, wanted)
        if not wanted.is_cut:
            self._each(index, f"route delete blackhole {{target}} metric {_CUT}", must=False)
        if not narrowed:
            self._forget()

    def is_in_force(self, index: int, wanted: Condition) -> bool:
        """Say whether a path is in a condition: false once its forwarder was killed, for one."""
        here = self._regions(index)[0].namespace
        holes = self._run.ask("route", "show", "type", "blackhole", namespace=here)
        gateway = self._regions(index)[1].gateway
        is_cut = any(each["dst"] == gateway and each.get("metric") == _CUT for each in holes)
        wire = self._wires.running(self._ends(index, wanted)) if wanted.needs_wire else True
        return wire and is_cut is wanted.is_cut and self._mtu(index) == wanted.mtu

    def _lay(self, index: int, wanted: Condition) -> None:
        ends = self._ends(index, wanted)
        if wanted.needs_wire and self._wires.running(ends):
            return
        self._each(index, f"route delete {{target}} dev {ends.device} metric {_WIRE}", must=False)
        self._wires.end(ends)
        if wanted.needs_wire:
            self._wires.start(ends)
            self._each(index, f"link set {ends.device} txqueuelen {wires.QUEUE} mtu {wanted.mtu} up")
            self._each(index, f"route replace {{target}} dev {ends.device} src {{own}} metric {_WIRE}")

    def _ends(self, index: int, wanted: Condition) -> wires.Ends:
        one, other = self._regions(index)
        return wires.Ends(
            device=f"wire{index}",
            namespaces=(one.namespace, other.namespace),
            delay=wanted.delay,
            loss=wanted.loss,
            mtu=wanted.mtu,
            size=wanted.size,
        )

    def _each(self, index: int, line: str, *, must: bool = True) -> None:
        """Run a line at both ends, once for every {target} on the other side where it names one."""
        one, other = self._regions(index)
        for here, there in ((one, other), (other, one)):
            targets: Iterable[str] = self._links.targets(there) if "{target}" in line else ("",)
            lines = [line.format(target=target, own=here.gateway) for target in targets]
            self._run.ip(lines, namespace=here.namespace, must=must)

    def _mtu(self, index: int) -> int:
        here = self._regions(index)[0].namespace
        found = self._run.ask("link", "show", "dev", links.path_link(index), namespace=here)
        return int(found[0]["mtu"]) if found else 0

    def _forget(self) -> None:
        """Let nodes and control planes forget sizes that they learned from ICMP, for ten minutes else."""
        for namespace in self._known.namespaces:
            self._run.ip(["route flush cache"], namespace=namespace, must=False)

    def _regions(self, index: int) -> tuple[layout.Region, layout.Region]:
        one, other = (self._known.by_region[name] for name in self._known.paths[index].between)
        return one, other


def _region(known: layout.Layout, word: str) -> str:
    if word in known.by_region:
        return word
    if word in known.by_cluster:
        return known.by_cluster[word].region
    raise errors.InputError(
        f"the lab has no region {word!r}", remedy=f"name one of {', '.join(sorted(known.by_region))}"
    )
