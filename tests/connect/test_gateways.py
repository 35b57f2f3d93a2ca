"""East-west gateways between two networks of Istio: addresses, values, what is said, the real chart."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.lab.images import charts
from isthmus.mesh import gateways as crossings
from isthmus.mesh import istiod
from isthmus.model import errors, finding
from isthmus.model import fleet as fleets
from isthmus.rollout import part, release
from isthmus.rollout.connect import gateways, istio, meshstate
from tests.connect import meshes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
SPACE = "/api/v1/namespaces/istio-system"
CHARTS = {name: {"path": f"charts/{name}"} for name in ("base", "istiod", "gateway")}
NETWORK = "topology.istio.io/network"


def fleet(
    *, exposure: str = "NodePort", own: dict[str, Any] | None = None, flat: bool = False, **more: Any
) -> fleets.Fleet:
    """Return west on network w, and east and central on network e; `own` is of east, `more` of the mesh."""
    networks = {"west": "w", "east": "e", "central": "e"}
    clusters = [
        {"name": name, "id": number, "nodes": 3, "istio": {} if flat else {"network": network}}
        for number, (name, network) in enumerate(networks.items(), start=1)
    ]
    clusters[1]["istio"] = {**clusters[1]["istio"], **(own or {})}  # type: ignore[dict-item]
    mesh = {"trustDomain": "shop.local", "charts": CHARTS, **more}
    network = {"cni": "cilium", "exposure": exposure}
    spec = {"network": network, "mesh": {"istio": mesh}, "clusters": clusters}
    return fleets.Fleet.model_validate({"metadata": {"name": "shop"}, "spec": spec})


def installed(values: Mapping[str, Any]) -> dict[str, release.Release]:
    """Return istiod's release as it was made with some values."""
    made = release.Release(
        name="istiod", namespace="istio-system", revision=1, status="deployed", chart="istiod",
        chart_version="1", app_version="1", manifest="", config=values,
    )  # fmt: skip
    return {"istiod": made}


def told(**networks: list[str]) -> dict[str, Any]:
    """Return values of istiod that name gateways, each as HOST:PORT."""
    found = {
        name: {"gateways": [{"address": one.split(":")[0], "port": int(one.split(":")[1])} for one in each]}
        for name, each in networks.items()
    }
    return {"global": {"meshNetworks": found}}


def facts(name: str, *nodes: str, **more: Any) -> istio.Facts:
    """Return a cluster with nodes at some addresses."""
    return istio.Facts(cluster=name, nodes=tuple((each,) for each in nodes), **more)


WEST, EAST, CENTRAL = facts("west", "10.1.0.1"), facts("east", "10.2.0.1"), facts("central", "10.3.0.1")
SILENT = istio.Facts(cluster="east", error="no answer")
GROWN = facts("east", "10.2.0.0", "10.2.0.1", "10.2.0.2", "10.2.0.3")


@pytest.mark.parametrize(
    ("known", "west", "east", "expected"),
    [
        (fleet(flat=True), WEST, EAST, {}),
        (fleet(), WEST, EAST, {"w": ["10.1.0.1:32443"], "e": ["10.2.0.1:32443", "10.3.0.1:32443"]}),
        (
            fleet(own={"gateway": {"nodePort": 30443}}),
            WEST,
            EAST,
            {"w": ["10.1.0.1:32443"], "e": ["10.2.0.1:30443", "10.3.0.1:32443"]},
        ),
        (fleet(exposure="LoadBalancer"), WEST, EAST, {}),
        (fleet(own={"gateway": {"exposure": "LoadBalancer"}}), WEST, EAST, {"w": 1, "e": ["10.3.0.1:32443"]}),
        (fleet(), WEST, SILENT, {"w": 1, "e": ["10.3.0.1:32443"]}),
        (
            fleet(),
            dataclasses.replace(WEST, releases=installed(told(e=["10.2.0.9:32443", "10.3.0.1:32443"]))),
            SILENT,
            {"w": 1, "e": ["10.2.0.9:32443", "10.3.0.1:32443"]},
        ),
        (
            fleet(),
            dataclasses.replace(WEST, releases=installed(told(e=["10.2.0.3:32443"]))),
            GROWN,
            {
                "w": 1,
                "e": ["10.2.0.3:32443", "10.2.0.0:32443", "10.2.0.1:32443", "10.3.0.1:32443"],
            },
        ),
        (fleet(), WEST, facts("east"), {"w": 1, "e": ["10.3.0.1:32443"]}),
    ],
    ids=[
        "one network",
        "nodes",
        "a port of its own",
        "load balancers are found",
        "one load balancer",
        "silent and unknown",
        "silent and known",
        "named nodes stay",
        "no nodes yet",
    ],
)
def test_istiod_is_told_the_nodes_that_lead_into_each_network(
    known: fleets.Fleet, west: istio.Facts, east: istio.Facts, expected: dict[str, Any]
) -> None:
    found = gateways.of(known, "west", {"west": west, "east": east, "central": CENTRAL})

    assert set(found) == set(expected)
    shown = {name: [str(each) for each in found[name]] for name in found if expected[name] != 1}
    assert shown == {name: each for name, each in expected.items() if each != 1}


