"""What a plan changes of what was applied, and the way round that each change is told with."""

from __future__ import annotations

import json
import threading
from http import server
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.address import prefix
from isthmus.cli import main
from isthmus.model import datapath, folder, mesh
from isthmus.network import imported, place
from isthmus.network.changes import change, migration, record
from isthmus.network.ipam import addresses
from tests.plan import worlds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isthmus.model import finding

FLEET = """\
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {name: shop}
spec:
  addressing:
    pods: {supernets: [10.0.0.0/10], nodeMask: 24}
    services: {supernets: [10.96.0.0/12]}
    nodes: {supernets: [10.64.0.0/12]}
  network: {cni: cilium, routing: tunnel, encapsulation: vxlan}
  mesh: {istio: {trustDomain: shop.local, meshId: mesh1}}
  clusters:
  - {name: west, id: 1, region: r1, WEST}
  - {name: east, id: 2, provider: gcp, EAST}
  - {name: north, id: 3, nodes: 3, services: 10.98.0.0/20}
"""
FLEET = FLEET.replace("WEST", "nodes: 3, pods: 10.0.0.0/22, services: 10.96.0.0/20, nodeRange: 10.64.0.0/29")
FLEET = FLEET.replace("EAST", "nodes: 3, pods: 10.1.0.0/16, services: 10.97.0.0/20, nodeRange: 10.65.0.0/24")


def read(text: str) -> folder.Folder:
    parsed = folder.parse([("fleet.yaml", text)])
    assert parsed.folder is not None, parsed.findings
    return parsed.folder


def made(source: folder.Folder) -> record.Record:
    return record.of(source.fleet, addresses.plan(source))


FIRST = made(read(FLEET))


def told(before: record.Record, source: folder.Folder) -> list[finding.Finding]:
    changes = change.Changes(source.fleet, place.Places(source), "plan.lock.json")
    return list(changes.findings(before, made(source)))


