"""Names across clusters on real nodes: a Service that is global and exported, and stub zones of CoreDNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from isthmus.lab.images import catalog
from tests.connect_network import worlds
from tests.lab_network import nets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.connect_network.conftest import Connected

pytestmark = [
    pytest.mark.lab,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("connected"),
]

CHART = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: {image}
        command: [probe, serve]
        env: [{{name: PROBE_NAME, value: "{{{{ .Values.cluster }}}}/web"}}]
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: pods}}
spec: {{clusterIP: None, selector: {{app: web}}, ports: [{{name: http, port: 8080}}]}}
"""
CORE = "/api/v1/namespaces/kube-system"


def write(mesh: worlds.Mesh, namespace: str, *clusters: str, **spec: object) -> None:
    """Write an App of one pod in each of some clusters."""
    folder = mesh.folder / "chart"
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n", encoding="utf-8")
    text = CHART.format(image=catalog.ref("busybox"))
    (folder / "templates" / "all.yaml").write_text(text, encoding="utf-8")
    members = {name: {"values": {"cluster": name}} for name in clusters}
    app = {
        "apiVersion": "isthmus.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "chart": {"path": "chart"},
            "clusters": members,
            "rollout": {"waves": [list(clusters)], "timeout": "120s"},
            **spec,
        },
    }
    (mesh.folder / "app.yaml").write_text(yaml.safe_dump(app), encoding="utf-8")


def deploy(mesh: worlds.Mesh, verb: str) -> None:
    """Run `isthmus deploy VERB` on the folder."""
    mesh.run("deploy", verb, "-f", str(mesh.folder), "--yes")


@pytest.fixture
def mesh(connected: Connected) -> Iterator[worlds.Mesh]:
    """The folder, whose App goes again."""
    yield connected.mesh
    deploy(connected.mesh, "down")
    (connected.mesh.folder / "app.yaml").unlink()
    connected.mesh.spec, connected.mesh.own = {}, {}
    connected.mesh.write()


def answers(net: nets.Net, url: str) -> set[str]:
    """Return who answers a pod of the west, in twenty requests."""
    tries = worlds.asked(net, "west", "http", "-count", "20", url)
    return {each.get("answer", "nobody") for each in tries}


def test_a_service_is_deployed_global_and_exported_and_both_clusters_answer_to_its_names(
    connected: Connected, mesh: worlds.Mesh
) -> None:
    both = {"west/web", "east/web"}
    write(mesh, "web", *worlds.CLUSTERS, services=[{"name": "web", "global": True, "export": True}])

    deploy(mesh, "up")

    for domain in ("cluster.local", "clusterset.local"):
        url = f"http://web.web.svc.{domain}/"
        nets.until(lambda at=url: answers(connected.net, at) == both, 120)  # type: ignore[misc]  # bound now
    status = mesh.connect("status", "-o", "json").json()
    assert status["findings"] == []
    assert [each["exported"] for each in status["services"][0]["clusters"]] == [True, True]


def test_a_name_of_the_east_is_asked_of_its_coredns_and_no_more_when_the_fleet_says_so(
    connected: Connected, mesh: worlds.Mesh
) -> None:
    net = connected.net
    for number, cluster in enumerate(worlds.CLUSTERS):
        ports = [{"name": "tcp", "protocol": "TCP", "port": 53, "nodePort": 30053 + number}]
        spec = {"type": "NodePort", "selector": {"k8s-app": "kube-dns"}, "ports": ports}
        net.api(cluster).create(f"{CORE}/services", {"metadata": {"name": "dns-out"}, "spec": spec})
        (node,) = net.layout.by_cluster[cluster].nodes
        mesh.own[cluster] = {"dns": [f"{node.address}:{30053 + number}"]}
    before = corefile(net)
    mesh.spec["dns"] = {"stubs": True}
    mesh.write()
    write(mesh, "only-east", "east")
    deploy(mesh, "up")

    mesh.connect("up", "--yes")
    restart(net)

    url = "http://pods.only-east.svc.cluster.local:8080/"
    nets.until(lambda: answers(net, url) == {"east/web"}, 120)
    mesh.spec["dns"] = {"stubs": False}
    mesh.write()
    mesh.connect("up", "--yes")
    assert corefile(net) == before
    for cluster in worlds.CLUSTERS:
        net.api(cluster).delete(f"{CORE}/services/dns-out")


def corefile(net: nets.Net) -> str:
    """Return the west's Corefile."""
    return str(net.api("west").get(f"{CORE}/configmaps/coredns")["data"]["Corefile"])


def restart(net: nets.Net) -> None:
    """Start CoreDNS anew, which else reads its Corefile when the kubelet has brought it, in a minute."""
    for pod in net.api("west").get(f"{CORE}/pods?labelSelector=k8s-app%3Dkube-dns")["items"]:
        net.api("west").delete(f"{CORE}/pods/{pod['metadata']['name']}")
