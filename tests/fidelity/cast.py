"""The pods that every generated case is about: two clusters with the same six, in three namespaces."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Json = dict[str, Any]
CLUSTERS: Final = ("west", "east")
IMAGE: Final = "isthmus.dev/lab/busybox:v1"
NAMESPACES: Final = {
    "fid-a": {"team": "a", "env": "prod"},
    "fid-b": {"team": "b", "env": "prod"},
    "fid-c": {"team": "c", "env": "test"},
}
PODS: Final = (
    ("fid-a", "web", {"app": "web", "tier": "front"}),
    ("fid-a", "db", {"app": "db", "tier": "back"}),
    ("fid-b", "web", {"app": "web", "tier": "front"}),
    ("fid-b", "job", {"app": "job", "tier": "back"}),
    ("fid-c", "db", {"app": "db", "tier": "back"}),
    ("fid-c", "job", {"app": "job", "tier": "front"}),
)


class Door(NamedTuple):
    """A port that every pod answers on, with the name its container gives it."""

    protocol: str
    port: int
    name: str


DOORS: Final = (
    Door("tcp", 9000, "cql"),
    Door("tcp", 9100, "admin"),
    Door("udp", 9001, "gossip"),
)


def objects() -> list[tuple[str, Json]]:
    """Return (collection, object) of namespaces and pods, the same in each cluster."""
    found: list[tuple[str, Json]] = []
    for name, labels in NAMESPACES.items():
        found.append(("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}}))
    for namespace, name, labels in PODS:
        metadata = {"name": name, "labels": labels}
        containers = [
            _container("one", ["-http", ":8080", "-tcp", ":9000", "-udp", ":9001"], ("cql", "gossip")),
            _container("two", ["-http", ":8081", "-tcp", ":9100", "-udp", ":9101"], ("admin",)),
        ]
        spec = {"containers": containers, "terminationGracePeriodSeconds": 0}
        found.append((f"/api/v1/namespaces/{namespace}/pods", {"metadata": metadata, "spec": spec}))
    return found


def _container(name: str, flags: list[str], doors: tuple[str, ...]) -> Json:
    ports = [
        {"name": door.name, "containerPort": door.port, "protocol": door.protocol.upper()}
        for door in DOORS
        if door.name in doors
    ]
    return {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["probe", "serve", *flags],
        "ports": ports,
    }
