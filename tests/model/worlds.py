"""A folder in a few lines: documents as text, with what a test changes in them."""

from __future__ import annotations

from isthmus.model import folder

FLEET = """\
apiVersion: isthmus.dev/v1alpha1
kind: Fleet
metadata: {name: shop}
spec:
  addressing:
    pods: {supernets: [10.0.0.0/10], nodeMask: 24}
    services: {supernets: [10.96.0.0/12]}
    nodes: {supernets: [10.64.0.0/12]}
    avoid: [172.17.0.0/16]
  witness: {context: ops}
  clusters:
  - {name: west, id: 1, region: us-west4, context: gke-west, nodes: 30, podsPerNode: 110, growth: 3}
  - {name: east, id: 2, region: us-east1, context: gke-east, nodes: 30, pods: 10.8.0.0/16}
"""

APP = """\
apiVersion: isthmus.dev/v1alpha1
kind: App
metadata: {name: cassandra, namespace: data}
spec:
  serviceAccount: deployer
  chart: {path: charts/cassandra}
  values: {clusterName: shop}
  valuesFrom: [{secret: cassandra-secrets}]
  clusters:
    west: {values: {dc: west}}
    east: {values: {dc: east}, membership: optional}
  rollout:
    waves: [[west], [east]]
    gates: [ready, {bake: 2m}, approve]
    onFailure: rollback-all
    timeout: 90s
"""

ACCESS = """\
apiVersion: isthmus.dev/v1alpha1
kind: Access
metadata: {name: orders-reads, namespace: data}
spec:
  from: {namespace: shop, labels: {app: orders}, clusters: ["*"]}
  to: {app: cassandra}
  allow: [{port: 9042, cassandra: {verbs: [select], tables: [shop.orders]}}]
"""


def parse(*texts: str) -> folder.Parsed:
    """Parse documents, each from a file of its own: 1.yaml, 2.yaml, ..."""
    return folder.parse([(f"{number}.yaml", text) for number, text in enumerate(texts, start=1)])


def read(*texts: str) -> folder.Folder:
    """Parse documents that are right."""
    parsed = parse(*texts)
    assert parsed.folder is not None, parsed.findings
    return parsed.folder
