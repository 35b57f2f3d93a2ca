"""A steady stream of calls between sidecars, and what each party of the mesh trusts meanwhile."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from cryptography import x509

from isthmus.clients import kube, kubeconfig
from isthmus.mesh.trust import proxies
from tests.connect_istio import meshes

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

RULES = f"/apis/networking.istio.io/v1/namespaces/{meshes.SPACE}/destinationrules"
WEBHOOK = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector"


def ask_on(mesh: meshes.Mesh, cluster: str, name: str, target: str) -> None:
    """Start a pod that calls a target about five times a second, each time with a new handshake."""
    host = target.removeprefix("http://").rstrip("/") + ".cluster.local"
    once = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}
    spec: Json = {"host": host, "trafficPolicy": once}
    rule = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "spec": spec}
    mesh.lab.api(cluster).create(RULES, {**rule, "metadata": {"name": name}})
    script = f"while true; do probe http -timeout 3s {target}; sleep 0.2; done"
    mesh.start(cluster, name, command=("sh", "-c", f"probe serve & {script}"))


def answers(mesh: meshes.Mesh, cluster: str, name: str) -> list[Json]:
    """Return what came of every call so far."""
    _, text = mesh.lab.api(cluster).ask("GET", f"{meshes.PODS}/{name}/log?container=main")
    return [json.loads(line) for line in text.decode().splitlines() if line.startswith("{")]


def killed(mesh: meshes.Mesh, at: str, verb: str, *args: str) -> None:
    """Run a verb of connect and kill it when it says so."""
    words = [sys.executable, "-m", "isthmus", "connect", verb, "-f", str(mesh.folder), *args]
    with subprocess.Popen(
        words, env=mesh.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL, start_new_session=True,
    ) as run:  # fmt: skip
        assert run.stderr is not None
        said = []
        for line in run.stderr:
            said.append(line)
            if at in line:
                os.killpg(run.pid, signal.SIGKILL)
                return
    raise AssertionError("".join(said))


def held(mesh: meshes.Mesh, cluster: str, name: str) -> proxies.Held:
    """Return what the proxy of a pod presents and trusts."""
    return asyncio.run(_held(mesh, cluster, name))


async def _held(mesh: meshes.Mesh, cluster: str, name: str) -> proxies.Held:
    known = kubeconfig.load([mesh.lab.kubeconfig_path])
    async with kube.Cluster(cluster, known.get(mesh.lab.clusters[cluster].context)) as server:
        done = await server.run(
            meshes.SPACE, name, proxies.REQUEST, container=proxies.CONTAINER, seconds=20.0
        )
    return proxies.parse(done.stdout.decode())


def trusted(mesh: meshes.Mesh, cluster: str) -> dict[str, Sequence[x509.Certificate]]:
    """Return the roots in each place of a cluster that pods or its API server read them from."""
    space = mesh.get(cluster, f"/api/v1/namespaces/{meshes.SPACE}/configmaps/istio-ca-root-cert")
    own = mesh.get(cluster, f"{meshes.SECRETS}/cacerts")
    hook = mesh.get(cluster, WEBHOOK)["webhooks"][0]["clientConfig"]
    texts = {
        "agents": space["data"]["root-cert.pem"].encode(),
        "istiod": base64.b64decode(own["data"]["root-cert.pem"]),
        "webhook": base64.b64decode(hook["caBundle"]),
    }
    return {name: x509.load_pem_x509_certificates(text) for name, text in texts.items()}


def root(mesh: meshes.Mesh) -> x509.Certificate:
    """Return the root that lies in the folder."""
    return x509.load_pem_x509_certificate((mesh.folder / "trust" / "istio" / "ca.crt").read_bytes())
