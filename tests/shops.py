"""A small App on the real clusters of `lab`, for tests of `deploy`.

`shop` makes a folder with a Fleet and an App in a new namespace; `Shop.run` is the command line as a user
has it, `Shop.driver` the same engine in a process of its own that kills itself at a point of the journal.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from isthmus.lab import build, labs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPO = Path(__file__).parent.parent
CLUSTERS = ("west", "east", "central")

TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {version: {{ .Values.version | quote }}, word: {{ .Values.word | default "none" | quote }}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: {{ .Release.Name }}}
spec:
  serviceName: {{ .Release.Name }}
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
      annotations:
        version: {{ .Values.version | quote }}
        lab.isthmus.dev/ready-after: {{ .Values.readyAfter | quote }}
        {{- if .Values.never }}
        lab.isthmus.dev/ready: never
        {{- end }}
    spec:
      containers: [{name: db, image: "example/db:{{ .Values.version }}"}]
{{- range $number := until (int .Values.extra) }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ $.Release.Name }}-{{ $number }}}
data: {version: {{ $.Values.version | quote }}}
{{- end }}
"""
VALUES: dict[str, Any] = {"version": "1", "replicas": 2, "readyAfter": "100ms", "never": False, "extra": 0}


LAST = 15


@dataclasses.dataclass(frozen=True)
class Done:
    """What a run of the command line left."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything it said."""
        return self.out + self.err

    @property
    def end(self) -> str:
        """The last lines of both, where an error stands: reports of failures cut long texts at their end."""
        return "\n".join((*self.out.splitlines()[-LAST:], *self.err.splitlines()[-LAST:]))

    def json(self) -> Any:
        """Read standard output as one JSON value."""
        return json.loads(self.out)


