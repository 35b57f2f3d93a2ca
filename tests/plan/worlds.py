"""A Fleet in a few lines, as the document that a user would write."""

from __future__ import annotations

from isthmus.model import folder
from isthmus.network.ipam import addresses

ADDRESSING = """\
    pods: {supernets: [10.0.0.0/10], nodeMask: 24}
    services: {supernets: [10.96.0.0/12]}
    nodes: {supernets: [10.64.0.0/12]}
"""


def text(*clusters: str, addressing: str = ADDRESSING, witness: bool = False) -> str:
    """Return a Fleet; each cluster is `name id` and what its flow mapping has beside."""
    lines = ["apiVersion: isthmus.dev/v1alpha1", "kind: Fleet", "metadata: {name: shop}", "spec:"]
    lines += ["  witness: {context: ops}"] if witness else []
    lines += ["  addressing:", addressing.rstrip()] if addressing else []
    lines += ["  clusters:"]
    for each in clusters:
        name, number, *rest = each.split(" ", 2)
        more = f", {rest[0]}" if rest else ""
        nodes = "" if "nodes:" in more else ", nodes: 3"
        lines.append(f"  - {{name: {name}, id: {number}, context: {name}{nodes}{more}}}")
    return "\n".join(lines) + "\n"


def plan(*clusters: str, addressing: str = ADDRESSING, witness: bool = False) -> addresses.Addresses:
    """Plan a Fleet that parses."""
    parsed = folder.parse([("fleet.yaml", text(*clusters, addressing=addressing, witness=witness))])
    assert parsed.folder is not None, parsed.findings
    return addresses.plan(parsed.folder)


def told(planned: addresses.Addresses) -> list[str]:
    """Return the codes of the findings, those apart that every small Fleet has."""
    common = {"ranges-not-pinned", "two-voters", "even-voters"}
    return [each.code for each in planned.findings if each.code not in common]
