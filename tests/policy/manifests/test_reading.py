"""Manifests of every kind that makes endpoints, read into a world."""

from __future__ import annotations

import pytest

from isthmus.address import prefix
from isthmus.policy import labels, ports, world
from isthmus.policy.manifests import cluster, text

TCP = ports.Protocol.TCP
TEMPLATE = "{metadata: {labels: {app: a}}, spec: {serviceAccountName: robot, containers: [{name: c}]}}"


def read(*documents: str, enforcer: world.Enforcer = world.Enforcer.KUBERNETES) -> world.World:
    objects, told = text.objects([("all.yaml", "\n---\n".join(documents))])
    assert not told
    known, found = cluster.read({"c": objects}, {"c": world.Settings(cluster="c", enforcer=enforcer)})
    assert not found
    return known


def workload(kind: str, name: str = "one", owner: str = "") -> str:
    spec = (
        f"{{jobTemplate: {{spec: {{template: {TEMPLATE}}}}}}}"
        if kind == "CronJob"
        else f"{{template: {TEMPLATE}}}"
    )
    group = {"Job": "batch/v1", "CronJob": "batch/v1", "ReplicationController": "v1"}.get(kind, "apps/v1")
    return f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}, namespace: n{owner}}}\nspec: {spec}"


def owned(kind: str, name: str) -> str:
    return f", ownerReferences: [{{kind: {kind}, name: {name}, controller: true}}]"


def pod(
    name: str, *, held: str = "app: a", owner: str = "", spec: str = "containers: [{name: c}]", ip: str = ""
) -> str:
    status = f"\nstatus: {{podIP: {ip}}}" if ip else ""
    metadata = f"{{name: {name}, namespace: n, labels: {{{held}}}{owner}}}"
    return f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {{{spec}}}{status}"


def space(held: str = "") -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: n, labels: {{{held}}}}}"


@pytest.mark.parametrize(
    "kind",
    ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"],
)
def test_a_workload_is_one_endpoint_with_the_labels_of_its_template(kind: str) -> None:
    (found,) = read(workload(kind)).endpoints
    assert found.title == f"n/one[{kind}]"
    assert found.account == "robot"
    assert found.labels == {
        "app": "a",
        labels.NAMESPACE: "n",
        f"{labels.NAMESPACE_LABEL}kubernetes.io/metadata.name": "n",
        labels.CLUSTER: "c",
        labels.ACCOUNT: "robot",
    }


TITLES = {
    "a pod of nobody": ([pod("p")], {"n/p[Pod]": 1}),
    "a static pod, which its node owns": ([pod("p", owner=owned("Node", "w"))], {"n/p[Pod]": 1}),
    "two pods of one owner alike": (
        [pod("p", owner=owned("StatefulSet", "s")), pod("q", owner=owned("StatefulSet", "s"))],
        {"n/s[StatefulSet]": 1},
    ),
    "two pods of one owner with different labels": (
        [pod("p", owner=owned("StatefulSet", "s")), pod("q", held="app: b", owner=owned("StatefulSet", "s"))],
        {"n/s[StatefulSet]": 2},
    ),
    "two pods of one owner with addresses": (
        [
            pod("p", owner=owned("DaemonSet", "s"), ip="10.0.0.1"),
            pod("q", owner=owned("DaemonSet", "s"), ip="10.0.0.2"),
        ],
        {"n/s[DaemonSet]": 2},
    ),
    "an owner without a kind": (
        [pod("p", owner=", ownerReferences: [{name: s, controller: true}]")],
        {"n/s[Pod]": 1},
    ),
    "an owner that does not control": (
        [pod("p", owner=", ownerReferences: [{kind: ReplicaSet, name: s}]")],
        {"n/p[Pod]": 1},
    ),
    "a pod, its set and the deployment above": (
        [
            workload("Deployment", "d"),
            workload("ReplicaSet", "r", owned("Deployment", "d")),
            pod("p", owner=owned("ReplicaSet", "r")),
        ],
        {"n/d[Deployment]": 1},
    ),
    "a set whose deployment is not among the manifests": (
        [workload("ReplicaSet", "r", owned("Deployment", "d"))],
        {"n/d[Deployment]": 1},
    ),
    "a deployment and its set without pods": (
        [workload("Deployment", "d"), workload("ReplicaSet", "r", owned("Deployment", "d"))],
        {"n/d[Deployment]": 1},
    ),
    "a job of a cron job, which has run": (
        [workload("CronJob", "d"), workload("Job", "j", owned("CronJob", "d"))],
        {"n/d[CronJob]": 1},
    ),
    "a set of which only the metadata is known": (
        ["apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: r, namespace: n}"],
        {},
    ),
    "a kind of the same name in another group": (
        ["apiVersion: apps.example/v1\nkind: Deployment\nmetadata: {name: r, namespace: n}\nspec: {}"],
        {},
    ),
}


