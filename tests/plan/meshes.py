"""A meshed Fleet in a few words: each section of the spec and each cluster is a line of its own."""

from __future__ import annotations

import json
from typing import Any

from isthmus.model import folder
from isthmus.network import mtu, place


def world(*clusters: str, **sections: Any) -> folder.Folder:
    """Return a Fleet that parses; each cluster is its name and the rest of its flow mapping."""
    lines = ["apiVersion: isthmus.dev/v1alpha1", "kind: Fleet", "metadata: {name: shop}", "spec:"]
    lines += [f"  {name}: {json.dumps(each)}" for name, each in sections.items()]
    lines += ["  clusters:"]
    for number, each in enumerate(clusters, start=1):
        name, _, rest = each.partition(" ")
        given = "" if "id:" in rest else f", id: {number}"
        nodes = "" if "nodes:" in rest else ", nodes: 3"
        lines.append(f"  - {{name: {name}{given}{nodes}{', ' if rest else ''}{rest}}}")
    parsed = folder.parse([("fleet.yaml", "\n".join(lines) + "\n")])
    assert parsed.folder is not None, parsed.findings
    return parsed.folder


def paths(*clusters: str, **sections: Any) -> mtu.Paths:
    """Return the paths of such a Fleet."""
    source = world(*clusters, **sections)
    return mtu.paths(source.fleet, place.Places(source))
