"""What the figures are measured on: folders, labs, and the same chart run by us, by helm and by helmfile.

Everything lies in one temporary folder and in labs of its own, and is removed at the end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from bench import clock
from isthmus.lab import binaries, labs, profiles, spec, status
from isthmus.lab.images import charts
from isthmus.model import errors
from isthmus.model import folder as documents

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = Path(__file__).parent / "chart"
API = "isthmus.dev/v1alpha1"
NAMESPACE = "bench"
WIDE = {
    "pods": {"supernets": ["10.0.0.0/8"]},
    "services": {"supernets": ["100.64.0.0/10"], "mask": 24},
    "nodes": {"supernets": ["172.16.0.0/12"]},
}
"""Addresses for 10,000 clusters."""


LEAN = {"envoy": {"enabled": False}, "l7Proxy": False, "operator": {"replicas": 1}}
"""Values of Cilium for the lab, as docs/lab.md has them: no Envoy in its images, one node a cluster."""
READ = {"nodes", "endpoints", "identities", "services"}
"""What an agent reads of another cluster; what is not yet true is left out of its status."""
SHARED = 50
"""Global services in each cluster that doctor looks at."""
MESHED_WITHIN = 180.0
"""Seconds for agents to read all of the others once their pods are ready; the target for all is 60."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lab:
    """A running lab."""

    name: str
    contexts: dict[str, str]
    """Context by cluster."""
    seconds: float
    """From `lab up` to its return."""
    env: dict[str, str]

    def memory(self) -> int:
        """Return the bytes its processes hold, shared pages counted once (PSS)."""
        clusters = labs.get(self.name).clusters.values()
        pids = [process.pid for cluster in clusters for process in cluster.processes.values()]
        return sum(int(psutil.Process(pid).memory_full_info().pss) for pid in pids)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """What a mesh of clusters with real nodes took."""

    bare: float
    """Seconds of `lab up`."""
    connected: float
    """Seconds of `connect up`."""
    synced: float
    """Seconds more until every agent has read all of every other cluster."""
    memory: int
    """Bytes of everything that runs, shared pages counted once (PSS)."""


