"""Makes manifests of many workloads and policies, the same each time, and worlds of many pods."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.policy import labels, ports, world

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20261128
TIERS = ("web", "api", "worker", "db")
CLUSTER = "bench"


def write(folder: Path, *, workloads: int, policies: int, namespaces: int) -> Path:
    """Write one file of manifests for each namespace and return the folder."""
    dice = random.Random(SEED)  # noqa: S311  # nothing secret
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(namespaces):
        name = f"team-{number:02}"
        documents: list[dict[str, Any]] = [_namespace(name, number)]
        documents += [_deployment(name, each) for each in range(number, workloads, namespaces)]
        documents += [_policy(dice, name, each, namespaces) for each in range(number, policies, namespaces)]
        text = yaml.safe_dump_all(documents, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def _namespace(name: str, number: int) -> dict[str, Any]:
    labels = {
        "kubernetes.io/metadata.name": name,
        "env": ("prod", "test")[number % 2],
        "zone": f"z{number % 5}",
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _deployment(namespace: str, number: int) -> dict[str, Any]:
    labels = {"app": f"app-{number}", "tier": TIERS[number % len(TIERS)], "part-of": f"shop-{number % 30}"}
    container = {
        "name": "main",
        "image": f"registry.example/app-{number}:1.0",
        "ports": [{"name": "http", "containerPort": 8080 + number % 3}, {"containerPort": 9090}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{number}", "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": f"app-{number}"}},
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}},
        },
    }


def _policy(
    dice: random.Random, namespace: str, number: int, namespaces: int, apps: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return one policy; `apps` are those of its namespace, where policies are to speak of single ones."""
    spec: dict[str, Any] = {"podSelector": dice.choice([{}, _tier(dice), _tier(dice), *_app(dice, apps)])}
    rules = [{side: [_peer(dice, namespaces, apps)], "ports": _ports(dice)} for side in ("from", "to")]
    spec["policyTypes"] = dice.choice([["Ingress"], ["Ingress", "Egress"]])
    spec["ingress"] = [rules[0]]
    if "Egress" in spec["policyTypes"]:
        spec["egress"] = [rules[1]]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"policy-{number}", "namespace": namespace},
        "spec": spec,
    }


def _tier(dice: random.Random) -> dict[str, Any]:
    return {"matchLabels": {"tier": dice.choice(TIERS)}}


def _app(dice: random.Random, apps: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return two selectors of single apps, so that half of all choices are such; none without apps."""
    return [{"matchLabels": {"app": dice.choice(apps)}} for _ in range(3)] if apps else []


def _peer(dice: random.Random, namespaces: int, apps: tuple[str, ...]) -> dict[str, Any]:
    kind = dice.randrange(5)
    if kind == 0:
        octet = dice.randrange(1, 200)
        return {"ipBlock": {"cidr": f"{octet}.0.0.0/8", "except": [f"{octet}.{dice.randrange(256)}.0.0/16"]}}
    if kind == 1:
        return {"namespaceSelector": {"matchLabels": {"env": dice.choice(["prod", "test"])}}}
    if kind == 2:
        team = {"matchLabels": {"kubernetes.io/metadata.name": f"team-{dice.randrange(namespaces):02}"}}
        return {"namespaceSelector": team, "podSelector": _tier(dice)}
    if kind == 3:
        return {"namespaceSelector": {}}
    some = {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}]}
    return {"podSelector": dice.choice([some, *_app(dice, apps)])}


def _ports(dice: random.Random) -> list[dict[str, Any]]:
    return dice.choice(
        [
            [{"port": 8080, "protocol": "TCP"}],
            [{"port": "http", "protocol": "TCP"}],
            [{"port": 9000, "endPort": 9100, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
        ]
    )


def world_of(*, pods: int, distinct: int, policies: int) -> world.World:
    """Return a world of many pods with so many distinct sets of labels, and so many policies' objects."""
    dice = random.Random(SEED)  # noqa: S311  # nothing secret
    namespaces = distinct // 20
    held: list[dict[str, str]] = []
    for number in range(distinct):
        space = f"team-{number % namespaces}"
        held.append(
            {
                "app": f"app-{number}",
                "tier": TIERS[number // namespaces % len(TIERS)],
                labels.NAMESPACE: space,
                labels.CLUSTER: CLUSTER,
                f"{labels.NAMESPACE_LABEL}kubernetes.io/metadata.name": space,
                f"{labels.NAMESPACE_LABEL}env": ("prod", "test")[number % namespaces % 2],
            }
        )
    names = {ports.Named(ports.Protocol.TCP, "http"): 8080}
    endpoints = tuple(
        world.Endpoint(
            CLUSTER,
            held[number % distinct][labels.NAMESPACE],
            f"app-{number % distinct}-{number // distinct}",
            "Pod",
            held[number % distinct],
            names=names,
        )
        for number in range(pods)
    )
    objects = tuple(
        world.Object(
            _policy(
                dice,
                f"team-{number % namespaces}",
                number,
                min(namespaces, 90),
                tuple(f"app-{app}" for app in range(number % namespaces, distinct, namespaces)),
            )
        )
        for number in range(policies)
    )
    settings = {CLUSTER: world.Settings(cluster=CLUSTER)}
    return world.World(settings, endpoints, (), {CLUSTER: objects})
