"""Three clusters of the lab to connect with the real Cilium chart, unmodified, out of its Go module.

`Net.run` is the command line as a user has it. The lab is of these tests alone: a cluster has one Cilium.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography import x509

from isthmus.lab import build
from tests.shops import Done

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.lab import labs

CILIUM = "github.com/cilium/cilium@v1.20.2"
CHART = "install/kubernetes/cilium"
CLUSTERS = ("west", "east", "central")
SECRETS = "/api/v1/namespaces/kube-system/secrets"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
CERTIFICATES = (
    "clustermesh-apiserver-admin-cert",
    "clustermesh-apiserver-local-cert",
    "clustermesh-apiserver-remote-cert",
    "clustermesh-apiserver-server-cert",
    "hubble-relay-client-certs",
    "hubble-server-certs",
)
LEAN: dict[str, Any] = {"envoy": {"enabled": False}, "l7Proxy": False, "sysctlfix": {"enabled": False}}


@dataclasses.dataclass
class Net:
    """A Fleet over the clusters of a lab."""

    lab: labs.Lab
    folder: Path
    chart: Path
    env: dict[str, str]
    network: dict[str, Any] = dataclasses.field(default_factory=dict)
    own: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    own_cluster: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    spec: dict[str, Any] = dataclasses.field(default_factory=dict)

    def write(self, **network: Any) -> None:
        """Write the Fleet, with more of `network`."""
        self.network.update(network)
        stated = {
            "cni": "cilium",
            "version": "1.20.2",
            "exposure": "NodePort",
            "chart": {"path": str(self.chart)},
            "values": LEAN,
            "rollout": {"timeout": "60s"},
            **self.network,
        }
        # No agent runs on a node of kwok's, so none can say what it reads.
        stated["rollout"] = {"gates": ["ready"], **stated["rollout"]}
        clusters = [
            {
                "name": name,
                "id": number,
                "context": self.lab.clusters[name].context,
                "nodes": 3,
                "network": {"nodePort": 32378 + number, **self.own.get(name, {})},
                **self.own_cluster.get(name, {}),
            }
            for number, name in enumerate(CLUSTERS, start=1)
        ]
        fleet = {
            "apiVersion": "isthmus.dev/v1alpha1",
            "kind": "Fleet",
            "metadata": {"name": "shop"},
            "spec": {
                "addressing": {
                    "pods": {"supernets": ["10.0.0.0/10"]},
                    "services": {"supernets": ["10.96.0.0/12"]},
                },
                "network": {key: value for key, value in stated.items() if value is not None},
                "clusters": clusters,
                **self.spec,
            },
        }
        (self.folder / "fleet.yaml").write_text(yaml.safe_dump(fleet), encoding="utf-8")

    def run(self, verb: str, *args: str, code: int | None = 0) -> Done:
        """Run `isthmus connect VERB` on the folder, and expect an exit code (None: any)."""
        yes = ["--yes"] if verb in {"up", "down"} else []
        command = [sys.executable, "-m", "isthmus", "connect", verb, "-f", str(self.folder), *yes, *args]
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=300, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        found = Done(done.returncode, done.stdout, done.stderr)
        assert code in (None, found.code), f"exit {found.code}, expected {code}:\n{found.end}"
        return found

    def helm(self, cluster: str, *args: str, values: Any = None) -> str:
        """Run helm by itself, as somebody would who does not know isthmus."""
        done = subprocess.run(
            [self.env["ISTHMUS_HELM"], "--kube-context", self.lab.clusters[cluster].context, *args],
            env=self.env, input=None if values is None else json.dumps(values),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, cluster: str, path: str) -> Any:
        """Read an object of a cluster by its API path."""
        return self.lab.api(cluster).get(path)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds in the clusters."""
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def secret(self, cluster: str, name: str) -> dict[str, bytes] | None:
        """Return what a Secret in kube-system holds."""
        found = self.get(cluster, f"{SECRETS}/{name}")
        return None if found is None else {key: base64.b64decode(text) for key, text in found["data"].items()}

    def certificate(self, cluster: str, name: str) -> x509.Certificate:
        """Return the certificate in a Secret."""
        found = self.secret(cluster, name)
        assert found is not None, (cluster, name)
        return x509.load_pem_x509_certificate(found["tls.crt"])

    def certificates(self, cluster: str) -> dict[str, bytes]:
        """Return every certificate of trust that is there, by Secret."""
        found = {name: self.secret(cluster, name) for name in CERTIFICATES}
        return {name: data["tls.crt"] for name, data in found.items() if data is not None}

    def mtu(self, cluster: str) -> str | None:
        """Return the MTU that agents are told, None where there is no Cilium."""
        found = self.get(cluster, CONFIG)
        return found["data"].get("mtu") if found else None

    def releases(self, cluster: str) -> list[tuple[int, str]]:
        """Return (revision, status) of Helm's records, oldest first."""
        items = self.get(cluster, f"{SECRETS}?labelSelector=owner%3Dhelm")["items"]
        labels = [item["metadata"]["labels"] for item in items]
        return sorted((int(one["version"]), str(one["status"])) for one in labels)


def make(lab: labs.Lab, folder: Path) -> Net:
    """Return a written Fleet over a lab."""
    env = {
        key: value for key, value in os.environ.items() if key not in {"KUBECONFIG", "PYTEST_CURRENT_TEST"}
    } | {
        "KUBECONFIG": str(lab.kubeconfig_path),
        "ISTHMUS_HELM": str(build.ensure(["helm"])["helm"]),
        "COLUMNS": "200",
    }
    made = Net(lab=lab, folder=folder, chart=chart(), env=env)
    made.write()
    return made


def chart() -> Path:
    """Return the chart in Cilium's Go module, fetched by the go client; skip where neither is there."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Cilium's chart comes in its Go module, and go is not installed")
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{CILIUM}"], capture_output=True, text=True, timeout=300,
        check=False, cwd="/", env={**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "on"},
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"Cilium's Go module cannot be fetched: {done.stderr.strip()[:200]}")
    return Path(json.loads(done.stdout)["Dir"]) / CHART
