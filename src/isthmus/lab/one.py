"""One lab that was whole at least once, as tests, `lab fault` and the demo take hold of it.

It starts and stops single programs; bringing whole labs up and down is in `labs`.
"""

from __future__ import annotations

import base64
import dataclasses
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.lab import components, control, process, profiles
from isthmus.lab import spec as specs
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.lab import server


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
    """One cluster of a lab, as others need it."""

    name: str
    region: str
    context: str
    server: str
    folder: Path
    audit_log: Path
    programs: tuple[str, ...]

    @property
    def processes(self) -> dict[str, process.Process]:
        """The recorded process of each program, whether it runs or not."""
        return control.recorded(self.folder)

    @property
    def is_up(self) -> bool:
        """Say whether every program runs and none is frozen."""
        found = self.processes
        return all(
            name in found and found[name].is_running() and not found[name].is_frozen()
            for name in self.programs
        )


class Lab:
    """A lab that was whole at least once."""

    def __init__(self, folder: Path, state: profiles.State, *, lock: int | None = None) -> None:
        self.folder = folder
        self.spec = specs.LabSpec.from_json(state["spec"])
        self.kubeconfig_path = folder / "kubeconfig"
        programs = {name: Path(path) for name, path in state["programs"].items()}
        profile = profiles.get(self.spec, lock)
        self._hands = {
            each.name: control.Control(
                each,
                profile.site(each, state),
                programs,
                profile.nodes(each, state),
            )
            for each in self.spec.clusters
        }
        self.clusters: Mapping[str, Cluster] = {name: _describe(hand) for name, hand in self._hands.items()}

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.spec.name

    @property
    def is_up(self) -> bool:
        """Say whether every program of every cluster runs."""
        return all(cluster.is_up for cluster in self.clusters.values())

    def control(self, cluster: str) -> control.Control:
        """Return the hand on one cluster's programs."""
        return self._hands[cluster]

    def api(self, cluster: str) -> server.Api:
        """Return a small client of one API server, as the admin."""
        return self.control(cluster).api()

    def stop(self, cluster: str, program: str) -> None:
        """End a program; the rest of the cluster goes on."""
        control.stop_one(self.clusters[cluster].folder, program)

    def start(self, cluster: str, program: str, *, seconds: float = 60.0) -> None:
        """Start a program again, and wait until the API server is ready if that and etcd run."""
        hand = self.control(cluster)
        hand.start(program)
        found = self.clusters[cluster].processes
        if {components.ETCD, components.APISERVER} <= set(found):
            hand.wait_for_server(seconds)
        hand.admit()

    def kill(self, cluster: str, program: str) -> None:
        """Kill a program without a word (SIGKILL)."""
        self._process(cluster, program)
        control.stop_one(self.clusters[cluster].folder, program, kill=True)

    def freeze(self, cluster: str, program: str) -> None:
        """Stop a program where it stands (SIGSTOP): its connections stay open and nothing answers."""
        self._process(cluster, program).signal(signal.SIGSTOP)

    def thaw(self, cluster: str, program: str) -> None:
        """Let a frozen program run on (SIGCONT)."""
        self._process(cluster, program).signal(signal.SIGCONT)

    def kubeconfig(self) -> dict[str, Any]:
        """Return one context for each cluster, with everything inside: the file may be copied anywhere."""
        clusters, users, contexts = [], [], []
        for cluster in self.clusters.values():
            name, pki = cluster.context, cluster.folder / "pki"
            files = ("ca.crt", "admin.crt", "admin.key")
            authority, certificate, key = (
                base64.b64encode((pki / file).read_bytes()).decode() for file in files
            )
            server = {"server": cluster.server, "certificate-authority-data": authority}
            clusters.append({"name": name, "cluster": server})
            users.append(
                {"name": name, "user": {"client-certificate-data": certificate, "client-key-data": key}}
            )
            contexts.append({"name": name, "context": {"cluster": name, "user": name}})
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": clusters,
            "users": users,
            "contexts": contexts,
            "current-context": contexts[0]["name"],
        }

    def _process(self, cluster: str, program: str) -> process.Process:
        found = self.clusters[cluster].processes.get(program)
        if found is None or not found.is_running():
            remedy = f"start it: isthmus lab up --name {self.name}"
            raise errors.InputError(f"{program} does not run", where=cluster, remedy=remedy)
        return found


def _describe(hand: control.Control) -> Cluster:
    return Cluster(
        name=hand.cluster.name,
        region=hand.cluster.region,
        context=hand.cluster.context,
        server=hand.site.server,
        folder=hand.site.folder,
        audit_log=hand.site.audit,
        programs=hand.names,
    )
