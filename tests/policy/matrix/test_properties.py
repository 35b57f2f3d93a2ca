"""What holds of every matrix: allows open, denies close, and the order of documents means nothing."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from isthmus.policy import labels, ports, rule, world
from isthmus.policy.kubernetes import rules
from isthmus.policy.manifests import cluster
from isthmus.policy.reach import matrix
from tests.policy.matrix import choices

Pairs = dict[tuple[int, int], ports.Ports]


def pairs(made: matrix.Matrix) -> Pairs:
    return {
        (source, destination): held
        for block in made.blocks()
        for source in block.sources
        for held, there in block.destinations.items()
        for destination in labels.places(there)
    }


def of(pods: list[world.Endpoint], mode: world.Settings, held: rule.Rules, beside: rule.Rules) -> Pairs:
    """Return the matrix of two clusters with the same rules; `beside` keeps its places apart alike."""
    each = {name: dataclasses.replace(mode, cluster=name) for name in choices.CLUSTERS}
    made = matrix.Matrix(
        world.World(each, tuple(pods)), dict.fromkeys(choices.CLUSTERS, held), beside=[beside]
    )
    return pairs(made)


def is_within(inner: Pairs, outer: Pairs) -> bool:
    return all(
        not ports.difference(held, outer.get(ends, ports.NONE)).intervals for ends, held in inner.items()
    )


@settings(max_examples=50, deadline=None)
@given(some.lists(choices.endpoints(), max_size=5), choices.enforcers, choices.books, choices.rules)
def test_one_more_allow_never_closes_and_one_more_deny_never_opens(
    pods: list[world.Endpoint], mode: world.Settings, held: rule.Rules, more: rule.Rule
) -> None:
    for action in (rule.Action.ALLOW, rule.Action.DENY):
        added = rule.Rules((dataclasses.replace(more, action=action),))
        before, after = of(pods, mode, held, added), of(pods, mode, held + added, added)
        assert is_within(before, after) if action is rule.Action.ALLOW else is_within(after, before)


@settings(max_examples=50, deadline=None)
@given(some.lists(choices.endpoints(), max_size=5), choices.enforcers, choices.books, some.integers(0, 99))
def test_the_order_of_rules_means_nothing(
    pods: list[world.Endpoint], mode: world.Settings, held: rule.Rules, seed: int
) -> None:
    mixed = random.Random(seed).sample(held.rules, len(held.rules))  # noqa: S311  # nothing secret
    assert of(pods, mode, held, held) == of(pods, mode, rule.Rules(tuple(mixed), held.isolations), held)


def document(kind: str, name: str, spec: dict[str, Any]) -> world.Object:
    groups = {
        "NetworkPolicy": "networking.k8s.io/v1",
        "ClusterNetworkPolicy": "policy.networking.k8s.io/v1alpha2",
        "Deployment": "apps/v1",
    }
    metadata = {"name": name, "namespace": "a"}
    return world.Object({"apiVersion": groups[kind], "kind": kind, "metadata": metadata, "spec": spec})


def deployment(app: str) -> world.Object:
    held = {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c"}]}}
    return document("Deployment", app, {"template": held})


def network(app: str, peer: str) -> dict[str, Any]:
    peers = [{"podSelector": {"matchLabels": {"app": peer}}}]
    return {"podSelector": {"matchLabels": {"app": app}}, "ingress": [{"from": peers}]}


def guard(priority: int, action: str, peer: str) -> dict[str, Any]:
    peers = [{"pods": {"podSelector": {"matchLabels": {"app": peer}}}}]
    subject: dict[str, Any] = {"namespaces": {}}
    return {
        "tier": "Admin",
        "priority": priority,
        "subject": subject,
        "ingress": [{"action": action, "from": peers}],
    }


apps = some.sampled_from(choices.APPS)
policies = some.lists(
    some.one_of(
        some.builds(network, apps, apps).map(lambda spec: ("NetworkPolicy", spec)),
        some.builds(guard, some.integers(0, 2), some.sampled_from(["Accept", "Deny", "Pass"]), apps).map(
            lambda spec: ("ClusterNetworkPolicy", spec)
        ),
    ),
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(policies, some.randoms())
def test_the_order_of_documents_means_nothing(
    found: list[tuple[str, dict[str, Any]]], dice: random.Random
) -> None:
    objects = [deployment(app) for app in choices.APPS]
    objects += [document(kind, f"p{number}", spec) for number, (kind, spec) in enumerate(found)]

    def rows(given: list[world.Object]) -> set[matrix.Row]:
        known, _ = cluster.read({"c": given}, {})
        return set(matrix.Matrix(known, {"c": rules.read(known.policies["c"], known.settings["c"])}).rows())

    expected = rows(objects)
    dice.shuffle(objects)
    assert rows(objects) == expected
