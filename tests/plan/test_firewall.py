"""Which flows a fleet needs, as tables of what the Fleet states against what must be open."""

from __future__ import annotations

import pytest

from isthmus.mesh import ports
from isthmus.model import folder
from isthmus.network.ipam import addresses
from isthmus.network.needs import firewall
from tests.plan import worlds

BASE = {"6443/tcp", "10250/tcp", "2379-2380/tcp", "30000-32767/tcp"}
"""Kubernetes on machines of one's own."""

WATCHED = {"4240/tcp", "8/0/icmp", "3/4/icmp", "4244/tcp", "4245/tcp", "9962-9964/tcp"}
"""What Cilium has besides its datapath, Hubble with it."""

CASSANDRA = """\
---
apiVersion: isthmus.dev/v1alpha1
kind: App
metadata: {name: cassandra, namespace: data}
spec:
  chart: {path: charts/cassandra}
  clusters: {west: {}, east: {}}
  ports:
  - {port: 7001, purpose: between nodes over TLS}
  - {port: 9042, purpose: CQL, from: clients}
  - {port: 9042, purpose: CQL, from: fleet}
"""

ISTIO = "mesh: {istio: {}}"
AMBIENT = "mesh: {istio: {mode: ambient}}"
TWO = ("west 1", "east 2")


def world(*clusters: str, spec: str = "", app: str = "") -> tuple[folder.Folder, tuple[firewall.Row, ...]]:
    text = worlds.text(*clusters)
    if spec:
        text = text.replace("  clusters:\n", f"  {spec}\n  clusters:\n".replace("; ", "\n  "))
    parsed = folder.parse([("fleet.yaml", text + app)])
    assert parsed.folder is not None, parsed.findings
    return parsed.folder, firewall.rows(parsed.folder, addresses.plan(parsed.folder).clusters)


def rows(*clusters: str, spec: str = "", app: str = "") -> tuple[firewall.Row, ...]:
    return world(*clusters, spec=spec, app=app)[1]


def told(made: tuple[firewall.Row, ...], port: str) -> set[tuple[str, str]]:
    return {(row.source, row.target) for row in made if f"{row.port}/{row.protocol}" == port}


def both(place: str, target: str) -> set[tuple[str, str]]:
    return {(f"west {place}", f"east {target}"), (f"east {place}", f"west {target}")}


def own(place: str, target: str) -> set[tuple[str, str]]:
    return {(f"west {place}", f"west {target}"), (f"east {place}", f"east {target}")}


@pytest.mark.parametrize(
    ("spec", "open_"),
    [
        ("", {"8472/udp", "2379/tcp", *WATCHED}),
        ("network: {}", {"8472/udp", "2379/tcp", *WATCHED}),
        ("network: {cni: none}", set()),
        ("network: {encapsulation: geneve}", {"6081/udp", "2379/tcp", *WATCHED}),
        ("network: {encryption: wireguard}", {"8472/udp", "51871/udp", "2379/tcp", *WATCHED}),
        (
            "network: {routing: native, encryption: wireguard}",
            {"any/any", "51871/udp", "2379/tcp", *WATCHED},
        ),
        (
            "network: {encryption: ipsec, exposure: NodePort}",
            {"8472/udp", "any/esp", "32379/tcp", *WATCHED},
        ),
        ("network: {hubble: false}", {"8472/udp", "2379/tcp", *WATCHED - {"4244/tcp", "4245/tcp"}}),
        (
            "network: {underlay: ipv6}",
            {"8472/udp", "2379/tcp", "128/0/icmpv6", "2/0/icmpv6", *WATCHED - {"8/0/icmp", "3/4/icmp"}},
        ),
        (f"network: {{cni: none}}; {ISTIO}", {"15012/tcp", "15017/tcp"}),
        (f"network: {{cni: none}}; {AMBIENT}", {"15012/tcp", "15017/tcp", "15008/tcp"}),
        ("network: {cni: none}; mesh: {istio: {enabled: false}}", set()),
    ],
)
def test_a_fleet_needs_the_ports_of_what_it_states_and_no_others(spec: str, open_: set[str]) -> None:
    assert {f"{row.port}/{row.protocol}" for row in rows(*TWO, spec=spec)} == BASE | open_


