"""Folders of two clusters with an App, an intent, and whatever a test changes."""

from __future__ import annotations

import textwrap
from typing import Any

from isthmus.model import folder
from isthmus.policy.intents import compile as compiling

Json = dict[str, Any]

FLEET = """\
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {{name: shop}}
spec:
  addressing:
    pods: {{supernets: [10.0.0.0/10]}}
    services: {{supernets: [10.96.0.0/12]}}
    nodes: {{supernets: [10.64.0.0/12]}}
  network: {{cni: {cni}}}
  {mesh}
  clusters:
  - {{name: west, id: 1, nodes: 3}}
  - {{name: east, id: 2, nodes: 3}}
---
apiVersion: isthmus.dev/v1alpha1
kind: App
metadata: {{name: cassandra, namespace: data}}
spec:
  chart: {{path: charts/cassandra}}
  clusters: {{west: {{}}, east: {{}}}}
  {ports}
"""

ACCESS = """\
apiVersion: isthmus.dev/v1alpha1
kind: Access
metadata: {{name: orders, namespace: data}}
spec:
  from: {source}
  to: {to}
  allow: {allow}
"""

ORDERS = "{namespace: shop, labels: {app: orders}}"


def read(
    *,
    cni: str = "cilium",
    mesh: str = "",
    ports: str = "",
    source: str = ORDERS,
    to: str = "{app: cassandra}",
    allow: str = "[{port: 9042}]",
    with_access: bool = True,
) -> folder.Folder:
    """Return a folder; `mesh` is what stands in `mesh.istio`."""
    text = FLEET.format(
        cni=cni, mesh=f"mesh: {{istio: {mesh}}}" if mesh else "", ports=f"ports: {ports}" if ports else ""
    )
    if with_access:
        text += "---\n" + ACCESS.format(source=source, to=to, allow=allow)
    parsed = folder.parse([("shop.yaml", textwrap.dedent(text))])
    assert parsed.folder is not None, parsed.findings
    return parsed.folder


def compiled(**changes: Any) -> compiling.Compiled:
    """Return what a folder compiles to."""
    return compiling.compile(read(**changes))


def specs(found: compiling.Compiled, cluster: str, kind: str) -> dict[str, Json]:
    """Return the specs of one kind in a cluster by `namespace/name`."""
    return {
        f"{each['metadata']['namespace']}/{each['metadata']['name']}": each["spec"]
        for each in found.objects[cluster]
        if each["kind"] == kind
    }


def unheld(found: compiling.Compiled) -> list[tuple[str, str]]:
    """Return cluster and part of what nothing holds."""
    return [(each.cluster, each.part) for each in found.held if not each.holds]
