"""Recorded flows of Hubble: replayed against policies, and made into intents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from inline_snapshot import snapshot

from isthmus.cli import main

if TYPE_CHECKING:
    from pathlib import Path

FLEET = """\
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {name: shop}
spec:
  addressing:
    pods: {supernets: [10.0.0.0/10]}
    services: {supernets: [10.96.0.0/12]}
    nodes: {supernets: [10.64.0.0/12]}
  network: {cni: cilium}
  clusters: [{name: west, id: 1, nodes: 3}, {name: east, id: 2, nodes: 3}]
---
apiVersion: isthmus.dev/v1alpha1
kind: App
metadata: {name: db, namespace: data}
spec: {chart: {path: charts/db}, clusters: {west: {}, east: {}}}
"""
WORLD = {"identity": 2, "labels": ["reserved:world"]}
HOST = {"identity": 1, "labels": ["reserved:host"]}


def end(namespace: str, app: str, cluster: str = "west") -> dict[str, Any]:
    """Return a pod as Hubble tells of it."""
    flat = {"app": app, "io.kubernetes.pod.namespace": namespace, "io.cilium.k8s.policy.cluster": cluster}
    return {
        "ID": 7,
        "identity": 4711,
        "cluster_name": cluster,
        "namespace": namespace,
        "labels": [f"k8s:{key}={value}" for key, value in flat.items()],
        "pod_name": f"{app}-0",
        "workloads": [{"name": app, "kind": "Deployment"}],
    }


def flow(source: dict[str, Any], destination: dict[str, Any], port: int, **more: Any) -> dict[str, Any]:
    """Return a flow as Hubble's exporter writes it."""
    return {
        "flow": {
            "verdict": "FORWARDED",
            "IP": {"source": "10.0.0.1", "destination": "10.0.0.2", "ipVersion": "IPv4"},
            "l4": {"TCP": {"source_port": 40000, "destination_port": port, "flags": {"SYN": True}}},
            "source": source,
            "destination": destination,
            "Type": "L3_L4",
            "is_reply": False,
            **more,
        },
        "node_name": "west/node",
    }


ORDERS, BATCH, DB = end("shop", "orders"), end("shop", "batch", "east"), end("data", "db")
FLOWS = [
    *[flow(ORDERS, DB, 9042)] * 3,
    *[flow(BATCH, DB, 9042)] * 2,
    flow(DB, ORDERS, 40000, is_reply=True),
    flow(DB, WORLD, 443, destination_names=["s3.example"]),
    flow(end("shop", "spy"), DB, 9042, verdict="DROPPED", drop_reason_desc="POLICY_DENIED"),
    flow(HOST, DB, 8080),
]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A file of flows."""
    file = tmp_path / "flows.jsonl"
    file.write_text("\n".join(map(json.dumps, FLOWS)), encoding="utf-8")
    return file


def run(*args: object) -> int:
    return main.main(["access", *(str(each) for each in args)])


def test_the_least_intents_are_written_with_what_they_leave_out(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("recommend", "--flows", recorded) == 0
    told = capsys.readouterr()

    assert [each["spec"] for each in yaml.safe_load_all(told.out)] == snapshot(
        [
            {
                "from": {"namespace": "data", "labels": {"app": "db"}, "clusters": ["west"]},
                "to": {"names": ["s3.example"]},
                "allow": [{"port": 443}],
            },
            {
                "from": {"namespace": "shop", "labels": {"app": "batch"}, "clusters": ["east"]},
                "to": {"namespace": "data", "labels": {"app": "db"}, "clusters": ["west"]},
                "allow": [{"port": 9042}],
            },
            {
                "from": {"namespace": "shop", "labels": {"app": "orders"}, "clusters": ["west"]},
                "to": {"namespace": "data", "labels": {"app": "db"}, "clusters": ["west"]},
                "allow": [{"port": 9042}],
            },
        ]
    )
    assert told.err == snapshot("""\
3 intents cover 6 of 7 flows (85.7 %)
left out: 1 × one end is a node, a health check or another part of the cluster itself, such as
reserved:host → data/db[Deployment] 8080
""")


def test_the_user_says_how_far_an_intent_generalises(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("recommend", "--flows", recorded, "--by", "namespace", "--any-cluster") == 0
    found = [each["spec"] for each in yaml.safe_load_all(capsys.readouterr().out)]

    assert {"from": {"namespace": "shop"}, "to": {"namespace": "data"}, "allow": [{"port": 9042}]} in found
    assert len(found) == 2


def test_what_is_recommended_drops_none_of_what_it_was_made_from(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    before = run("simulate", "--flows", recorded, "-f", folder, "--exit-code")
    capsys.readouterr()
    run("recommend", "--flows", recorded)
    (folder / "access.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    after = run("simulate", "--flows", recorded, "-f", folder, "--exit-code")

    assert (before, after) == (1, 0)


def test_a_replay_says_what_would_be_dropped_by_whom_and_how_often(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy,"
        " metadata: {name: only-orders, namespace: data},"
        " spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels:"
        " {k8s:io.kubernetes.pod.namespace: shop, app: orders}}]}]}}",
        encoding="utf-8",
    )

    assert run("simulate", "--flows", recorded, "--manifests", policy) == 0
    assert capsys.readouterr().out == snapshot("""\
2 × east:shop/batch[Deployment] → west:data/db[Deployment] TCP 9042: would be dropped
  CiliumNetworkPolicy data/only-orders isolates the ingress of west:data/db[Deployment], and no rule
  allows TCP 9042 from east:shop/batch[Deployment]
to blame for drops: CiliumNetworkPolicy data/only-orders (2)
8 flows of 5 kinds: 2 would be dropped, 0 let through
""")


def test_a_line_that_is_no_flow_exits_2_with_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "flows.jsonl"
    file.write_text(json.dumps(FLOWS[0]) + "\n{}\n", encoding="utf-8")

    assert run("recommend", "--flows", file) == 2
    assert "line 2 is no flow" in capsys.readouterr().err
