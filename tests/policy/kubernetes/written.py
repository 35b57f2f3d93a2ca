"""Policies of Kubernetes written in a line of YAML, read into rules."""

from __future__ import annotations

from typing import Any

from isthmus.model import source
from isthmus.policy import decide, labels, ports, rule, world
from isthmus.policy.kubernetes import rules

HERE = world.Settings(cluster="c")
TCP = ports.Protocol.TCP
VERSIONS = {
    "NetworkPolicy": "networking.k8s.io/v1",
    "ClusterNetworkPolicy": "policy.networking.k8s.io/v1alpha2",
    "AdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
    "BaselineAdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
}


def data(text: str) -> Any:
    """Return the data of a line of YAML."""
    documents, told = source.read("p.yaml", text)
    assert not told
    return documents[0].data


def policy(kind: str, spec: str, name: str = "p") -> world.Object:
    """Return a policy in namespace `a`, or of the whole cluster."""
    metadata = {"name": name} | ({"namespace": "a"} if kind == "NetworkPolicy" else {})
    found = {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata, "spec": data(spec)}
    return world.Object(found, "p.yaml", 3)


def read(*objects: world.Object, settings: world.Settings = HERE) -> rule.Rules:
    """Return the rules of policies."""
    return rules.read(objects, settings)


def pod(title: str, *, cluster: str = "c", address: int | None = None, **own: str) -> world.Endpoint:
    """Return a pod `namespace/name`; its namespace has a label `team` of the same value."""
    namespace, _, name = title.partition("/")
    held = {
        **own,
        labels.NAMESPACE: namespace,
        labels.CLUSTER: cluster,
        f"{labels.NAMESPACE_LABEL}team": namespace,
    }
    addresses = () if address is None else (address,)
    return world.Endpoint(cluster, namespace, name, "Pod", held, addresses)


def node(address: int) -> world.Endpoint:
    """Return a node with a label `rack: r1`."""
    held = {"reserved:remote-node": "", "rack": "r1", labels.CLUSTER: "c"}
    return world.Endpoint("c", None, "w", "Node", held, (address,), is_managed=False)


def outside(address: int) -> world.Endpoint:
    """Return an address outside."""
    return world.Endpoint("", None, "out", "Address", {"reserved:world": ""}, (address,), is_managed=False)


def is_sent(
    found: rule.Rules,
    source: world.Endpoint,
    destination: world.Endpoint,
    port: int = 80,
    settings: world.Settings = HERE,
) -> bool:
    """Say whether the egress of the source lets TCP through."""
    ask = decide.Ask(source, destination, TCP, port)
    return decide.Book(settings, found).decide(rule.Direction.EGRESS, ask).is_allowed


def is_taken(
    found: rule.Rules,
    source: world.Endpoint,
    destination: world.Endpoint,
    port: int = 80,
    settings: world.Settings = HERE,
) -> bool:
    """Say whether the ingress of the destination lets TCP through."""
    ask = decide.Ask(source, destination, TCP, port)
    return decide.Book(settings, found).decide(rule.Direction.INGRESS, ask).is_allowed