class World:
    """Makes folders and labs below one temporary folder."""

    def __init__(self, folder: Path, *, turns: int) -> None:
        self.folder = folder
        self.turns = turns
        self._turn = itertools.count(1)

    def fleet(self, count: int, *, cni: str = "") -> Path:
        """Return a folder with a Fleet of so many clusters that nobody has to reach."""
        folder = self.folder / f"fleet{count}{cni}"
        body = _fleet({f"c{number}": f"context{number}" for number in range(1, count + 1)})
        if cni:
            body["spec"]["addressing"] = WIDE
            body["spec"]["network"] = {"cni": cni, "maxConnectedClusters": 511}
        _write(folder / "fleet.yaml", body)
        return folder

    def parsed(self, count: int, *, cni: str) -> documents.Folder:
        """Return such a folder as a value."""
        text = (self.fleet(count, cni=cni) / "fleet.yaml").read_text(encoding="utf-8")
        found = documents.parse([("fleet.yaml", text)]).folder
        assert found is not None
        return found

    @contextlib.contextmanager
    def lab(self, name: str, count: int) -> Iterator[Lab]:
        """Bring up a lab for as long as it is measured."""
        name = f"bench-{name}"
        kubeconfig = self.folder / f"{name}.kubeconfig"
        took = clock.isthmus("lab", "up", "--name", name, "--clusters", str(count)).seconds
        try:
            kubeconfig.write_text(clock.isthmus("lab", "kubeconfig", "--name", name).output)
            contexts = {each.name: each.context for each in labs.get(name).clusters.values()}
            yield Lab(name=name, contexts=contexts, seconds=took, env={"KUBECONFIG": str(kubeconfig)})
        finally:
            clock.isthmus("lab", "down", "--name", name)

    def mesh(self, name: str, count: int) -> Mesh:
        """Bring up bare clusters with real nodes, connect them, and take them down again.

        FailedError, saying what is lacking, where no real node can run.
        """
        name = f"bench-{name}"
        try:
            ground = profiles.get(spec.LabSpec(name=name, profile=spec.NETWORK))
            ground.check()
            ground.find(None)
        except errors.ToolError as lacking:
            raise clock.FailedError(lacking.brief) from lacking
        folder, kubeconfig = self.folder / name, self.folder / f"{name}.kubeconfig"
        _write(folder / "fleet.yaml", _meshed(name, count))
        up = clock.isthmus("lab", "up", "--name", name, "--profile", "network", "-f", folder)
        try:
            kubeconfig.write_text(clock.isthmus("lab", "kubeconfig", "--name", name).output)
            env = {"KUBECONFIG": str(kubeconfig)}
            connected = clock.isthmus("connect", "up", "-f", folder, "--yes", env=env)
            synced = _until_synced(labs.get(name), [f"c{number}" for number in range(1, count + 1)])
            memory = sum(each["memory"] for each in status.describe(name)["clusters"])
            return Mesh(bare=up.seconds, connected=connected.seconds, synced=synced, memory=memory)
        finally:
            clock.isthmus("lab", "down", "--name", name)

    def mesh_objects(self, lab: Lab) -> None:
        """Give each cluster what Cilium with ClusterMesh has there, and global services, as objects alone."""
        started = labs.get(lab.name)
        for number, cluster in enumerate(lab.contexts, start=1):
            api = started.api(cluster)
            for path, body in _cilium(cluster, number):
                api.create(path, body)

    def doctor(self, lab: Lab) -> clock.Run:
        """Look at all clusters by `doctor`; what it finds makes it exit 1."""
        words = [word for context in lab.contexts.values() for word in ("--context", context)]
        return clock.isthmus("doctor", *words, "-o", "json", env=lab.env, codes=(0, 1))

    def app(self, lab: Lab) -> Path:
        """Return a folder whose App's pods are of the next revision."""
        folder = self.folder / lab.name
        shutil.copytree(CHART, folder / "chart", dirs_exist_ok=True)
        app = {
            "apiVersion": API,
            "kind": "App",
            "metadata": {"name": "ours", "namespace": NAMESPACE},
            "spec": {
                "chart": {"path": "chart"},
                "values": {"turn": next(self._turn)},
                "clusters": {name: {} for name in lab.contexts},
                "rollout": {"waves": [list(lab.contexts)], "gates": ["ready"]},
            },
        }
        _write(folder / "isthmus.yaml", _fleet(lab.contexts), app)
        return folder

    def deploy(self, lab: Lab) -> clock.Run:
        """Run the next revision by `deploy up`."""
        return clock.isthmus("deploy", "up", "-f", self.app(lab), "--yes", "-o", "json", env=lab.env)

    def diff(self, lab: Lab) -> clock.Run:
        """Compare the next revision by `deploy diff`, in a process that knows nothing yet."""
        return clock.isthmus("deploy", "diff", "-f", self.app(lab), "-o", "json", env=lab.env)

    def helm(self, lab: Lab, context: str) -> clock.Run:
        """Run the next revision in one cluster by helm."""
        helm = str(program("helm"))
        words = ["upgrade", "--install", "plain", str(CHART), "-n", NAMESPACE, "--create-namespace", "--wait"]
        chosen = ["--kube-context", context, "--set", f"turn={next(self._turn)}"]
        return clock.run([helm, *words, *chosen], env=lab.env | self._isolated())

    def helmfile(self, lab: Lab) -> clock.Run:
        """Run the next revision in all clusters by helmfile, all at once.

        Each release has a copy of the chart: helmfile runs releases of one chart folder one after another.
        """
        turn = next(self._turn)
        charts = {context: self.folder / "copies" / context for context in lab.contexts.values()}
        for chart in charts.values():
            shutil.copytree(CHART, chart, dirs_exist_ok=True)
        releases = [
            {
                "name": "theirs",
                "namespace": NAMESPACE,
                "kubeContext": context,
                "chart": str(chart),
                "wait": True,
                "values": [{"turn": turn}],
            }
            for context, chart in charts.items()
        ]
        file = self.folder / "helmfile.yaml"
        _write(file, {"releases": releases})
        helmfile, helm = str(program("helmfile")), str(program("helm"))
        words = ["--helm-binary", helm, "--file", str(file), "sync", "--concurrency", "0"]
        return clock.run([helmfile, *words], env=lab.env | self._isolated())

    def _isolated(self) -> dict[str, str]:
        return {
            f"HELM_{kind}_HOME": str(self.folder / "helm" / kind.lower())
            for kind in ("CACHE", "CONFIG", "DATA")
        }