def test_the_values_of_istiod_hold_the_addresses_and_those_of_the_gateway_its_port() -> None:
    known = fleet(
        own={"gateway": {"nodePort": 30443, "values": {"replicaCount": 2}}}, gateway={"values": {"a": 1}}
    )
    addresses = {"e": (crossings.Address("10.2.0.1", 30443),)}

    of_istiod = istio.values(known, known.cluster("west"), istio.ISTIOD, "mark", addresses)
    of_gateway = istio.values(known, known.cluster("east"), istio.GATEWAY, "mark", addresses)

    assert of_istiod["global"]["meshNetworks"] == {
        "e": {
            "endpoints": [{"fromRegistry": "east"}, {"fromRegistry": "central"}],
            "gateways": [{"address": "10.2.0.1", "port": 30443}],
        }
    }
    assert of_gateway["service"]["type"] == "NodePort"
    assert of_gateway["service"]["ports"][1] == {
        "name": "tls", "port": 15443, "targetPort": 15443, "protocol": "TCP", "nodePort": 30443,
    }  # fmt: skip
    assert of_gateway["labels"] == {NETWORK: "e"}
    assert of_gateway["rbac"] == {"enabled": False}
    assert (of_gateway["replicaCount"], of_gateway["a"]) == (2, 1)


@pytest.mark.parametrize(
    ("known", "labels", "managed", "expected"),
    [
        (fleet(), {}, False, ("w", None)),
        (fleet(), {NETWORK: "old"}, False, ("w", "old")),
        (fleet(flat=True), {}, False, None),
        (fleet(flat=True), {NETWORK: "theirs"}, False, None),
        (fleet(flat=True), {NETWORK: "w"}, True, (None, "w")),
    ],
)
def test_the_namespace_says_the_network_and_somebody_elses_label_is_left(
    known: fleets.Fleet, labels: dict[str, str], managed: bool, expected: tuple[str | None, str | None] | None
) -> None:
    fields = [{"manager": part.MANAGER, "fieldsV1": {"f:metadata": {"f:labels": {f"f:{NETWORK}": {}}}}}]
    home = {"metadata": {"labels": labels, "managedFields": fields if managed else []}}

    found = gateways.label(known, dataclasses.replace(WEST, home=home))

    def said(body: Any) -> str | None:
        value: str | None = body["metadata"]["labels"].get(NETWORK)
        return value

    assert [(said(each.body), said(each.before)) for each in found] == ([expected] if expected else [])
    assert all(each.only_on for each in found)


SERVICE: dict[str, Any] = {
    "spec": {"type": "NodePort", "ports": [{"name": "tls", "port": 15443, "nodePort": 32443}]},
    "status": {},
}
BALANCED = {
    "spec": {**SERVICE["spec"], "type": "LoadBalancer"},
    "status": {"loadBalancer": {"ingress": [{"ip": "10.9.0.1"}, {"hostname": "lb.example"}]}},
}
STANDING = dataclasses.replace(
    WEST,
    home={"metadata": {"labels": {NETWORK: "w"}}},
    gateway_service=SERVICE,
    crossing=gateways.crossing(),
    releases={istio.GATEWAY: installed({})["istiod"]},
)
SENT = {"w": ("10.1.0.1:32443",), "e": ("10.2.0.1:32443", "10.3.0.1:32443")}


