"""The nodes of the profile `control`: fake ones, which kwok plays.

They are objects and nothing else; no process is theirs alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.lab import objects, place, stages

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.lab import server, spec


class Fakes:
    """The fake nodes of one cluster."""

    names: tuple[str, ...] = ()

    def __init__(self, cluster: spec.ClusterSpec, index: int, folder: Path) -> None:
        self._cluster = cluster
        self._index = index
        self._folder = folder

    def write(self) -> None:
        """Write what kwok shall do; it reads YAML documents one by one, and a JSON object is one."""
        place.write_json_stream(self._folder / "stages.yaml", stages.documents())

    def start(self, name: str) -> bool:
        """Start nothing: no name is ours."""
        return name in self.names

    def rights(self) -> list[tuple[str, objects.Json]]:
        """Return what kwok may do."""
        return objects.kwok_rights()

    def objects(self) -> list[tuple[str, objects.Json]]:
        """Return the storage class, and the nodes."""
        return [*objects.storage(), *objects.nodes(self._cluster, self._index)]

    def admit(self) -> None:
        """Do nothing: kwok finds the nodes by itself."""

    def are_up(self, api: server.Api) -> bool:
        """Say whether every node is ready and takes pods."""
        if self._cluster.is_witness:
            return True
        nodes = api.get("/api/v1/nodes?resourceVersion=0")
        return nodes is not None and all(_is_ready(node) for node in nodes["items"])


def _is_ready(node: objects.Json) -> bool:
    conditions = node["status"].get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not node["spec"].get("taints")