@pytest.mark.parametrize(
    ("spec", "port", "between"),
    [
        ("", "8472/udp", own("nodes", "nodes") | both("nodes", "nodes")),
        ("", "2379/tcp", both("nodes", "ClusterMesh API server")),
        ("", "4244/tcp", own("Hubble Relay", "nodes") | both("Hubble Relay", "nodes")),
        ("", "4245/tcp", own("pods", "pods")),
        ("", "10250/tcp", own("API server", "nodes")),
        ("", "3/4/icmp", {("any router on the way", "west nodes"), ("any router on the way", "east nodes")}),
        ("network: {routing: native}", "any/any", own("pods", "pods") | both("pods", "pods")),
        ("network: {encryption: ipsec}", "any/esp", own("nodes", "nodes") | both("nodes", "nodes")),
        (
            ISTIO,
            "6443/tcp",
            own("nodes", "API server")
            | both("istiod", "API server")
            | {("operator machine", "west API server"), ("operator machine", "east API server")},
        ),
        (AMBIENT, "15008/tcp", own("pods", "pods") | both("pods", "pods")),
    ],
)
def test_a_flow_goes_between_the_clusters_that_use_it(
    spec: str, port: str, between: set[tuple[str, str]]
) -> None:
    assert told(rows(*TWO, spec=spec), port) == between


@pytest.mark.parametrize(("mode", "port"), [("sidecar", "15443/tcp"), ("ambient", "15008/tcp")])
def test_a_mesh_on_several_networks_meets_at_gateways(mode: str, port: str) -> None:
    clusters = ("west 1 istio: {network: n1}", "east 2 istio: {network: n2}")

    made = rows(*clusters, spec=f"mesh: {{istio: {{mode: {mode}}}}}")

    assert told(made, port) - own("pods", "pods") == both("mesh pods", "east-west gateway")
    assert told(made, "15021/tcp") == {
        ("load balancer health checks", "west east-west gateway"),
        ("load balancer health checks", "east east-west gateway"),
    }


def test_gateways_on_ports_of_nodes_need_those_ports_and_no_load_balancer() -> None:
    clusters = ("west 1 istio: {network: n1}", "east 2 istio: {network: n2, gateway: {nodePort: 30443}}")

    made = rows(*clusters, spec="mesh: {istio: {gateway: {exposure: NodePort}}}")

    assert told(made, "32443/tcp") == {("east mesh pods", "west east-west gateway")}
    assert told(made, "30443/tcp") == {("west mesh pods", "east east-west gateway")}
    assert told(made, "15443/tcp") == told(made, "15021/tcp") == set()


def test_clusters_that_share_a_network_need_no_gateway_between_them() -> None:
    clusters = ("west 1 istio: {network: n1}", "east 2 istio: {network: n1}", "far 3 istio: {network: n2}")

    assert told(rows(*clusters, spec=ISTIO), "15443/tcp") == {
        ("west mesh pods", "far east-west gateway"),
        ("east mesh pods", "far east-west gateway"),
        ("far mesh pods", "west east-west gateway"),
        ("far mesh pods", "east east-west gateway"),
    }


def test_a_remote_cluster_uses_the_istiod_of_its_primary() -> None:
    made = rows("west 1", "east 2 istio: {primary: west}", spec="mesh: {istio: {topology: primary-remote}}")

    assert told(made, "15012/tcp") == {
        ("west mesh pods", "west istiod"),
        ("east mesh pods", "west east-west gateway"),
    }
    assert told(made, "15017/tcp") == {
        ("west API server", "west istiod"),
        ("east API server", "west east-west gateway"),
    }
    assert ("west istiod", "east API server") in told(made, "6443/tcp")
    assert ("east istiod", "west API server") not in told(made, "6443/tcp")


@pytest.mark.parametrize(
    ("spec", "inside", "target"),
    [("", "8472/udp", "load balancer or node port"), ("network: {routing: native}", "", "pods")],
)
def test_the_ports_of_an_app_say_what_carries_them(spec: str, inside: str, target: str) -> None:
    made = [row for row in rows(*TWO, spec=spec, app=CASSANDRA) if row.when.startswith("App ")]

    by_pods = [row for row in made if row.source != "clients"]
    assert {(row.port, row.inside) for row in by_pods} == {("7001", inside), ("9042", inside)}
    assert told(tuple(by_pods), "7001/tcp") == own("pods", "pods") | both("pods", "pods")
    assert [(row.source, row.target, row.inside) for row in made if row.source == "clients"] == [
        ("clients", f"west {target}", ""),
        ("clients", f"east {target}", ""),
    ]
    assert {row.fact.split(":")[0] for row in made} == {"fleet.yaml"}


@pytest.mark.parametrize(
    ("ports_", "told_"),
    [
        ("[{port: 0, purpose: CQL}]", "ports"),
        ("[{port: 9042}]", "purpose"),
        ("[{port: 9042, purpose: CQL, from: all}]", "from"),
        ("[{port: 9042, purpose: CQL}, {port: 9042, purpose: again}]", "9042/tcp from app is written twice"),
    ],
)
def test_a_port_that_cannot_be_is_refused_with_its_place(ports_: str, told_: str) -> None:
    app = CASSANDRA.split("  ports:", maxsplit=1)[0] + f"  ports: {ports_}\n"
    parsed = folder.parse([("fleet.yaml", worlds.text(*TWO) + app)])

    assert parsed.folder is None
    assert [(each.file, bool(each.line)) for each in parsed.findings] == [("fleet.yaml", True)]
    assert told_ in parsed.findings[0].message