@pytest.mark.parametrize(
    ("known", "one", "sent", "codes"),
    [
        (fleet(), STANDING, SENT, []),
        (fleet(flat=True), WEST, {}, []),
        (fleet(), dataclasses.replace(STANDING, home={"metadata": {}}), SENT, ["network-label"]),
        (fleet(), dataclasses.replace(STANDING, crossing=None), SENT, ["gateway-closed"]),
        (fleet(), dataclasses.replace(STANDING, gateway={"spec": {"replicas": 0}}), SENT, ["gateway-off"]),
        (fleet(), dataclasses.replace(STANDING, nodes=()), SENT, ["gateway-no-address"]),
        (fleet(), STANDING, {}, ["gateway-unknown"]),
        (fleet(), STANDING, {"e": ("10.2.0.7:32443",)}, ["gateway-differs"]),
        (
            fleet(exposure="LoadBalancer"),
            dataclasses.replace(STANDING, gateway_service={**BALANCED, "status": {}}),
            SENT,
            ["gateway-no-address"],
        ),
        (
            fleet(exposure="LoadBalancer"),
            dataclasses.replace(STANDING, gateway_service=BALANCED),
            {"e": ("10.9.0.9:15443",)},
            [],
        ),
    ],
)
def test_status_says_what_is_wrong_with_the_way_between_networks(
    known: fleets.Fleet, one: istio.Facts, sent: dict[str, tuple[str, ...]], codes: list[str]
) -> None:
    seen = {"west": one, "east": EAST, "central": CENTRAL}

    assert [each.code for each in gateways.judge(known, one, seen, sent)] == codes


def test_a_gateway_is_reached_at_the_nodes_or_at_its_load_balancer() -> None:
    balanced = dataclasses.replace(STANDING, gateway_service=BALANCED)
    pending = dataclasses.replace(STANDING, gateway_service={**BALANCED, "status": {}})

    assert gateways.reached(fleet(), STANDING) == ("10.1.0.1:32443",)
    assert gateways.reached(fleet(exposure="LoadBalancer"), balanced) == (
        "10.9.0.1:15443",
        "lb.example:15443",
    )
    assert gateways.reached(fleet(exposure="LoadBalancer"), pending) == ()


@pytest.mark.parametrize(
    ("known", "one", "codes"),
    [
        (fleet(), STANDING, []),
        (fleet(flat=True), STANDING, ["gateway-left"]),
        (fleet(flat=True), WEST, []),
        (fleet(), dataclasses.replace(STANDING, crossing=crossings.crossing()), ["foreign-gateway"]),
        (fleet(), dataclasses.replace(STANDING, nodes=()), ["gateway-later"]),
    ],
)
def test_the_plan_says_what_stands_in_the_way_of_a_gateway(
    known: fleets.Fleet, one: istio.Facts, codes: list[str]
) -> None:
    found = list(gateways.findings(known, {"west": one}, adopt=False))

    assert [each.code for each in found] == codes
    errors_of = {"foreign-gateway"}
    assert {each.code for each in found if each.severity is finding.Severity.ERROR} == errors_of & set(codes)


def test_istiods_own_page_tells_its_gateways() -> None:
    page = [
        {"Network": "e", "Cluster": "", "Addr": "10.2.0.1", "Port": 32443, "HBONEPort": 0},
        {"Network": "e", "Cluster": "east", "Addr": "fd00::1", "Port": 15443, "HBONEPort": 0},
    ]

    assert istiod.parse([], {}, page).gateways == {"e": ("10.2.0.1:32443", "[fd00::1]:15443")}
    assert istiod.parse([], {}, None).gateways == {}
    with pytest.raises(ValueError, match="no list"):
        istiod.parse([], {}, [{"Network": "e"}])


def test_a_mesh_of_two_networks_misses_its_gateways_release() -> None:
    known = fleet()
    seen = {"west": WEST, "east": SILENT, "central": istio.Facts(cluster="central", error="x")}

    found = meshstate.judge(known, seen, {}, {}, now=NOW)

    said = [each.message for each in found if each.code == "istio-not-installed"]
    assert said == [f"Helm has no release `{name}` here" for name in istio.RELEASES]