def is_built(name: str) -> bool:
    """Say whether a program is here."""
    return binaries.find(name) is not None


def program(name: str) -> Path:
    """Return a program that the lab builds."""
    found = binaries.find(name)
    if found is None:
        raise clock.FailedError(f"no {name} here: isthmus lab build {name}")
    return found


def _until_synced(lab: labs.Lab, clusters: list[str]) -> float:
    """Wait until each cluster's agent calls all others ready and read, and return the seconds."""
    began = time.monotonic()
    while not all(_is_synced(lab, cluster, len(clusters) - 1) for cluster in clusters):
        if time.monotonic() - began > MESHED_WITHIN:
            raise clock.FailedError(f"the mesh of {lab.name} was not ready after {MESHED_WITHIN:.0f} s")
        time.sleep(0.5)
    return time.monotonic() - began


def _is_synced(lab: labs.Lab, cluster: str, others: int) -> bool:
    roots = [psutil.Process(each.pid) for each in lab.clusters[cluster].processes.values()]
    below = [child for root in roots for child in root.children(recursive=True)]
    for agent in (each for each in below if each.name() == "cilium-agent"):
        words = ["nsenter", f"--target={agent.pid}", "--mount", "--net", "cilium-dbg", "status", "-o", "json"]
        said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
        found = json.loads(said.stdout) if said.returncode == 0 else {}
        peers = found.get("cluster-mesh", {}).get("clusters") or []
        return len(peers) == others and all(
            one.get("ready") and set(one.get("synced", ())) >= READ for one in peers
        )
    return False


def _meshed(lab: str, count: int) -> dict[str, Any]:
    """Return a Fleet to connect; an even number of clusters has a witness, which votes and runs nothing."""
    body = _fleet({f"c{number}": f"{lab}-c{number}" for number in range(1, count + 1)})
    body["spec"]["network"] = {
        "cni": "cilium",
        "version": "1.20.2",
        "kubeProxyReplacement": True,
        "exposure": "NodePort",
        "chart": {"path": str(charts.folder("cilium"))},
        "values": LEAN,
        "rollout": {"waves": [[each["name"] for each in body["spec"]["clusters"]]], "timeout": "240s"},
    }
    for each in body["spec"]["clusters"]:
        each.update(region=each["name"], nodes=1)
    if count % 2 == 0:
        body["spec"]["witness"] = {"context": f"{lab}-ops"}
    return body


def _cilium(cluster: str, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    home = "/api/v1/namespaces/kube-system"
    settings = {"cluster-name": cluster, "cluster-id": str(number), "mtu": "1400", "routing-mode": "tunnel"}
    yield f"{home}/configmaps", {"metadata": {"name": "cilium-config"}, "data": settings}
    for plural, name, container in (
        ("daemonsets", "cilium", "cilium-agent"),
        ("deployments", "cilium-operator", "cilium-operator"),
        ("deployments", "clustermesh-apiserver", "apiserver"),
    ):
        labels = {"k8s-app": name}
        spec = {"containers": [{"name": container, "image": f"example/{name}:v1.20.2"}]}
        template = {"metadata": {"labels": labels}, "spec": spec}
        body = {
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
        yield f"/apis/apps/v1/namespaces/kube-system/{plural}", body
    for index in range(SHARED):
        meta = {"name": f"shared-{index}", "annotations": {"service.cilium.io/global": "true"}}
        behind = {"selector": {"app": f"shared-{index}"}, "ports": [{"port": 80}]}
        yield "/api/v1/namespaces/default/services", {"metadata": meta, "spec": behind}


def _fleet(contexts: dict[str, str]) -> dict[str, Any]:
    clusters = [
        {"name": name, "id": number, "context": context, "nodes": 3}
        for number, (name, context) in enumerate(contexts.items(), start=1)
    ]
    addressing = {
        "pods": {"supernets": ["10.0.0.0/10"]},
        "services": {"supernets": ["10.96.0.0/12"]},
        "nodes": {"supernets": ["10.64.0.0/12"]},
    }
    return {
        "apiVersion": API,
        "kind": "Fleet",
        "metadata": {"name": "bench"},
        "spec": {"addressing": addressing, "clusters": clusters},
    }


def _write(path: Path, *documents: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all(json.loads(json.dumps(documents)), sort_keys=False), encoding="utf-8")