def test_a_port_for_the_whole_fleet_is_open_to_clusters_without_the_app() -> None:
    made = rows(*TWO, "far 3", app=CASSANDRA)

    assert ("far pods", "west pods") in told(made, "9042/tcp")
    assert ("far pods", "west pods") not in told(made, "7001/tcp")


def test_a_managed_control_plane_listens_at_443_outside_of_the_nodes_and_keeps_its_etcd() -> None:
    made = rows("west 1 provider: gcp", "east 2 provider: kubeadm")

    at = {
        row.target: (row.port, bool(row.target_ranges)) for row in made if row.entry.name == "kubernetes-api"
    }
    assert at == {"west API server": ("443", False), "east API server": ("6443", True)}
    assert told(made, "2379-2380/tcp") == {("east API server", "east API server")}


def test_rows_carry_the_ranges_that_the_plan_gives() -> None:
    row = next(row for row in rows(*TWO) if (row.port, row.source_cluster) == ("2379", "west"))

    assert [str(each) for each in row.source_ranges] == ["10.64.0.0/29"]
    assert [str(each) for each in row.target_ranges] == ["10.64.0.8/29"]
    assert (row.source_cluster, row.target_cluster) == ("west", "east")


def test_an_exposure_by_cluster_ip_is_reached_at_the_range_of_services() -> None:
    made = rows(*TWO, spec="network: {exposure: ClusterIP}")

    row = next(row for row in made if (row.port, row.target_cluster) == ("2379", "east"))
    assert [str(each) for each in row.target_ranges] == ["10.96.16.0/20"]


def test_the_json_is_the_contract() -> None:
    made = rows(*TWO, spec="teams: [{name: net, owns: [firewall]}, {name: sec, owns: [firewall, teams]}]")

    row = next(row for row in made if row.port == "8472" and row.target_cluster == "east")
    assert row.to_json() == {
        "from": "west nodes",
        "to": "east nodes",
        "protocol": "udp",
        "port": "8472",
        "purpose": "Cilium overlay (VXLAN): all pod traffic",
        "team": "net, sec",
        "when": "routing tunnel, encapsulation vxlan",
    }


def test_nobody_in_particular_owns_the_firewall_of_a_fleet_without_teams() -> None:
    assert {row.team for row in rows(*TWO)} == {"network"}


def test_a_witness_is_asked_from_where_isthmus_runs() -> None:
    assert ("operator machine", "witness API server") in told(
        rows(*TWO, spec="witness: {context: ops}"), "6443/tcp"
    )


def many(count: int) -> list[str]:
    return [f"c{number} {number}" for number in range(1, count + 1)]


@pytest.mark.parametrize("spec", [ISTIO, AMBIENT, "network: {routing: native}", "network: {cni: none}"])
def test_many_clusters_share_rows_that_say_the_same_as_rows_of_pairs(spec: str) -> None:
    """Taken apart for one cluster, both forms let the same ends in, by the same ports."""
    source, pairs = world(*many(firewall.MANY), spec=spec)
    given = addresses.plan(source).clusters

    def entering(made: tuple[firewall.Row, ...], name: str) -> set[tuple[str, firewall.End, firewall.End]]:
        parts = [(row.entry.name, row.into(name)) for row in made]
        return {(port, end, part[0]) for port, part in parts if part for end in part[1]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firewall, "MANY", 1)
        grouped = firewall.rows(source, given)

    assert len(grouped) < 20 < len(pairs)
    assert entering(grouped, "c3") == entering(pairs, "c3")


def test_one_row_for_many_clusters_says_whom_it_means() -> None:
    made = rows(*many(firewall.MANY + 1))

    assert told(made, "8472/udp") == {("each cluster's nodes", "every cluster's nodes")}
    assert told(made, "10250/tcp") == {("each cluster's API server", "its own nodes")}
    assert told(made, "2379/tcp") == {
        ("each cluster's nodes", "every other cluster's ClusterMesh API server")
    }
    assert {(row.source_cluster, row.target_cluster) for row in made} == {
        (firewall.EVERY, firewall.EVERY),
        (None, firewall.EVERY),
    }


def test_a_fleet_of_one_cluster_has_nobody_to_mesh_with() -> None:
    assert told(rows("west 1"), "2379/tcp") == set()


def test_every_port_names_its_source() -> None:
    known = [each for each in vars(ports).values() if isinstance(each, ports.Port)]

    assert [each.name for each in known if not each.source or not each.when] == []
