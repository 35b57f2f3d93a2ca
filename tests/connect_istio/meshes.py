"""Two clusters of real nodes with Cilium, ClusterMesh and Istio by `connect up`, and pods with a sidecar."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.clients import kube, kubeconfig
from isthmus.lab import labs
from isthmus.lab.images import catalog, charts
from tests.connect_verify import meshes as connected
from tests.lab_network import nets
from tests.shops import Done

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Json = dict[str, Any]

CLUSTERS = ("west", "east")
DOMAIN = "shop.local"
SPACE = "shop"
PODS = f"/api/v1/namespaces/{SPACE}/pods"
SERVICES = f"/api/v1/namespaces/{SPACE}/services"
ISTIO = "/api/v1/namespaces/istio-system"
SECRETS = f"{ISTIO}/secrets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/istio-system/deployments"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """A running lab, the folder of its Fleet, and the command line on it."""

    lab: labs.Lab
    folder: Path
    env: Mapping[str, str]

    def run(self, verb: str, *args: str, code: int | None = 0) -> Done:
        """Run a verb of connect to its end, and expect an exit code (None: any)."""
        return self.command("connect", verb, "-f", str(self.folder), *args, code=code)

    def command(self, *words: str, code: int | None = 0) -> Done:
        """Run `isthmus WORDS` to its end, and expect an exit code (None: any)."""
        done = subprocess.run(
            [sys.executable, "-m", "isthmus", *words],
            env=self.env, capture_output=True, text=True, timeout=400, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        found = Done(done.returncode, done.stdout, done.stderr)
        assert code in (None, found.code), f"exit {found.code}, expected {code}:\n{found.said}"
        return found

    def get(self, cluster: str, path: str) -> Any:
        """Read an object of a cluster by its API path."""
        return self.lab.api(cluster).get(path)

    def status(self) -> Json:
        """Return what status prints as JSON, by cluster, whatever it makes of it."""
        body: Json = self.run("status", "-o", "json", code=None).json()
        return {**body, "clusters": {each["cluster"]: each for each in body["clusters"]}}

    def seen_by_contexts(self) -> Json:
        """Return what status says of the contexts alone, by context."""
        contexts = [word for each in CLUSTERS for word in ("--context", self.lab.clusters[each].context)]
        done = self.command("connect", "status", *contexts, "-o", "json", code=None)
        return {each["cluster"]: each for each in done.json()["clusters"]}

    def space(self) -> None:
        """Make the namespace of the pods in every cluster: pods that are made in it get a sidecar."""
        meta = {"name": SPACE, "labels": {"istio-injection": "enabled"}}
        for cluster in CLUSTERS:
            self.lab.api(cluster).create("/api/v1/namespaces", {"metadata": meta})
            accounts = f"/api/v1/namespaces/{SPACE}/serviceaccounts"
            for name in ("asker", "server"):
                self.lab.api(cluster).create(accounts, {"metadata": {"name": name}})
            ports = [{"name": "http", "port": 80, "targetPort": 8080}]
            spec = {"selector": {"app": "server"}, "ports": ports}
            self.lab.api(cluster).create(SERVICES, {"metadata": {"name": "server"}, "spec": spec})

    def start(
        self, cluster: str, name: str, *, meshed: bool = True, command: Sequence[str] = ("probe", "serve")
    ) -> str:
        """Start a probe that answers with its cluster, and return its address once it is ready."""
        container = {
            "name": "main",
            "image": catalog.ref("busybox"),
            "command": list(command),
            "env": [{"name": "PROBE_NAME", "value": f"{cluster}/{name}"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        }
        labels = {"app": name, "sidecar.istio.io/inject": str(meshed).lower()}
        lean = {"sidecar.istio.io/proxyCPU": "10m", "sidecar.istio.io/proxyMemory": "64Mi"}
        account = name if name in {"asker", "server"} else "default"
        spec = {"containers": [container], "serviceAccountName": account, "terminationGracePeriodSeconds": 0}
        meta = {"name": name, "labels": labels, "annotations": lean}
        self.lab.api(cluster).create(PODS, {"metadata": meta, "spec": spec})
        nets.until(lambda: nets.ready(self.get(cluster, f"{PODS}/{name}")), 120.0)
        return str(self.get(cluster, f"{PODS}/{name}")["status"]["podIP"])

    def ask(self, cluster: str, name: str, target: str) -> Json:
        """Ask once over HTTP from a probe that runs, and return the outcome."""
        words = ("probe", "http", "-count=1", "-timeout=3s", target)
        said = asyncio.run(self._run(cluster, SPACE, name, words, "main"))
        found: Json = json.loads(said.splitlines()[0])
        return found

    async def _run(self, cluster: str, space: str, name: str, words: Sequence[str], container: str) -> str:
        known = kubeconfig.load([self.lab.kubeconfig_path])
        async with kube.Cluster(cluster, known.get(self.lab.clusters[cluster].context)) as server:
            done = await server.run(space, name, words, container=container, seconds=20.0)
        return done.stdout.decode()

    def proxied(self, cluster: str, space: str, name: str) -> dict[str, dict[str, dict[str, int]]]:
        """Return what the Envoy of a pod counts: by its cluster, by endpoint, by counter."""
        words = ("pilot-agent", "request", "GET", "clusters")
        found: dict[str, dict[str, dict[str, int]]] = {}
        for line in asyncio.run(self._run(cluster, space, name, words, "istio-proxy")).splitlines():
            group, *parts = line.split("::")
            if len(parts) == 3 and ":" in parts[0] and parts[2].isdigit():
                found.setdefault(group, {}).setdefault(parts[0], {})[parts[1]] = int(parts[2])
        return found

    def split(self) -> None:
        """Give each cluster a network of its own, with a gateway, and bring that along."""
        path = self.folder / "fleet.yaml"
        fleet = yaml.safe_load(path.read_text(encoding="utf-8"))
        stated = fleet["spec"]["mesh"]["istio"]
        stated["charts"]["gateway"] = {"path": str(charts.folder("istio-gateway"))}
        stated["gateway"] = {"values": charts.GATEWAY_VALUES}
        for each in fleet["spec"]["clusters"]:
            each["istio"] = {"network": f"{each['name']}-net"}
        path.write_text(yaml.safe_dump(fleet), encoding="utf-8")
        self.run("up", "--yes")

    def scale(self, cluster: str, replicas: int) -> None:
        """Scale a cluster's east-west gateway."""
        path = f"{DEPLOYMENTS}/istio-eastwestgateway/scale"
        body = {**self.get(cluster, path), "spec": {"replicas": replicas}}
        status, said = self.lab.api(cluster).ask("PUT", path, body)
        assert status == 200, said

    def tokens(self, cluster: str) -> dict[str, str]:
        """Return the tokens in the Secrets of a cluster's istiod, by the cluster that each opens."""
        found = {}
        for body in self.get(cluster, f"{SECRETS}?labelSelector=istio%2FmultiCluster%3Dtrue")["items"]:
            for name, text in body["data"].items():
                config = yaml.safe_load(base64.b64decode(text))
                found[name] = str(config["users"][0]["user"]["token"])
        return found


def make(folder: Path, name: str, **network: Any) -> Mesh:
    """Start the lab and connect it; `folder` is empty, `network` is more for the Fleet's."""
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
                **network,
            },
            "mesh": {
                "istio": {
                    "trustDomain": DOMAIN,
                    "charts": {
                        "base": {"path": str(charts.folder("istio-base"))},
                        "istiod": {"path": str(charts.folder("istiod"))},
                    },
                    "values": charts.ISTIOD_VALUES,
                }
            },
            "witness": {"context": f"{name}-ops"},
            "clusters": [
                {
                    "name": each,
                    "id": number,
                    "region": each,
                    "context": f"{name}-{each}",
                    "nodes": 1,
                    "network": {"nodePort": 32378 + number},
                }
                for number, each in enumerate(CLUSTERS, start=1)
            ],
        },
    }
    (folder / "fleet.yaml").write_text(yaml.safe_dump(fleet), encoding="utf-8")
    from isthmus.cli import labspec

    lab = labs.up(labspec.wanted(name, profile="network", clusters=None, nodes=None, source=folder))
    made = Mesh(lab=lab, folder=folder, env=connected.environment(lab))
    made.run("up", "--yes")
    made.space()
    return made