@pytest.mark.parametrize("case", TITLES)
def test_pods_are_the_workload_at_the_top_of_their_owners(case: str) -> None:
    documents, expected = TITLES[case]
    found: dict[str, int] = {}
    for each in read(*documents).endpoints:
        found[each.title] = found.get(each.title, 0) + 1
    assert found == expected


def test_pods_that_are_one_endpoint_keep_their_names() -> None:
    (found,) = read(*(pod(name, owner=owned("Job", "j")) for name in ("p", "q"))).endpoints
    assert (found.pods, found.replicas) == (("p", "q"), 2)


def test_ports_are_named_by_containers_and_by_sidecars_that_stay() -> None:
    spec = (
        "containers: [{name: c, ports: [{name: http, containerPort: 80}, {containerPort: 81}]}], "
        "initContainers: [{name: s, restartPolicy: Always, "
        "ports: [{name: side, containerPort: 90, protocol: UDP}]}, "
        "{name: i, ports: [{name: gone, containerPort: 91}]}]"
    )
    (found,) = read(pod("p", spec=spec)).endpoints
    assert found.names == {ports.Named(TCP, "http"): 80, ports.Named(ports.Protocol.UDP, "side"): 90}


def test_a_pod_on_the_network_of_its_node_is_the_node_to_cilium_alone() -> None:
    node = (
        "apiVersion: v1\nkind: Node\nmetadata: {name: w, labels: {rack: r1}}\n"
        "status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: Hostname, address: w}]}"
    )
    spec = "hostNetwork: true, nodeName: w, containers: [{name: c}]"
    plain, _ = read(pod("p", spec=spec), node).endpoints
    assert plain.is_managed
    assert plain.labels["app"] == "a"
    for each in read(pod("p", spec=spec), node, enforcer=world.Enforcer.CILIUM).endpoints:
        assert (each.is_node, each.is_managed) == (True, False)
        assert each.labels == {"rack": "r1", "reserved:remote-node": "", labels.CLUSTER: "c"}


def test_a_node_has_its_addresses_and_a_pod_that_ended_has_none() -> None:
    node = (
        "apiVersion: v1\nkind: Node\nmetadata: {name: w}\n"
        "status: {addresses: [{type: InternalIP, address: 192.0.2.1}, "
        "{type: ExternalIP, address: '2001:db8::1'}]}"
    )
    ended = f"{pod('p')}\nstatus: {{podIP: 10.0.0.1, phase: Succeeded}}"
    both = f"{pod('q')}\nstatus: {{podIP: 10.0.0.2, podIPs: [{{ip: 10.0.0.2}}, {{ip: 'fd00::2'}}]}}"
    found = {each.name: each.addresses for each in read(node, ended, both).endpoints}
    expected = {"w": ("192.0.2.1", "2001:db8::1"), "p": (), "q": ("10.0.0.2", "fd00::2")}
    assert found == {
        name: tuple(prefix.parse(each).first for each in held) for name, held in expected.items()
    }


