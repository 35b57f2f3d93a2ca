"""The profile `network` as labs see it: namespaces that the lab's file names, then made, joined, removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from isthmus.lab import binaries, components, control, profiles
from isthmus.lab.faults import wires as forwarders
from isthmus.lab.images import store
from isthmus.lab.network import groups, layout, limits, links, machines, requirements, tools
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from isthmus.lab import ports
    from isthmus.lab import spec as specs

State = dict[str, Any]

PORTS: Final = {components.ETCD: 2379, "etcd-peer": 2380, components.APISERVER: 6443}
"""The usual ones: each control plane has a network namespace of its own."""
CONTROL_PLANE: Final = (
    components.ETCD,
    components.APISERVER,
    components.CONTROLLERS,
    components.SCHEDULER,
)


class Network:
    """Real nodes in network namespaces."""

    programs: tuple[str, ...] = (*CONTROL_PLANE, *binaries.NODE, *binaries.PODS)
    has_images = True

    def __init__(self, spec: specs.LabSpec, folder: Path, lock: int | None) -> None:
        self._spec = spec
        self._folder = folder
        self._run = tools.Tools(lock)

    def check(self, ways: Collection[str] = ()) -> None:
        """Refuse a machine without the rights, tools or kernel features."""
        requirements.check(ways)

    def find(self, bin_folder: Path | None) -> State:
        """Return the paths of the programs, and of the images."""
        images = store.find(folder=bin_folder)
        if images is None:
            raise errors.ToolError(
                "the images of the lab's nodes were not made", remedy="isthmus lab build --profile network"
            )
        return {**profiles.found(self.programs, bin_folder), "images": str(images)}

    def claim(self, state: State | None, reserved: ports.Reservation, tell: Callable[[str], None]) -> State:
        """Return the layout: the lab's own, or a new one whose block is free on this host."""
        del reserved, tell  # every port of a new namespace is free
        if state:
            return {key: state[key] for key in ("ports", "layout")}
        beside = (other.get("layout") for other in profiles.others(self._folder))
        used = [each["block"] for each in beside if each]
        planned = layout.plan(
            self._spec, seed=str(self._folder.resolve()), taken=[*used, *_routes(self._run)]
        )
        return {
            "ports": {each.name: PORTS for each in self._spec.clusters},
            "layout": planned.to_json(),
        }

    def lay(self, state: State, tell: Callable[[str], None]) -> None:
        """Make regions, paths and the places of control planes, unless they stand."""
        known, wires = self._known(state)
        limits.take(known.key, self._folder)
        if wires.are_whole():
            return
        tell("regions and paths")
        # What runs in namespaces that are not whole, after a restart of the machine for one, is of no use.
        control.stop(sorted((self._folder / "clusters").glob("*")), keep=True)
        groups.end(known.group)
        forwarders.end_all(self._folder)
        wires.remove()
        wires.make()

    def clear(self, state: State) -> None:
        """End what is left in the nodes' cgroups, and remove those, links and namespaces."""
        known, wires = self._known(state)
        groups.end(known.group)
        forwarders.end_all(self._folder)
        wires.remove()
        limits.give_back(known.key)

    def site(self, cluster: specs.ClusterSpec, state: State) -> components.Site:
        """Return where a cluster lives."""
        own = self._known(state)[0].by_cluster[cluster.name]
        return components.Site(
            folder=self._folder / "clusters" / cluster.name,
            ports=state["ports"][cluster.name],
            etcd_quota=self._spec.etcd_quota,
            etcd_version=tuple(state["etcd_version"]),
            programs=components.VOTER if cluster.is_witness else CONTROL_PLANE,
            services=own.service_range,
            pods=own.pod_range,
            node_mask=own.node_mask,
            host=own.server,
            enter=tuple(tools.enter(own.namespace)),
            nodes={node.name: node.address for node in own.nodes},
        )

    def nodes(self, cluster: specs.ClusterSpec, state: State) -> control.Nodes:
        """Return the machines of a cluster."""
        known, wires = self._known(state)
        return machines.Machines(
            known.by_cluster[cluster.name],
            self._folder / "clusters" / cluster.name,
            wires=wires,
            programs={name: Path(path) for name, path in state["programs"].items()},
            images=Path(state["images"]),
        )

    def _known(self, state: State) -> tuple[layout.Layout, links.Links]:
        known = layout.Layout.from_json(state["layout"])
        return known, links.Links(known, self._run)


def _routes(run: tools.Tools) -> list[str]:
    """Return every prefix that this host has an IPv4 route to, in any table."""
    found = [str(each.get("dst", "")) for each in run.ask("-4", "route", "show", "table", "all")]
    return [text for text in found if text and text != "default"]