@dataclasses.dataclass
class Shop:
    """An App in a namespace of its own, over the lab's clusters."""

    lab: labs.Lab
    folder: Path
    namespace: str
    env: Mapping[str, str]
    spec: dict[str, Any]
    clusters: tuple[str, ...] = CLUSTERS
    fleet: dict[str, Any] = dataclasses.field(default_factory=dict)

    # ---- the folder

    def write(self) -> None:
        """Write Fleet and App as they stand in `spec`."""
        fleet = {
            "apiVersion": "isthmus.dev/v1alpha1",
            "kind": "Fleet",
            "metadata": {"name": "shop"},
            "spec": {
                "clusters": [
                    {"name": name, "id": number, "context": self.lab.clusters[name].context, "nodes": 3}
                    for number, name in enumerate(self.clusters, start=1)
                ],
                **self.fleet,
            },
        }
        app = {
            "apiVersion": "isthmus.dev/v1alpha1",
            "kind": "App",
            "metadata": {"name": "db", "namespace": self.namespace},
            "spec": self.spec,
        }
        (self.folder / "shop.yaml").write_text(yaml.safe_dump_all([fleet, app]), encoding="utf-8")

    def set(self, values: Mapping[str, Any] | None = None, **clusters: Mapping[str, Any]) -> None:
        """Change the App's values, and those of single clusters, in the folder."""
        self.spec["values"].update(values or {})
        for name, own in clusters.items():
            self.spec["clusters"][name].setdefault("values", {}).update(own)
        self.write()

    # ---- the command line

    def run(
        self, *args: str, code: int | None = 0, seconds: float = 300, env: Mapping[str, str] | None = None
    ) -> Done:
        """Run `isthmus deploy ARGS -f FOLDER`, and expect an exit code (None: any)."""
        done = subprocess.run(
            self.command(*args), env={**self.env, **(env or {})}, cwd=self.folder, capture_output=True,
            text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        found = Done(done.returncode, done.stdout, done.stderr)
        assert code in (None, found.code), f"exit {found.code}, expected {code}:\n{found.end}"
        return found

    def bare(self, *args: str) -> Done:
        """Run `isthmus deploy ARGS` without the folder, and expect that it works."""
        words = [sys.executable, "-m", "isthmus", "deploy", *args]
        done = subprocess.run(
            words, env=self.env, capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    async def arun(self, *args: str, code: int | None = 0, seconds: float = 300) -> Done:
        """Run as `run` does, without blocking the event loop."""
        return await asyncio.to_thread(self.run, *args, code=code, seconds=seconds)

    def spawn(self, *args: str, **popen: Any) -> subprocess.Popen[str]:
        """Start `isthmus deploy ARGS` and leave it running, for tests that kill or freeze it."""
        return subprocess.Popen(
            self.command(*args), env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen,
        )  # fmt: skip

    def command(self, verb: str, *args: str) -> list[str]:
        """Return the command line of a verb."""
        yes = ["--yes"] if verb in {"up", "rollback", "down"} else []
        return [sys.executable, "-m", "isthmus", "deploy", verb, *args, "-f", str(self.folder), *yes]

    def driver(self, *args: str, seconds: float = 300) -> Done:
        """Run tests/driver.py on this folder: `up` in a process that may kill itself at a journal point."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.driver", str(self.folder), *args], env=self.env, cwd=REPO,
            capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    # ---- what the clusters say

    def history(self) -> list[dict[str, Any]]:
        """Return the operations as `deploy history -o json` shows them."""
        found: list[dict[str, Any]] = self.run("history", "-o", "json").json()["operations"]
        return found

    def get(self, cluster: str, path: str) -> Any:
        """Read an object or list of a cluster by its API path."""
        return self.lab.api(cluster).get(path)

    def releases(self, cluster: str) -> list[tuple[int, str]]:
        """Return (revision, status) of Helm's records in a cluster, oldest first."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets?labelSelector=owner%3Dhelm"
        items = (self.get(cluster, path) or {"items": []})["items"]
        labels = [item["metadata"]["labels"] for item in items]
        return sorted((int(one["version"]), str(one["status"])) for one in labels)

    def version(self, cluster: str) -> str | None:
        """Return the version that the cluster's ConfigMap holds, None when it is not there."""
        found = self.get(cluster, f"/api/v1/namespaces/{self.namespace}/configmaps/db")
        return found["data"]["version"] if found else None

    def pods(self, cluster: str) -> dict[str, tuple[str, bool]]:
        """Return (version, ready) of every pod by name."""
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=app%3Ddb"
        items = (self.get(cluster, path) or {"items": []})["items"]
        return {
            pod["metadata"]["name"]: (pod["metadata"]["annotations"]["version"], _is_ready(pod))
            for pod in items
        }

    def check_whole(self, version: str | None, clusters: Sequence[str] | None = None) -> None:
        """Assert that clusters run one version, ready, with no pending release and no pod of another."""
        for name in clusters or self.clusters:
            statuses = [status for _, status in self.releases(name)]
            assert not [status for status in statuses if status.startswith("pending")], (name, statuses)
            assert self.version(name) == version, (name, self.version(name), version)
            if version is not None:
                assert statuses.count("deployed") == 1, (name, statuses)
                assert self.pods(name) == {f"db-{n}": (version, True) for n in range(2)}, (
                    name,
                    self.pods(name),
                )


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def make(lab: labs.Lab, folder: Path, namespace: str, **rollout: Any) -> Shop:
    """Return a written shop; `rollout` goes into the App (timeout 20s unless said)."""
    chart = folder / "charts" / "db"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: db\nversion: 1.0.0\n", encoding="utf-8")
    (chart / "values.yaml").write_text(yaml.safe_dump(VALUES), encoding="utf-8")
    (chart / "templates" / "all.yaml").write_text(TEMPLATE, encoding="utf-8")
    env = {
        key: value for key, value in os.environ.items() if key not in {"KUBECONFIG", "PYTEST_CURRENT_TEST"}
    } | {
        "KUBECONFIG": str(lab.kubeconfig_path),
        "ISTHMUS_HELM": str(build.ensure(["helm"])["helm"]),
        "COLUMNS": "200",
    }
    names = tuple(lab.clusters)
    spec = {
        "chart": {"path": "charts/db"},
        "values": dict(VALUES),
        "clusters": {name: {} for name in names},
        "rollout": {
            "waves": [[names[0]], list(names[1:])] if names[1:] else [[names[0]]],
            "timeout": "20s",
            **rollout,
        },
    }
    made = Shop(lab=lab, folder=folder, namespace=namespace, env=env, spec=spec, clusters=names)
    made.write()
    return made


@pytest.fixture
def shop(lab: labs.Lab, namespace: str, tmp_path: Path) -> Shop:
    """An App over the three clusters of the shared lab, not installed: west, then east and central."""
    return make(lab, tmp_path, namespace)
