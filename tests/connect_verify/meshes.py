"""Two clusters of real nodes that `connect up` has made a mesh of, and what tests do to them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.lab import build, labs
from isthmus.lab.images import charts
from isthmus.lab.network import tools
from tests.lab_network import nets
from tests.shops import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

CLUSTERS = ("west", "east")
PROBES = "/api/v1/namespaces/isthmus-probe"
MESH = "/apis/apps/v1/namespaces/kube-system/deployments/clustermesh-apiserver"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
KINDS = {
    "Namespace": "/api/v1/namespaces",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": RBAC + "/namespaces/{}/roles",
    "RoleBinding": RBAC + "/namespaces/{}/rolebindings",
}
Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """A running lab, the folder of its Fleet, and the command line on it."""

    lab: labs.Lab
    folder: Path
    env: Mapping[str, str]

    def command(self, verb: str, *args: str) -> list[str]:
        """Return the command line of a verb of connect."""
        return [sys.executable, "-m", "isthmus", "connect", verb, "-f", str(self.folder), *args]

    def run(self, verb: str, *args: str, code: int = 0, env: Mapping[str, str] | None = None) -> Done:
        """Run a verb of connect to its end, and expect an exit code."""
        done = subprocess.run(
            self.command(verb, *args), env={**self.env, **(env or {})}, capture_output=True, text=True,
            timeout=400, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        found = Done(done.returncode, done.stdout, done.stderr)
        assert found.code == code, f"exit {found.code}, expected {code}:\n{found.end}"
        return found

    def verify(self, *args: str, code: int = 0, env: Mapping[str, str] | None = None) -> Json:
        """Run verify and return what it prints as JSON."""
        found: Json = json.loads(self.run("verify", "-o", "json", *args, code=code, env=env).out)
        return found

    def has_probes(self, cluster: str) -> bool:
        """Say whether anything of verify is in a cluster."""
        return self.lab.api(cluster).get(PROBES) is not None

    def left_in(self, cluster: str) -> list[str]:
        """Return what of verify is in its namespace."""
        paths = (
            f"{PROBES}/services",
            f"{PROBES}/pods",
            PROBES.replace("/api/v1", "/apis/apps/v1") + "/deployments",
            PROBES.replace("/api/v1", "/apis/networking.k8s.io/v1") + "/networkpolicies",
        )
        return [
            each["metadata"]["name"] for path in paths for each in self.lab.api(cluster).get(path)["items"]
        ]

    def person(self, documents: list[Json], home: str = "people") -> Path:
        """Return the kubeconfig of somebody who has these rights in every cluster, and no others."""
        config = yaml.safe_load(self.lab.kubeconfig_path.read_text(encoding="utf-8"))
        tokens = {self.lab.clusters[each].context: self._granted(each, documents, home) for each in CLUSTERS}
        config["users"] = [{"name": name, "user": {"token": token}} for name, token in tokens.items()]
        config["contexts"] = [each for each in config["contexts"] if each["name"] in tokens]
        for context in config["contexts"]:
            context["context"]["user"] = context["name"]
        path = self.folder / f"{home}.kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def without(self, cluster: str) -> Path:
        """Return a kubeconfig in which nobody listens at the address of a cluster's API server."""
        config = yaml.safe_load(self.lab.kubeconfig_path.read_text(encoding="utf-8"))
        server = self.lab.clusters[cluster].server
        for each in config["clusters"]:
            if each["cluster"]["server"] == server:
                each["cluster"]["server"] = "https://127.0.0.1:1"
        path = self.folder / "without.kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def _granted(self, cluster: str, documents: list[Json], home: str) -> str:
        api = self.lab.api(cluster)
        api.create("/api/v1/namespaces", {"metadata": {"name": home}})
        accounts = f"/api/v1/namespaces/{home}/serviceaccounts"
        api.create(accounts, {"metadata": {"name": "person"}})
        for document in documents:
            place = document["metadata"].get("namespace")
            api.create(KINDS[document["kind"]].format(place), document)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        code, said = api.ask("POST", f"{accounts}/person/token", body)
        assert code == 201, said
        return str(json.loads(said)["status"]["token"])

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Drop everything between the nodes of the two clusters, until the end."""
        try:
            with self._west(f"route add blackhole {self._east}", f"route del blackhole {self._east}"):
                yield
        finally:
            self._heal()

    @contextlib.contextmanager
    def narrow(self, mtu: int) -> Iterator[None]:
        """Let larger packets not onto the path between the regions, until the end."""
        found = nets.layout_of(self.lab.name)
        index, path = next(
            (number, path) for number, path in enumerate(found.paths) if set(path.between) == set(CLUSTERS)
        )
        with self._west(f"link set path{index} mtu {mtu}", f"link set path{index} mtu {path.mtu}"):
            yield

    @contextlib.contextmanager
    def deaf(self, cluster: str) -> Iterator[None]:
        """Take the mesh's API server of a cluster away: the others hear nothing new of it."""
        self._scale(cluster, 0)
        try:
            yield
        finally:
            self._scale(cluster, 1)
            self._heal()

    def _heal(self) -> None:
        """Wait until the clusters have found each other again: they try ever more seldom."""

        def is_whole() -> bool:
            done = subprocess.run(
                self.command("verify"), env=self.env, capture_output=True, timeout=400, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            return done.returncode == 0

        nets.until(is_whole, 240.0)

    @property
    def _east(self) -> str:
        return nets.layout_of(self.lab.name).by_cluster["east"].node_range

    @contextlib.contextmanager
    def _west(self, do: str, undo: str) -> Iterator[None]:
        """Run a line of ip in the router of region west, and another one at the end."""
        region = nets.layout_of(self.lab.name).by_region["west"]
        tools.Tools().ip([do], namespace=region.namespace)
        try:
            yield
        finally:
            tools.Tools().ip([undo], namespace=region.namespace)

    def _scale(self, cluster: str, replicas: int) -> None:
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": "clustermesh-apiserver", "namespace": "kube-system"},
            "spec": {"replicas": replicas},
        }
        code, said = self.lab.api(cluster).ask("PUT", f"{MESH}/scale", body)
        assert code == 200, said

        def settled() -> bool:
            status = self.lab.api(cluster).get(MESH)["status"]
            return bool(status.get("readyReplicas", 0) == replicas)

        nets.until(settled)


