"""Two clusters with real nodes and a witness, and the folder that a user would connect them with."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.lab import labs
from isthmus.lab.images import catalog, charts
from tests.lab_network import nets
from tests.shops import Done

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

NAME = "mesh"
CLUSTERS = ("west", "east")
# What a user of the lab writes (docs/lab.md): its images have no Envoy, and each cluster has one node.
VALUES: Json = {"envoy": {"enabled": False}, "l7Proxy": False, "operator": {"replicas": 1}}
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"


@dataclasses.dataclass
class Mesh:
    """The folder, the lab that was made from it, and the command line over both."""

    folder: Path
    env: dict[str, str]
    network: Json = dataclasses.field(default_factory=dict)
    spec: Json = dataclasses.field(default_factory=dict)
    own: dict[str, Json] = dataclasses.field(default_factory=dict)

    def write(self, **network: Any) -> None:
        """Write the Fleet, with more of `network`."""
        self.network.update(network)
        stated = {
            "cni": "cilium",
            "version": "1.20.2",
            "kubeProxyReplacement": True,
            "exposure": "NodePort",
            "clusterset": True,
            "chart": {"path": str(charts.folder("cilium"))},
            "values": VALUES,
            "rollout": {"waves": [list(CLUSTERS)], "timeout": "240s"},
            **self.network,
        }
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
                "network": stated,
                "witness": {"context": f"{NAME}-ops"},
                "clusters": [
                    {
                        "name": name,
                        "id": number,
                        "region": name,
                        "nodes": 1,
                        "context": f"{NAME}-{name}",
                        **self.own.get(name, {}),
                    }
                    for number, name in enumerate(CLUSTERS, start=1)
                ],
                **self.spec,
            },
        }
        (self.folder / "fleet.yaml").write_text(yaml.safe_dump(fleet), encoding="utf-8")

    def run(self, *words: str, code: int | None = 0) -> Done:
        """Run `isthmus WORDS` as a user does, and expect an exit code (None: any)."""
        done = subprocess.run(
            [sys.executable, "-m", "isthmus", *words], env=self.env, capture_output=True, text=True,
            timeout=500, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        found = Done(done.returncode, done.stdout, done.stderr)
        assert code in (None, found.code), f"exit {found.code}, expected {code}:\n{found.end}"
        return found

    def connect(self, verb: str, *words: str, code: int | None = 0) -> Done:
        """Run `isthmus connect VERB` on the folder."""
        return self.run("connect", verb, "-f", str(self.folder), *words, code=code)

    def up_lab(self) -> nets.Net:
        """Bring the lab up from the folder, and take hold of its clusters."""
        self.run("lab", "up", "--profile", "network", "--name", NAME, "-f", str(self.folder))
        said = self.run("lab", "kubeconfig", "--name", NAME)
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text(said.out, encoding="utf-8")
        self.env["KUBECONFIG"] = str(kubeconfig)
        return nets.Net(labs.get(NAME), self.folder)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of the commands: a home of its own, and no proxy before the lab."""
    return {**os.environ, "ISTHMUS_HOME": str(home), "NO_PROXY": "*", "NO_COLOR": "1"}


def serve(net: nets.Net, cluster: str, name: str, app: str) -> str:
    """Start a pod that answers with `CLUSTER/NAME`, labelled with its app, and return its address."""
    container = {
        "name": "main",
        "image": catalog.ref("busybox"),
        "command": ["probe", "serve"],
        "env": [{"name": "PROBE_NAME", "value": f"{cluster}/{name}"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    net.api(cluster).create(PODS, {"metadata": {"name": name, "labels": {"app": app}}, "spec": spec})
    nets.until(lambda: net.is_ready(cluster, name))
    return str(net.pod(cluster, name)["status"]["podIP"])


def share(net: nets.Net, app: str) -> None:
    """Make a global Service for an app in every cluster: Cilium merges those of one name."""
    meta = {"name": app, "annotations": {"service.cilium.io/global": "true"}}
    spec = {"selector": {"app": app}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    for cluster in CLUSTERS:
        net.api(cluster).create(SERVICES, {"metadata": meta, "spec": spec})


def remove(net: nets.Net, cluster: str, name: str) -> None:
    """Delete a pod, and wait until it is gone."""
    net.api(cluster).delete(f"{PODS}/{name}?gracePeriodSeconds=0")
    nets.until(lambda: "metadata" not in net.pod(cluster, name))


def asked(net: nets.Net, cluster: str, *words: str) -> list[Json]:
    """Ask from a new pod of a cluster with our probe, and return what came of each try."""
    name = f"ask-{'-'.join(words)}".lower().translate(str.maketrans(":/._", "----"))[:60].strip("-")
    _, text = net.run(cluster, name, ["probe", *words])
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
