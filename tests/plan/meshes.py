"""A meshed Fleet in a few words: each section of the spec and each cluster is a line of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from isthmus.model import folder
from isthmus.network import place
from isthmus.network.mesh import limits
from isthmus.network.paths import mtu

if TYPE_CHECKING:
    from isthmus.model import finding


def text(*clusters: str, **sections: Any) -> str:
    """Return a Fleet; each cluster is its name and the rest of its flow mapping."""
    lines = ["apiVersion: isthmus.dev/v1alpha1", "kind: Fleet", "metadata: {name: shop}", "spec:"]
    lines += [f"  {name}: {json.dumps(each)}" for name, each in sections.items()]
    lines += ["  clusters:"]
    for number, each in enumerate(clusters, start=1):
        name, _, rest = each.partition(" ")
        given = "" if "id:" in rest else f", id: {number}"
        nodes = "" if "nodes:" in rest else ", nodes: 3"
        lines.append(f"  - {{name: {name}{given}{nodes}{', ' if rest else ''}{rest}}}")
    return "\n".join(lines) + "\n"


def parsed(*clusters: str, **sections: Any) -> folder.Parsed:
    """Return such a Fleet as it is read."""
    return folder.parse([("fleet.yaml", text(*clusters, **sections))])


def world(*clusters: str, **sections: Any) -> folder.Folder:
    """Return such a Fleet, which must parse."""
    found = parsed(*clusters, **sections)
    assert found.folder is not None, found.findings
    return found.folder


def paths(*clusters: str, **sections: Any) -> mtu.Paths:
    """Return the paths of such a Fleet."""
    source = world(*clusters, **sections)
    return mtu.paths(source.fleet, place.Places(source))


def judged(*clusters: str, **sections: Any) -> list[finding.Finding]:
    """Return what the limits of Cilium and Istio say of such a Fleet."""
    source = world(*clusters, **sections)
    return list(limits.findings(source, place.Places(source)))