def states(found: Json, leg: str | None = None) -> dict[tuple[str, str], str]:
    """Return the state of each cell, or of one leg in each."""
    if leg is None:
        return {(each["from"], each["to"]): each["state"] for each in found["cells"]}
    return {
        (cell["from"], cell["to"]): proof["state"]
        for cell in found["cells"]
        for proof in cell["proofs"]
        if proof["leg"] == leg
    }


def proof(found: Json, source: str, target: str, leg: str) -> Json:
    """Return one leg of one cell."""
    cell = next(each for each in found["cells"] if (each["from"], each["to"]) == (source, target))
    one: Json = next(each for each in cell["proofs"] if each["leg"] == leg)
    return one


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    nets.until(holds, seconds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ground:
    """What lies between the nodes, in bytes of the largest IP packet, and how pods cross it."""

    name: str = "verify"
    path: int = 1400
    nodes: int = 1500
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def make(folder: Path, ground: Ground | None = None) -> Mesh:
    """Start the lab and connect it; `folder` is empty."""
    ground = ground or Ground()
    write(folder, ground)
    from isthmus.cli import labspec

    spec = labspec.wanted(ground.name, profile="network", clusters=None, nodes=None, source=folder)
    lab = labs.up(spec)
    made = Mesh(lab=lab, folder=folder, env=environment(lab))
    made.run("up", "--yes")
    return made


def write(folder: Path, ground: Ground) -> None:
    """Write the Fleet of two clusters."""
    name = ground.name
    fleet = {
        "apiVersion": "isthmus.dev/v1alpha1",
        "kind": "Fleet",
        "metadata": {"name": "shop"},
        "spec": {
            "addressing": {
                "pods": {"supernets": ["10.0.0.0/10"]},
                "services": {"supernets": ["10.96.0.0/12"]},
                "nodes": {"supernets": ["10.64.0.0/12"]},
            },
            "network": {
                "cni": "cilium",
                "version": "1.20.2",
                "exposure": "NodePort",
                "kubeProxyReplacement": True,
                "hubble": False,
                "chart": {"path": str(charts.folder("cilium"))},
                "values": {"envoy": {"enabled": False}, "l7Proxy": False, "operator": {"replicas": 1}},
                "rollout": {"waves": [list(CLUSTERS)], "timeout": "240s"},
                **ground.network,
            },
            "paths": [{"between": list(CLUSTERS), "mtu": ground.path}],
            "witness": {"context": f"{name}-ops"},
            "clusters": [
                {
                    "name": each,
                    "id": number,
                    "region": each,
                    "context": f"{name}-{each}",
                    "nodes": 1,
                    "mtu": ground.nodes,
                    "network": {"nodePort": 32378 + number},
                }
                for number, each in enumerate(CLUSTERS, start=1)
            ],
        },
    }
    (folder / "fleet.yaml").write_text(yaml.safe_dump(fleet), encoding="utf-8")


def environment(lab: labs.Lab) -> dict[str, str]:
    """Return the environment of the commands."""
    kept = {
        key: value for key, value in os.environ.items() if key not in {"KUBECONFIG", "PYTEST_CURRENT_TEST"}
    }
    return kept | {
        "KUBECONFIG": str(lab.kubeconfig_path),
        "ISTHMUS_HELM": str(build.ensure(["helm"])["helm"]),
        "NO_PROXY": "*",
        "COLUMNS": "120",
    }


def wait(process: subprocess.Popen[str], seconds: float) -> int:
    """Return the exit code of a process."""
    end = time.monotonic() + seconds
    while (code := process.poll()) is None:
        assert time.monotonic() < end, "it does not end"
        time.sleep(0.1)
    return code
