"""The nodes of the profile `network`: machines with a real kubelet that registers them.

A machine is one recorded process; when that is gone, what it left (its cgroups, its namespace, its links) is
removed before it is started again, so that nothing old is attached to anything new.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from isthmus.lab import binaries, control, objects, place, process
from isthmus.lab.images import catalog, store
from isthmus.lab.network import containerd, groups, kubelet, machine, runtime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from isthmus.lab import server
    from isthmus.lab.network import layout, links

PLUGINS: Final = ("loopback",)
PROGRAMS: Final = tuple(name for name in binaries.NODE if name not in PLUGINS)
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machines:
    """The nodes of one cluster."""

    def __init__(
        self,
        site: layout.Place,
        folder: Path,
        *,
        wires: links.Links,
        programs: Mapping[str, Path],
        images: Path,
    ) -> None:
        self._site = site
        self._folder = folder
        self._wires = wires
        self._programs = programs
        self._images = images
        self._by_name = {node.name: node for node in site.nodes}

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes' names."""
        return tuple(self._by_name)

    def write(self) -> None:
        """Write what containerd and kubelet read; a kubelet that does not run yet waits to be admitted."""
        for name, node in self._by_name.items():
            state = self._root(name) / machine.STATE
            if not self._is_running(name):
                (self._root(name) / machine.READY).unlink(missing_ok=True)
            self._write(node, state)

    def start(self, name: str) -> bool:
        """Start a machine unless it runs, as after a power cut; return whether that was needed."""
        if self._is_running(name):
            return False
        node, folder = self._by_name[name], self._folder / "nodes" / name
        groups.end(node.group)
        self._wires.join(self._site, node)
        if not (self._root(name) / machine.CONTAINERD).is_dir():
            store.clone(self._images, self._root(name) / machine.CONTAINERD, lock=self._wires.lock)
        place.write(folder / "start", machine.start(node, folder, groups.make(node.group)))
        process.spawn(
            ["/bin/sh", "-e", str(folder / "start")],
            record=control.record_of(self._folder, name),
            log=control.log_of(self._folder, name),
            env={"PATH": _PATH},
        )
        return True

    def rights(self) -> list[tuple[str, objects.Json]]:
        """Return what the API server may do with kubelets."""
        return objects.kubelet_rights() if self._by_name else []

    def objects(self) -> list[tuple[str, objects.Json]]:
        """Return the cluster's DNS; its pods wait for a network that the lab does not bring."""
        return objects.dns(image=catalog.ref("coredns"), address=self._site.dns_ip) if self._by_name else []

    def admit(self) -> None:
        """Let the kubelets start."""
        for name in self._by_name:
            (self._root(name) / machine.READY).touch()

    def are_up(self, api: server.Api) -> bool:
        """Say whether the kubelet of every node has reported since its machine started."""
        return all(self._has_reported(api, name) for name in self._by_name)

    def _has_reported(self, api: server.Api, name: str) -> bool:
        record = process.Process.read(control.record_of(self._folder, name))
        node = api.get(f"/api/v1/nodes/{name}")
        if record is None or node is None:
            return False
        beats = [each.get("lastHeartbeatTime") for each in node["status"].get("conditions", ())]
        # Kubernetes cuts times to seconds. A kubelet that starts reports at once, whatever stands there.
        return any(
            dt.datetime.fromisoformat(each).timestamp() >= int(record.created) for each in beats if each
        )

    def _write(self, node: layout.Node, state: Path) -> None:
        pki = self._folder / "pki"
        folder = self._folder / "nodes" / node.name
        for source, target in (
            ("ca.crt", "ca.crt"),
            (f"node-{node.name}.crt", "kubelet.crt"),
            (f"node-{node.name}.key", "kubelet.key"),
        ):
            place.write(state / target, (pki / source).read_bytes())
        self._install(node.name)
        hierarchies = groups.hierarchies()
        v2 = [each.path for each in hierarchies] == [groups.ROOT]
        place.write_json(state / "kubelet.json", kubelet.configuration(self._site, cgroup_v2=v2))
        place.write_json(state / "kubeconfig.json", kubelet.kubeconfig(self._site))
        place.write(
            state / "containerd.toml",
            containerd.configuration(
                pause=catalog.ref("pause"), runtime=f"/{machine.PROGRAMS}/{machine.RUNTIME}"
            ),
        )
        place.write(
            self._root(node.name) / machine.RUN,
            machine.run(
                containerd=containerd.arguments(f"/{machine.STATE}/containerd.toml"),
                kubelet=kubelet.arguments(node, _labels(self._site, node)),
            ),
        )
        place.write(
            folder / "init",
            machine.init(
                node,
                folder,
                hosts={"localhost": "127.0.0.1"} | {each.name: each.address for each in self._site.nodes},
                hierarchies=hierarchies,
            ),
        )

    def _install(self, name: str) -> None:
        """Give a node its programs: links, so that nodes share them in memory, and plug-ins of its own.

        Pods write into the folder of plug-ins.
        """
        bin_folder, plugins = self._root(name) / machine.PROGRAMS, self._root(name) / machine.PLUGINS
        for folder in (bin_folder, plugins):
            with place.writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
        for each in PROGRAMS:
            place.link(self._programs[each], bin_folder / each)
        place.write(bin_folder / machine.RUNTIME, runtime.script(runtime.lacking(runtime.bounding())))
        (bin_folder / machine.RUNTIME).chmod(0o755)
        for each in PLUGINS:
            if not (plugins / each).exists():
                place.copy(self._programs[each], plugins / each)

    def _root(self, name: str) -> Path:
        return self._folder / "nodes" / name / "root"

    def _is_running(self, name: str) -> bool:
        record = process.Process.read(control.record_of(self._folder, name))
        return record is not None and record.is_running()


def _labels(site: layout.Place, node: layout.Node) -> dict[str, str]:
    zone = objects.zone(site.region, site.nodes.index(node) + 1)
    return {
        "topology.kubernetes.io/region": site.region,
        "topology.kubernetes.io/zone": zone,
        "node.kubernetes.io/instance-type": "lab-namespace",
    }
