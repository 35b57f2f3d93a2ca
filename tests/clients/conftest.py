"""Real API servers, a real helm and a small chart for the tests of `clients`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.clients import helm, kinds, kube, kubeconfig
from isthmus.lab import binaries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from isthmus.lab import labs

CHART = {
    "Chart.yaml": "{apiVersion: v2, name: small, version: 1.2.3, appVersion: '9'}\n",
    "values.yaml": "{color: red, secret: '', replicas: 1, hook: ''}\n",
    "values.schema.json": '{"properties": {"replicas": {"type": "integer"}}}\n',
    "templates/objects.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {color: {{ .Values.color | quote }}}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
stringData: {password: {{ .Values.secret | quote }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: small}}
  template:
    metadata: {labels: {app: small}}
    spec:
      nodeSelector: {nowhere: "true"}
      containers: [{name: main, image: none}]
""",
    "templates/hook.yaml": """\
{{- if .Values.hook }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hook
  annotations: {helm.sh/hook: "pre-upgrade,pre-install"}
spec:
  suspend: true
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: none}]}}
{{- end }}
""",
}


def config_of(lab: labs.Lab, cluster: str = "west") -> Any:
    """Return lightkube's configuration of one cluster, as its admin."""
    context = lab.clusters[cluster].context
    return kubeconfig.load([lab.kubeconfig_path]).get(context)


def quick(name: str, config: Any, **options: Any) -> kube.Cluster:
    """Return a cluster that gives up after one short try."""
    return kube.Cluster(name, config, **{"timeout": 2.0, "retry": kube.Retry(attempts=1), **options})


@pytest.fixture
async def west(lab: labs.Lab) -> AsyncIterator[kube.Cluster]:
    async with kube.Cluster("west", config_of(lab)) as cluster:
        yield cluster


@pytest.fixture
def access(lab: labs.Lab) -> helm.Access:
    return helm.Access(cluster="west", kubeconfig=kubeconfig.document(config_of(lab)))


@pytest.fixture
def config_map(namespace: str) -> Callable[..., dict[str, Any]]:
    def make(name: str = "one", **data: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": data,
        }

    return make


@pytest.fixture
async def binary() -> helm.Helm:
    if not os.environ.get("ISTHMUS_HELM"):
        found = binaries.find("helm")
        if found is None:
            pytest.skip("no helm: set ISTHMUS_HELM, or run `isthmus lab build helm`")
        return await helm.find(found)
    return await helm.find()


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    return write_chart(tmp_path / "small", CHART)


def write_chart(folder: Path, content: dict[str, str]) -> Path:
    """Write a chart as files."""
    for name, text in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


async def issue(cluster: kube.Cluster, namespace: str, account: str = "nobody", **options: Any) -> str:
    """Return a token of a new service account without rights."""
    meta = {"name": account, "namespace": namespace}
    await cluster.create(kinds.SERVICE_ACCOUNT, {"metadata": meta})
    return await cluster.issue_token(account, namespace, **options)
