"""What intents come to, judged by the engine that judges all policies: what is meant passes, nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.model import errors
from isthmus.policy import world
from isthmus.policy.manifests import cluster as clusters
from isthmus.policy.manifests import enforcers
from isthmus.policy.verdict import answer, judge, question
from tests.policy.intents import folders

ALLOW, DENY = answer.Word.ALLOW, answer.Word.DENY


def pod(namespace: str, name: str, labels: dict[str, str], account: str = "default") -> world.Object:
    return world.Object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"serviceAccountName": account, "containers": [{"name": "main", "image": "main"}]},
        }
    )


PODS = (
    pod("shop", "orders", {"app": "orders"}, "orders"),
    pod("shop", "other", {"app": "other"}),
    pod("else", "orders", {"app": "orders"}),
    pod("data", "db", {"app.kubernetes.io/instance": "cassandra"}),
    pod("data", "tool", {"app": "tool"}),
    pod("kube-system", "dns", {"k8s-app": "kube-dns"}),
)


def court(**changes: Any) -> judge.Judge:
    """Return a judge over two clusters that have the same pods, and what the intents come to."""
    compiled = folders.compiled(**changes)
    objects = {name: (*PODS, *map(world.Object, found)) for name, found in compiled.objects.items()}
    version = (1, 20) if changes.get("cni", "cilium") == "cilium" else None
    settings = {name: enforcers.settings(name, found, version) for name, found in objects.items()}
    return judge.Judge(clusters.read(objects, settings)[0])


def verdict(known: judge.Judge, source: str, destination: str, port: int = 9042, **more: Any) -> answer.Word:
    asked = question.read({"from": source, "to": destination, "port": port, **more})
    return known.ask(asked).verdict


MEANT: list[tuple[str, dict[str, Any], list[tuple[str, str, int, answer.Word]]]] = [
    (
        "labels in all clusters",
        {},
        [
            ("west:shop/orders", "west:data/db", 9042, ALLOW),
            ("west:shop/orders", "east:data/db", 9042, ALLOW),
            ("west:shop/orders", "west:data/db", 9043, DENY),
            ("west:shop/other", "west:data/db", 9042, DENY),
            ("west:else/orders", "west:data/db", 9042, DENY),
            ("west:shop/orders", "west:data/tool", 9042, DENY),
            ("192.0.2.1", "west:data/db", 9042, DENY),
            ("west:shop/orders", "west:shop/other", 80, ALLOW),
            ("west:data/db", "192.0.2.1", 443, DENY),
        ],
    ),
    (
        "labels in one cluster",
        {"source": "{namespace: shop, labels: {app: orders}, clusters: [west]}"},
        [
            ("west:shop/orders", "east:data/db", 9042, ALLOW),
            ("east:shop/orders", "east:data/db", 9042, DENY),
        ],
    ),
    (
        "an account",
        {"source": "{namespace: shop, serviceAccount: orders}"},
        [
            ("west:shop/orders", "west:data/db", 9042, ALLOW),
            ("west:shop/other", "west:data/db", 9042, DENY),
        ],
    ),
    (
        "ranges outside",
        {"source": "{addresses: [192.0.2.0/24]}"},
        [
            ("192.0.2.7", "west:data/db", 9042, ALLOW),
            ("198.51.100.7", "west:data/db", 9042, DENY),
        ],
    ),
    (
        "the App's own pods",
        {"ports": "[{port: 7000, purpose: internode}]", "with_access": False},
        [
            ("west:data/db", "east:data/db", 7000, ALLOW),
            ("west:data/tool", "west:data/db", 7000, DENY),
            ("west:data/db", "west:kube-system/dns", 53, ALLOW),
            ("west:data/db", "east:kube-system/dns", 53, DENY),
        ],
    ),
    (
        "Kubernetes alone, in the own cluster",
        {"cni": "none"},
        [
            ("west:shop/orders", "west:data/db", 9042, ALLOW),
            ("west:shop/other", "west:data/db", 9042, DENY),
            ("192.0.2.1", "west:data/db", 9042, DENY),
            ("west:data/db", "192.0.2.1", 443, DENY),
            ("west:data/db", "west:kube-system/dns", 53, ALLOW),
        ],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [case[1:] for case in MEANT], ids=[c[0] for c in MEANT])
def test_what_is_meant_passes_and_nothing_else(
    changes: dict[str, Any], expected: list[tuple[str, str, int, answer.Word]]
) -> None:
    known = court(**changes)

    def protocol(port: int) -> str:
        return "udp" if port == 53 else "tcp"

    told = [
        (source, destination, port, verdict(known, source, destination, port, protocol=protocol(port)))
        for source, destination, port, _ in expected
    ]
    assert told == expected


def test_names_outside_are_reached_by_the_addresses_that_dns_gave() -> None:
    known = court(source="{app: cassandra}", to="{names: [s3.example]}", allow="[{port: 443}]")

    asked = {"ip": "192.0.2.1", "fqdn": "s3.example"}
    other = {"ip": "192.0.2.2", "fqdn": "evil.example"}
    assert verdict(known, "west:data/db", asked, 443) is ALLOW  # type: ignore[arg-type]  # as JSON has it
    assert verdict(known, "west:data/db", other, 443) is DENY  # type: ignore[arg-type]  # same


def test_requests_are_held_where_cilium_reads_them() -> None:
    known = court(allow="[{port: 80, http: [{method: GET, path: /items*}]}]")

    def asked(method: str, path: str) -> answer.Word:
        http = {"method": method, "path": path}
        return verdict(known, "west:shop/orders", "east:data/db", 80, http=http)

    assert [asked("GET", "/items/7"), asked("POST", "/items/7"), asked("GET", "/admin")] == [
        ALLOW,
        DENY,
        DENY,
    ]


def test_a_question_about_nobody_says_who_there_is() -> None:
    with pytest.raises(errors.InputError, match="shop/ordrs"):
        verdict(court(), "west:shop/ordrs", "west:data/db")
