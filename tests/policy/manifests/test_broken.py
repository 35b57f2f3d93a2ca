"""Manifests of any shape: what cannot be read is told with its place, and never stops the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from isthmus.policy import world
from isthmus.policy.kubernetes import rules
from isthmus.policy.manifests import cluster, text
from isthmus.policy.reach import matrix

GOOD = "apiVersion: v1\nkind: Pod\nmetadata: {name: good}\nspec: {}\n---\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
BROKEN = {
    "a: [1": "yaml-syntax",
    "- a": "manifest-shape",
    "apiVersion: v1": "manifest-shape",
    "apiVersion: v1\nkind: Pod": "manifest-shape",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: 7}": "manifest-shape",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: 7}": "manifest-shape",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {x: 1}}": "manifest-shape",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: [x]}": "manifest-shape",
    f"{POD}spec: {{containers: {{name: c}}}}": "manifest-shape",
    f"{POD}spec: {{containers: [{{ports: [{{containerPort: x}}]}}]}}": "manifest-shape",
    f"{POD}status: {{podIP: nowhere}}": "manifest-shape",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: good}\nspec: {}": "manifest-duplicate",
    "apiVersion: v1\nkind: PodList\nitems: {}": "manifest-shape",
    "apiVersion: v1\nkind: List\nitems: [7]": "manifest-shape",
    "apiVersion: v1\nkind: List\nitems: [{metadata: {name: a}}]": "manifest-shape",
    f"{SERVICE}spec: {{ports: [{{port: 0}}]}}": "manifest-shape",
    f"{SERVICE}spec: {{ports: [{{port: 1, protocol: icmp}}]}}": "manifest-shape",
}


@pytest.mark.parametrize("document", BROKEN)
def test_a_broken_document_is_told_with_its_line_and_hides_no_other(document: str) -> None:
    objects, told = text.objects([("all.yaml", GOOD + document)])
    known, found = cluster.read({"c": objects}, {})
    assert [each.title for each in known.endpoints][:1] == ["default/good[Pod]"]
    assert [(each.code, each.file) for each in (*told, *found)] == [(BROKEN[document], "all.yaml")]
    assert (told or found)[0].line == 6


KEYS = (
    *("metadata", "name", "namespace", "labels", "spec", "template", "podSelector", "matchLabels", "ingress"),
    *("matchExpressions", "key", "operator", "values", "from", "to", "ports", "port", "protocol", "endPort"),
    *(
        "ipBlock",
        "cidr",
        "except",
        "policyTypes",
        "subject",
        "namespaces",
        "pods",
        "action",
        "priority",
        "egress",
    ),
    *("tier", "networks", "nodes", "protocols", "tcp", "destinationPort", "range", "start", "end", "status"),
    *("containers", "containerPort", "selector", "ownerReferences", "items", "backend", "service", "rules"),
    *("namespaceSelector", "portNumber", "namedPort", "portRange", "domainNames", "addresses", "podIPs"),
)
VALUES = ("a", "In", "Exists", "TCP", "10.0.0.0/8", "Ingress", "Deny", "Pass", "Admin", "", "*.a.example")
KINDS = {
    "v1": ["Pod", "Service", "Namespace", "Node", "Endpoints", "List", "PodList"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "batch/v1": ["CronJob"],
    "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
    "policy.networking.k8s.io/v1alpha1": ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"],
    "policy.networking.k8s.io/v1alpha2": ["ClusterNetworkPolicy"],
}
leaves = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-1, 70_000),
    some.floats(allow_nan=False),
    some.sampled_from(VALUES),
)
trees = some.recursive(
    leaves,
    lambda below: some.one_of(
        some.lists(below, max_size=3), some.dictionaries(some.sampled_from(KEYS), below, max_size=4)
    ),
    max_leaves=25,
)
documents = some.builds(
    lambda kind, named, parts: {
        "apiVersion": kind[0],
        "kind": kind[1],
        **parts,
        **({"metadata": {"name": "a"}} if named else {}),
    },
    some.sampled_from([(group, kind) for group, kinds in KINDS.items() for kind in kinds]),
    some.booleans(),
    some.dictionaries(
        some.sampled_from(["metadata", "spec", "status", "items", "subsets"]), trees, max_size=4
    ),
)


@settings(max_examples=200, deadline=None)
@given(some.lists(documents, max_size=3))
def test_no_shape_of_a_document_is_too_odd(found: list[dict[str, Any]]) -> None:
    objects = [world.Object(each, "any.yaml", 1) for each in found]
    known, told = cluster.read({"c": objects}, {})
    read = rules.read(known.policies["c"], known.settings["c"])
    made = matrix.Matrix(known, {"c": read})
    list(made.rows())
    for each in (*told, *read.findings, *made.findings):
        assert each.message
        assert each.remedy
        assert each.file == "any.yaml"
