"""An App's certificates on a real node: pods use a renewed one without a restart, and lose no request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography import x509

from isthmus.lab import build
from isthmus.lab.images import catalog
from tests.lab_network import nets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab_network.nets import Json, Net

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.xdist_group("network"),
]

SPACE = "certified"
PODS = f"/api/v1/namespaces/{SPACE}/pods"
TARGET = f"https://web.{SPACE}.svc:8443/"
COMMANDS = {
    "server": ["probe", "serve", "-pair", "/tls"],
    "client": ["sh", "-c", f"while true; do probe http -pair /tls {TARGET}; sleep 0.5; done"],
}


def _pod(name: str) -> Json:
    """Return a pod that has the certificate as files; the server is asked when it is ready."""
    container: Json = {
        "name": "main",
        "image": catalog.ref("busybox"),
        "command": COMMANDS[name],
        "env": [{"name": "PROBE_NAME", "value": name}],
        "volumeMounts": [{"name": "tls", "mountPath": "/tls", "readOnly": True}],
    }
    if name == "server":
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    spec = {
        "containers": [container],
        "volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}],
        "terminationGracePeriodSeconds": 0,
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _write(folder: Path, net: Net) -> None:
    """Write a Fleet of the one cluster, and an App whose two pods speak mutual TLS."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 8443}]},
    }
    chart = folder / "charts" / "web"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n", encoding="utf-8")
    objects = [service, *map(_pod, COMMANDS)]
    (chart / "templates" / "all.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    head = {"apiVersion": "isthmus.dev/v1alpha1"}
    cluster = {"name": "west", "id": 1, "context": net.lab.clusters["west"].context, "nodes": 1}
    fleet = {**head, "kind": "Fleet", "metadata": {"name": "shop"}, "spec": {"clusters": [cluster]}}
    spec = {
        "chart": {"path": "charts/web"},
        "clusters": {"west": {}},
        "certificates": [{"secret": "web-tls", "services": ["web"]}],
        "rollout": {"timeout": "120s"},
    }
    app = {**head, "kind": "App", "metadata": {"name": "web", "namespace": SPACE}, "spec": spec}
    (folder / "shop.yaml").write_text(yaml.safe_dump_all([fleet, app]), encoding="utf-8")


def _run(folder: Path, net: Net, *words: str) -> str:
    """Run a verb of deploy to its end, and return what it said."""
    kept = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    env = {
        **kept,
        "KUBECONFIG": str(net.lab.kubeconfig_path),
        "ISTHMUS_HELM": str(build.ensure(["helm"])["helm"]),
        "NO_PROXY": "*",
    }
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", "deploy", *words, "-f", str(folder), "--yes"],
        env=env, capture_output=True, text=True, timeout=500, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def _life(net: Net) -> dict[str, tuple[str, int]]:
    """Return who runs: uid and restarts of each pod."""
    found = {}
    for pod in net.api("west").get(PODS)["items"]:
        status = pod["status"].get("containerStatuses") or [{}]
        found[pod["metadata"]["labels"]["app"]] = (pod["metadata"]["uid"], status[0].get("restartCount", -1))
    return found


def _answers(net: Net) -> list[Json]:
    """Return what came of every request so far."""
    (pod,) = net.api("west").get(f"{PODS}?labelSelector=app%3Dclient")["items"]
    _, text = net.api("west").ask("GET", f"{PODS}/{pod['metadata']['name']}/log")
    return [json.loads(line) for line in text.decode().splitlines() if line.startswith("{")]


def _authority(folder: Path) -> Any:
    return x509.load_pem_x509_certificate((folder / "trust" / "app" / "ca.crt").read_bytes())


@pytest.mark.long
@pytest.mark.timeout(700)
def test_pods_use_renewed_certificates_without_a_restart_and_no_request_is_lost(
    net: Net, tmp_path: Path
) -> None:
    _write(tmp_path, net)
    _run(tmp_path, net, "up")
    nets.until(lambda: [each for each in _answers(net) if each.get("serial")])
    before, old = _life(net), _authority(tmp_path)
    begun = len(_answers(net))
    served = _answers(net)[-1]["serial"]

    said = _run(tmp_path, net, "rotate")

    new = _authority(tmp_path)
    body = net.api("west").get(f"/api/v1/namespaces/{SPACE}/secrets/web-tls")
    written = x509.load_pem_x509_certificate(nets.field(body, "tls.crt"))
    serial = f"{written.serial_number:x}"
    nets.until(lambda: _answers(net)[-1].get("serial") == serial)
    answered = _answers(net)[begun:]
    assert [line[:6] for line in said.splitlines() if " of 3: " in line] == ["1 of 3", "2 of 3", "3 of 3"]
    assert new != old
    written.verify_directly_issued_by(new)
    assert list(dict.fromkeys(each.get("serial") for each in answered)) == [served, serial]
    assert [each for each in answered if each.get("answer") != "server"] == []
    assert len(answered) > 100
    assert _life(net) == before
    assert {restarts for _, restarts in before.values()} == {0}
    _run(tmp_path, net, "down")
    net.api("west").delete(f"/api/v1/namespaces/{SPACE}")
