"""What differs between the profiles of a lab: the ground that its clusters stand on, and their nodes.

`labs` does with any of them the same: claim addresses, write them down, lay the ground, start, end, clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from isthmus.lab import binaries, components, control, fakes, place, ports
from isthmus.lab import spec as specs
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

State = dict[str, Any]
"""What lab.json holds."""


class Profile(Protocol):
    """One kind of lab: what is the profile's in one lab."""

    programs: tuple[str, ...]
    """What must be built before."""
    has_images: bool
    """Whether images must be made before, too."""

    def check(self, ways: Collection[str] = ()) -> None:
        """Refuse a machine that such a lab cannot run on, naming all it lacks.

        `ways` are encapsulations and encryptions that pods are to use: `geneve`, `wireguard`, `ipsec`.
        """

    def find(self, bin_folder: Path | None) -> State:
        """Return the part of the state that names what was built; it is not built here."""

    def claim(self, state: State | None, reserved: ports.Reservation, tell: Callable[[str], None]) -> State:
        """Return the part of the state that names ports and addresses: those the lab had, or free ones."""

    def lay(self, state: State, tell: Callable[[str], None]) -> None:
        """Make what clusters stand on, unless it is there."""

    def clear(self, state: State) -> None:
        """Remove what was made beside files; the recorded processes have ended."""

    def site(self, cluster: specs.ClusterSpec, state: State) -> components.Site:
        """Return where a cluster lives."""

    def nodes(self, cluster: specs.ClusterSpec, state: State) -> control.Nodes:
        """Return the nodes of a cluster."""


class Local:
    """The profile `control`: servers on free ports of the loopback, fake nodes, no root."""

    programs: tuple[str, ...] = binaries.CONTROL
    has_images = False

    def __init__(self, spec: specs.LabSpec, folder: Path) -> None:
        self._spec = spec
        self._folder = folder

    def check(self, ways: Collection[str] = ()) -> None:
        """Any machine will do: no packet leaves a fake pod."""

    def find(self, bin_folder: Path | None) -> State:
        """Return the paths of the programs."""
        return found(self.programs, bin_folder)

    def claim(self, state: State | None, reserved: ports.Reservation, tell: Callable[[str], None]) -> State:
        """Return the ports of each cluster: those it had, unless somebody else took one meanwhile."""
        clusters = self._folder / "clusters"
        known: dict[str, dict[str, int]] = state["ports"] if state else {}
        if known and all(_keeps(clusters / name, own, reserved) for name, own in known.items()):
            return {"ports": known}
        if known:
            tell("another program took one of the lab's ports: it gets new ones")
            control.stop(sorted(clusters.glob("*")), keep=True)
            reserved.release()
        taken = {
            port
            for other in others(self._folder)
            for own in other.get("ports", {}).values()
            for port in own.values()
        }
        each = len(components.PORTS)
        found = reserved.find(each * len(self._spec.clusters), taken=taken, seed=str(self._folder))
        chosen = {
            cluster.name: dict(zip(components.PORTS, found[index * each : (index + 1) * each], strict=True))
            for index, cluster in enumerate(self._spec.clusters)
        }
        return {"ports": chosen}

    def lay(self, state: State, tell: Callable[[str], None]) -> None:
        """The loopback is there."""

    def clear(self, state: State) -> None:
        """Nothing was made beside files and processes."""

    def site(self, cluster: specs.ClusterSpec, state: State) -> components.Site:
        """Return where a cluster lives."""
        own = () if cluster.is_witness else (components.SCHEDULER, components.KWOK)
        return components.Site(
            folder=self._folder / "clusters" / cluster.name,
            ports=state["ports"][cluster.name],
            etcd_quota=self._spec.etcd_quota,
            etcd_version=tuple(state["etcd_version"]),
            programs=(*components.VOTER, *own),
            services=f"10.{96 + self._spec.clusters.index(cluster) % 32}.0.0/16",
        )

    def nodes(self, cluster: specs.ClusterSpec, state: State) -> control.Nodes:
        """Return the fake nodes."""
        del state
        index = self._spec.clusters.index(cluster)
        return fakes.Fakes(cluster, index, self._folder / "clusters" / cluster.name)


def get(spec: specs.LabSpec, lock: int | None = None) -> Profile:
    """Return the profile of a lab; `lock` is the descriptor of its lock, for children to hold."""
    folder = place.labs() / spec.name
    if spec.profile == specs.NETWORK:
        from isthmus.lab.network import profile  # noqa: PLC0415  # other labs do without what it needs

        return profile.Network(spec, folder, lock)
    return Local(spec, folder)


def found(programs: Iterable[str], bin_folder: Path | None) -> State:
    """Return the paths of programs, and the version of etcd, which they are called by."""
    paths = {name: binaries.find(name, bin_folder) for name in programs}
    lacking = [name for name, path in paths.items() if path is None]
    if lacking:
        raise errors.ToolError(
            f"the lab lacks {', '.join(lacking)}", remedy="isthmus lab build makes them from source"
        )
    known = {name: path for name, path in paths.items() if path is not None}
    version = binaries.version(components.ETCD, known[components.ETCD])
    return {"programs": {name: str(path) for name, path in known.items()}, "etcd_version": list(version)}


def others(folder: Path) -> list[State]:
    """Return the state of every other lab beside this folder."""
    beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
    read = [place.read_json(path / "lab.json") for path in beside if path != folder and path.is_dir()]
    return [state for state in read if state]


def _keeps(folder: Path, own: Mapping[str, int], reserved: ports.Reservation) -> bool:
    """Say whether each port is free, or in the hands of this cluster's own programs."""
    alive = {name for name, record in control.recorded(folder).items() if record.is_running()}
    owners = {"etcd-peer": components.ETCD}
    return all(
        owners.get(name, name) in alive or reserved.take(port, ours=True) for name, port in own.items()
    )