CASES: dict[str, tuple[str, str, list[tuple[str, int]], str]] = {
    "nothing": ("/20}", "/20}", [], ""),
    "a word in a comment": ("/20}\n", "/20} # a word\n", [], ""),
    "a new cluster": (
        "  - {name: north",
        "  - {name: new, id: 9, nodes: 3}\n  - {name: north",
        [],
        "",
    ),
    "another account": ("id: 1,", "id: 1, account: a,", [], ""),
    "an id": ("id: 1,", "id: 4,", [("cluster-id-changed", 12)], "restart every workload"),
    "a name": ("name: west,", "name: wast,", [("cluster-renamed", 12)], "made anew"),
    "a cluster dropped": (
        "  - {name: west,",
        "  # {name: west,",
        [("cluster-dropped", 11), ("range-moved", 14), ("range-moved", 14)],
        "disconnect it from the other clusters",
    ),
    "a pinned pod range of GKE": (
        "pods: 10.1.0.0/16",
        "pods: 10.2.0.0/16",
        [("pods-changed", 13)],
        "add a discontiguous multi-Pod range",
    ),
    "a pinned service range": (
        "services: 10.98.0.0/20",
        "services: 10.99.0.0/20",
        [("services-changed", 14)],
        "add a new cluster",
    ),
    "a wider node range on GCP": ("nodeRange: 10.65.0.0/24", "nodeRange: 10.65.0.0/23", [], ""),
    "another node range": (
        "nodeRange: 10.65.0.0/24",
        "nodeRange: 10.66.0.0/24",
        [("nodes-changed", 13)],
        "drain the old nodes",
    ),
    "growth that moves a given range": (
        "id: 3, nodes: 3",
        "id: 3, nodes: 300",
        [("range-moved", 14), ("range-moved", 14)],
        "write `pods: 10.0.4.0/22` into cluster 'north'",
    ),
    "a supernet that moves everything": (
        "nodes: {supernets: [10.64.0.0/12]}",
        "nodes: {supernets: [10.80.0.0/12]}",
        [("range-moved", 14)],
        "write `nodeRange: 10.64.0.8/29`",
    ),
    "the node mask": (
        "nodeMask: 24",
        "nodeMask: 25",
        [("range-moved", 14), ("node-mask-changed", 6)],
        "has a block of that size",
    ),
    "the trust domain": (
        "shop.local",
        "shop.test",
        [("trust-domain-changed", 10)],
        "trustDomainAliases",
    ),
    "the mesh id": ("meshId: mesh1", "meshId: mesh2", [("mesh-id-changed", 10)], "restart istiod"),
    "the trust domain of one": (
        "id: 1,",
        "id: 1, istio: {trustDomain: other},",
        [("trust-domain-changed", 12)],
        "put shop.local back",
    ),
    "the network of the mesh": (
        "meshId: mesh1",
        "meshId: mesh1, network: n2",
        [("mesh-network-changed", 10)],
        "gateways stand between",
    ),
    "routing": ("routing: tunnel", "routing: native", [("routing-changed", 9)], "outage"),
    "encapsulation": ("vxlan", "geneve", [("encapsulation-changed", 9)], "firewall rows"),
    "maxConnectedClusters": (
        "vxlan",
        "vxlan, maxConnectedClusters: 511",
        [("max-connected-clusters-changed", 9)],
        "second mesh",
    ),
    "ipam": ("id: 1,", "id: 1, network: {ipam: eni},", [("ipam-changed", 12)], "add a new cluster"),
    "the cni": ("cni: cilium", "cni: none", [("cni-changed", 9)], "interface of every pod"),
    "a region": ("region: r1", "region: r2", [("region-changed", 12)], "where it was built"),
    "the fleet": ("{name: shop}", "{name: other}", [("fleet-renamed", 3)], "'shop' again"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_change_in_place_is_told_with_the_way_round(case: str) -> None:
    before, after, expected, words = CASES[case]
    assert before in FLEET

    findings = told(FIRST, read(FLEET.replace(before, after)))

    assert [(each.code, each.line) for each in findings] == expected
    assert not words or any(words in f"{each.message} → {each.remedy}" for each in findings)
    assert {each.severity.value for each in findings} <= {"error"}


def test_one_change_of_the_fleet_is_told_once_with_its_clusters() -> None:
    [found] = told(FIRST, read(FLEET.replace("vxlan", "geneve")))

    assert found.message.startswith("encapsulation of 'west', 'east', 'north' is geneve and was vxlan")
    assert found.cluster is None


def test_steps_stand_in_their_order() -> None:
    [found] = told(FIRST, read(FLEET.replace("id: 1,", "id: 4,")))

    places = [found.remedy.index(f"({number})") for number in range(1, 5)]
    assert places == sorted(places)
    assert found.remedy.index("disconnect") < found.remedy.index("restart every workload")


def test_a_second_family_is_a_warning() -> None:
    source = FLEET.replace("pods: 10.1.0.0/16", "pods: [10.1.0.0/16, 'fd00::/48']")

    found = [each for each in told(FIRST, read(source)) if each.code == "family-added"]

    assert [each.severity.value for each in found] == ["warning"]


def test_every_field_that_is_compared_has_its_advice() -> None:
    fields = {*record.FIELDS, "name", "id", "dropped"}

    assert fields == set(migration.ADVICE)
    assert set(change.CODES) == fields - set(record.RANGES) - {"name", "id", "dropped"}
    assert all(each.why and each.steps for each in migration.ADVICE.values())


def test_a_record_has_one_cluster_a_line_and_reads_as_it_was_written() -> None:
    first = FIRST
    text = record.write(first)

    assert record.read(text) == first
    assert json.loads(text)["clusters"][0]["name"] == "east"
    other = record.write(made(read(FLEET.replace("pods: 10.1.0.0/16", "pods: 10.2.0.0/16"))))
    changed = [one for one, two in zip(text.splitlines(), other.splitlines(), strict=True) if one != two]
    assert len(changed) == 1


@given(st.data())
def test_a_damaged_record_is_refused_and_never_raises_otherwise(data: st.DataObject) -> None:
    text = record.write(FIRST)
    at = data.draw(st.integers(0, len(text) - 1))
    text = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 9)) :]

    try:
        found = record.read(text)
    except ValueError:
        return
    told(found, read(FLEET))


# --- live clusters ---


def live(**fields: object) -> imported.Live:
    base: dict[str, object] = {"name": "west", "id": 1}
    return imported.Live(**{**base, **fields})  # type: ignore[arg-type]  # fields of the case


LIVE: dict[str, tuple[imported.Live, list[str]]] = {
    "as planned": (live(pods=(prefix.parse("10.0.0.0/22"),)), []),
    "nothing known": (live(id=None), []),
    "another range": (live(pods=(prefix.parse("10.9.0.0/22"),)), ["pods-changed"]),
    "blocks of nodes within": (
        live(pods=(prefix.parse("10.0.1.0/24"),), inferred=frozenset({"pods"})),
        [],
    ),
    "blocks of nodes elsewhere": (
        live(pods=(prefix.parse("10.0.4.0/24"),), inferred=frozenset({"pods"})),
        ["pods-changed"],
    ),
    "another id": (live(id=7), ["cluster-id-changed"]),
    "another number of clusters": (
        live(network=datapath.ClusterNetwork(max_connected_clusters=511)),
        ["max-connected-clusters-changed"],
    ),
    "another network of the mesh": (
        live(istio=mesh.ClusterIstio(network="n2")),
        ["mesh-network-changed"],
    ),
    "another trust domain": (
        live(istio=mesh.ClusterIstio(trust_domain="cluster.local")),
        ["trust-domain-changed"],
    ),
}


