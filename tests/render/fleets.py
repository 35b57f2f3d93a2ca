"""Fleets to draw: three clusters with everything stated, sixty in four clouds, one for every id."""

from __future__ import annotations

from isthmus.model import folder
from isthmus.network import plan as plans

HEAD = """\
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {name: shop}
spec:
  addressing:
    pods: {supernets: [10.0.0.0/10], nodeMask: 24}
    services: {supernets: [10.96.0.0/12], mask: 22}
    nodes: {supernets: [10.64.0.0/12]}
    avoid: [10.2.0.0/16]
"""
SHOP = (
    HEAD
    + """\
  paths:
  - {between: [us-west4, us-east1], mtu: 1460, latency: 60ms}
  - {between: [us-west4, europe-west1], mtu: 1400, latency: 140ms}
  - {between: [us-east1, europe-west1], mtu: 1460, latency: 90ms}
  teams:
  - {name: network, owns: [addressing, datapath, firewall]}
  - {name: ops, owns: [clusters, mesh, teams]}
  clusters:
  - {name: west, id: 1, region: us-west4, provider: gcp, nodes: 30, growth: 3}
  - {name: east, id: 2, region: us-east1, provider: gcp, nodes: 30, pods: 10.8.0.0/16}
  - {name: paris, id: 3, region: europe-west1, provider: gcp, nodes: 12, growth: 2}
"""
)
CLOUDS = {
    "gcp": ["us-west4", "us-east1", "europe-west1", "asia-east1"],
    "aws": ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1"],
    "azure": ["eastus", "westeurope", "northeurope"],
    "alibabacloud": ["cn-hangzhou", "cn-beijing", "ap-southeast-1"],
}


def planned(text: str) -> tuple[plans.Plan, folder.Folder]:
    """Return the plan of a Fleet that parses, and its folder."""
    parsed = folder.parse([("fleet.yaml", text)])
    assert parsed.folder is not None, parsed.findings
    return plans.plan(parsed.folder), parsed.folder


def sixty() -> str:
    """Return fifteen clusters in each of four clouds, of several sizes."""
    lines: list[str] = []
    for cloud, regions in CLOUDS.items():
        for number in range(15):
            region = regions[number % len(regions)]
            name = f"{cloud[:3]}-{region}-{number // len(regions) + 1}"
            nodes, growth = (6, 12, 30, 60)[number % 4], (1, 2, 3)[number % 3]
            lines.append(
                f"  - {{name: {name}, id: {len(lines) + 1}, region: {region}, provider: {cloud},"
                f" account: {cloud}-{number % 3}, owner: payments, nodes: {nodes}, growth: {growth}}}"
            )
    return HEAD + "  clusters:\n" + "\n".join(lines) + "\n"


def all_ids() -> str:
    """Return a cluster for every id, in forty regions of four clouds."""
    lines = [
        f"  - {{name: c{number}, id: {number}, region: r{number % 40},"
        f" provider: {list(CLOUDS)[number % 4]}, nodes: 10, growth: 2}}"
        for number in range(1, 512)
    ]
    return HEAD + "  network: {maxConnectedClusters: 511}\n  clusters:\n" + "\n".join(lines) + "\n"