MESHES = {
    "nothing says so": ("", "app: a", "", world.Mesh.NONE),
    "a namespace of injection": ("istio-injection: enabled", "app: a", "", world.Mesh.SIDECAR),
    "a namespace of a revision": ("istio.io/rev: v1", "app: a", "", world.Mesh.SIDECAR),
    "a pod that refuses": (
        "istio-injection: enabled",
        "sidecar.istio.io/inject: 'false'",
        "",
        world.Mesh.NONE,
    ),
    "a pod that asks": ("", "sidecar.istio.io/inject: 'true'", "", world.Mesh.SIDECAR),
    "a pod that asks where nothing is injected": (
        "istio-injection: disabled",
        "sidecar.istio.io/inject: 'true'",
        "",
        world.Mesh.NONE,
    ),
    "a proxy that stands there": (
        "",
        "app: a",
        "containers: [{name: c}, {name: istio-proxy}]",
        world.Mesh.SIDECAR,
    ),
    "a proxy as native sidecar": (
        "",
        "app: a",
        "containers: [{name: c}], initContainers: [{name: istio-proxy}]",
        world.Mesh.SIDECAR,
    ),
    "a namespace in ambient": ("istio.io/dataplane-mode: ambient", "app: a", "", world.Mesh.AMBIENT),
    "a pod in ambient": ("", "istio.io/dataplane-mode: ambient", "", world.Mesh.AMBIENT),
    "a pod out of ambient": (
        "istio.io/dataplane-mode: ambient",
        "istio.io/dataplane-mode: none",
        "",
        world.Mesh.NONE,
    ),
    "a sidecar in an ambient namespace": (
        "istio.io/dataplane-mode: ambient",
        "app: a",
        "containers: [{name: istio-proxy}]",
        world.Mesh.SIDECAR,
    ),
    "a pod on its node's network": (
        "istio-injection: enabled",
        "app: a",
        "hostNetwork: true, containers: [{name: c}]",
        world.Mesh.NONE,
    ),
}


@pytest.mark.parametrize("case", MESHES)
def test_the_mesh_is_what_the_manifests_say(case: str) -> None:
    above, held, spec, expected = MESHES[case]
    (found,) = read(space(above), pod("p", held=held, spec=spec or "containers: [{name: c}]")).endpoints
    assert found.mesh is expected


WAYPOINTS = {
    "of the namespace": ("istio.io/use-waypoint: w", "app: a", "", "n/w"),
    "of the pod before the namespace": ("istio.io/use-waypoint: w", "istio.io/use-waypoint: x", "", "n/x"),
    "of the service before the namespace": (
        "istio.io/use-waypoint: w",
        "app: a",
        "istio.io/use-waypoint: x",
        "n/x",
    ),
    "in another namespace": (
        "istio.io/use-waypoint: w, istio.io/use-waypoint-namespace: m",
        "app: a",
        "",
        "m/w",
    ),
    "refused by the pod": ("istio.io/use-waypoint: w", "istio.io/use-waypoint: none", "", None),
}


@pytest.mark.parametrize("case", WAYPOINTS)
def test_the_waypoint_is_the_nearest_that_is_named(case: str) -> None:
    above, held, serving, expected = WAYPOINTS[case]
    ambient = "istio.io/dataplane-mode: ambient"
    service = (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: n, labels: {{{serving}}}}}\n"
        "spec: {selector: {app: a}, ports: [{port: 80}]}"
    )
    (found,) = read(space(f"{ambient}, {above}"), service, pod("p", held=held)).endpoints
    assert found.waypoint == expected


def test_services_have_their_target_ports_and_the_addresses_behind_them() -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
        "spec: {ports: [{name: web, port: 80, targetPort: http}, {port: 53, protocol: UDP}, "
        "{port: 1, targetPort: '2'}]}"
    )
    old = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: s}\nsubsets: [{addresses: [{ip: 192.0.2.1}]}]"
    new = (
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
        "metadata: {name: s-x, labels: {kubernetes.io/service-name: s}}\n"
        "endpoints: [{addresses: [192.0.2.2]}]"
    )
    (found,) = read(service, old, new).services
    assert (found.namespace, found.selector) == ("default", None)
    assert found.ports == (("tcp", 80, "http"), ("udp", 53, 53), ("tcp", 1, 2))
    assert found.names == ("web", "", "")
    assert found.addresses == tuple(prefix.parse(each).first for each in ("192.0.2.1", "192.0.2.2"))


def test_lists_are_opened_and_their_items_take_their_kind() -> None:
    listed = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: PodList\n  items:\n"
        "  - metadata: {name: p}\n    spec: {containers: []}\n"
        "- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n  metadata: {name: x}\n  spec: {}"
    )
    known = read(listed)
    assert [each.title for each in known.endpoints] == ["default/p[Pod]"]
    (policy,) = known.policies["c"]
    assert (policy.kind, policy.namespace, policy.name) == ("NetworkPolicy", "default", "x")


def test_values_and_secrets_are_not_kept() -> None:
    known = read("replicas: 3", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: Yg==}")
    assert known.policies["c"] == ()