@pytest.mark.parametrize("case", LIVE)
def test_a_live_cluster_is_held_against_the_plan(case: str) -> None:
    one, expected = LIVE[case]
    source = read(FLEET)

    findings = told(record.of_live("shop", [("west", one)]), source)

    assert [each.code for each in findings] == expected


# --- the command ---


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(worlds.text("west 1", "east 2", "central 3"), encoding="utf-8")
    return tmp_path


def run(*args: object) -> int:
    return main.main([str(each) for each in args])


def test_a_recorded_plan_is_what_the_next_one_is_held_against(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", "check", "-f", shop, "--record") == 0
    assert "recorded 3 clusters" in capsys.readouterr().err
    assert run("plan", "check", "-f", shop) == 0

    text = (shop / "fleet.yaml").read_text()
    (shop / "fleet.yaml").write_text(text.replace("10.96.0.0/12", "10.112.0.0/12"))
    capsys.readouterr()

    assert run("plan", "check", "-f", shop, "-o", "json") == 1
    found = [each for each in json.loads(capsys.readouterr().out)["findings"] if each["severity"] == "error"]
    assert [(each["code"], each["cluster"]) for each in found] == [
        ("range-moved", name) for name in ("west", "east", "central")
    ]
    assert f"({shop}/plan.lock.json)" in found[0]["message"]
    assert run("plan", "check", "-f", shop, "--only", "west") == 1


def test_a_change_of_the_record_wants_a_word_from_somebody(shop: Path) -> None:
    run("plan", "check", "-f", shop, "--record")
    before = (shop / "plan.lock.json").read_text()
    text = (shop / "fleet.yaml").read_text()
    (shop / "fleet.yaml").write_text(text.replace("10.96.0.0/12", "10.112.0.0/12"))

    assert run("plan", "check", "-f", shop, "--record") == 2
    assert (shop / "plan.lock.json").read_text() == before
    assert run("plan", "check", "-f", shop, "--record", "--yes") == 0
    assert run("plan", "check", "-f", shop) == 0


def test_a_plan_with_errors_is_not_recorded(shop: Path) -> None:
    (shop / "fleet.yaml").write_text(worlds.text("west 1", "east 2"), encoding="utf-8")

    assert run("plan", "check", "-f", shop, "--record", "--yes") == 2
    assert not (shop / "plan.lock.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"format": 1}', '{"format": 2}', "\ud7ff"])
def test_a_record_that_cannot_be_read_is_told(
    text: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "plan.lock.json").write_text(text, encoding="utf-8")

    assert run("plan", "check", "-f", shop) == 2
    assert "record of the applied plan cannot be read" in capsys.readouterr().err


def kubeconfig(folder: Path, server: str) -> Path:
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "w", "cluster": {"server": server}}],
        "users": [{"name": "w", "user": {"token": "t"}}],
        "contexts": [{"name": "west", "context": {"cluster": "w", "user": "w"}}],
        "current-context": "west",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(body))
    return path


class Answers(server.BaseHTTPRequestHandler):
    """An API server that knows one ConfigMap of Cilium's and empty lists."""

    protocol_version = "HTTP/1.1"
    CILIUM = "/api/v1/namespaces/kube-system/configmaps/cilium-config"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        data = {"cluster-id": "9", "cluster-name": "west", "cluster-pool-ipv4-cidr": "10.9.0.0/16"}
        meta = {"name": "cilium-config", "namespace": "kube-system"}
        body: dict[str, object] = {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []}
        if path == self.CILIUM:
            body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": data}
        is_known = path == self.CILIUM or not path.rpartition("/")[0].endswith(
            ("configmaps", "namespaces", "services", "daemonsets", "v1beta1")
        )
        text = json.dumps(body if is_known else {"kind": "Status", "code": 404, "reason": "NotFound"})
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    with server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join(10)


def test_live_compares_what_a_cluster_says_of_itself(
    api: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(shop, api)))

    assert run("plan", "check", "-f", shop, "--live", "-o", "json") == 1

    told = [each for each in json.loads(capsys.readouterr().out)["findings"] if each["cluster"] == "west"]
    errors = {each["code"]: each for each in told if each["severity"] == "error"}
    assert set(errors) == {"cluster-id-changed", "range-moved"}
    assert "is 1 and was 9 (in the cluster that runs)" in errors["cluster-id-changed"]["message"]
    assert "were 10.9.0.0/16" in errors["range-moved"]["message"]


def test_live_says_which_clusters_are_not_there(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(shop, "https://127.0.0.1:1")))

    assert run("plan", "check", "-f", shop, "--live", "-o", "json") == 3

    told = {each["code"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert told["cluster-unreachable"]["cluster"] == "west"
    assert "east, central" in told["cluster-not-there"]["message"]