HELD = {"w": ["10.1.0.1:32443"], "e": ["10.2.0.1:32443", "10.3.0.1:32443"]}


@pytest.mark.parametrize(
    ("known", "chosen", "west", "expected"),
    [
        (fleet(), ["east"], {"releases": installed(told(**HELD))}, []),
        (fleet(), ["east"], {"releases": installed(told(w=HELD["w"], e=["10.9.0.1:32443"]))}, ["west"]),
        (fleet(), ["east"], {"releases": installed({})}, ["west"]),
        (fleet(), ["west", "east"], {"releases": installed({})}, []),
        (fleet(), ["east"], {}, []),
        (fleet(), ["east"], {"error": "no answer"}, []),
        (fleet(flat=True), ["east"], {"releases": installed({})}, []),
    ],
    ids=str,
)
def test_an_istiod_that_keeps_old_addresses_since_its_cluster_is_left_out_is_named_with_the_command(
    known: fleets.Fleet, chosen: list[str], west: dict[str, Any], expected: list[str]
) -> None:
    seen = {"west": facts("west", "10.1.0.1", **west), "east": EAST, "central": CENTRAL}

    found = list(gateways.left(known, chosen, seen))

    assert [each.cluster for each in found] == expected
    assert all(each.remedy == f"isthmus connect up --only {each.cluster}" for each in found)


# --- on real API servers --------------------------------------------------------------------------


@pytest.fixture
def mesh(net: meshes.Net) -> Iterator[meshes.Net]:
    """A Fleet of three clusters on two networks; what it made is taken out."""
    names = {"base": "istio-base", "istiod": "istiod", "gateway": "istio-gateway"}
    try:
        found = {name: charts.folder(chart) for name, chart in names.items()}
    except errors.IsthmusError as lacking:
        pytest.skip(f"Istio's charts come in its Go module: {lacking.brief}")
    # Nobody answers the webhooks of a control plane whose pods are played.
    values = {"base": {"validationFailurePolicy": "Ignore"}, "global": {"operatorManageWebhooks": True}}
    net.spec["mesh"] = {
        "istio": {
            "trustDomain": "shop.local",
            "charts": {name: {"path": str(path)} for name, path in found.items()},
            "values": values,
        }
    }
    for number, name in enumerate(meshes.CLUSTERS, start=1):
        net.own[name] = {"apiServer": f"10.8.0.{number}:6443"}
        network = "w" if name == "west" else "e"
        net.own_cluster[name] = {"istio": {"network": network, "gateway": {"nodePort": 32442 + number}}}
    net.write()
    yield net
    for operation in ("abort", "down"):
        net.run(operation, code=None)


@pytest.mark.lab
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("connect")
@pytest.mark.long
def test_gateways_come_last_and_go_first_and_nothing_of_them_is_left(mesh: meshes.Net) -> None:
    shown = mesh.run("diff")
    assert "istio-eastwestgateway" in shown.out
    assert "Gateway cross-network-gateway" in shown.out

    mesh.run("up")

    for name in meshes.CLUSTERS:
        service = mesh.get(name, f"{SPACE}/services/istio-eastwestgateway")
        ports = {each["name"]: each.get("nodePort") for each in service["spec"]["ports"]}
        assert ports["tls"] == 32442 + meshes.CLUSTERS.index(name) + 1
        home = mesh.get(name, SPACE)["metadata"]["labels"]
        assert home[NETWORK] == ("w" if name == "west" else "e")
        assert mesh.get(name, f"{CROSSINGS}/cross-network-gateway") is not None
        config = mesh.get(name, f"{SPACE}/configmaps/istio")["data"]["meshNetworks"]
        assert "fromRegistry: west" in config
        assert "port: 32444" in config
    assert "nothing to do" in mesh.run("up").err

    mesh.run("down")

    for name in meshes.CLUSTERS:
        assert mesh.get(name, f"{SPACE}/services/istio-eastwestgateway") is None
        assert mesh.get(name, f"{CROSSINGS}/cross-network-gateway") is None
        assert NETWORK not in mesh.get(name, SPACE)["metadata"]["labels"]


CROSSINGS = "/apis/networking.istio.io/v1/namespaces/istio-system/gateways"
