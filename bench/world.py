"""What the figures are measured on: folders, labs, and the same chart run by us, by helm and by helmfile.

Everything lies in one temporary folder and in labs of its own, and is removed at the end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from bench import clock
from isthmus.lab import binaries, labs
from isthmus.model import folder as documents

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = Path(__file__).parent / "chart"
API = "isthmus.dev/v1alpha1"
NAMESPACE = "bench"
WIDE = {
    "pods": {"supernets": ["10.0.0.0/8"]},
    "services": {"supernets": ["100.64.0.0/10"], "mask": 24},
    "nodes": {"supernets": ["172.16.0.0/12"]},
}
"""Addresses for 10,000 clusters."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lab:
    """A running lab."""

    name: str
    contexts: dict[str, str]
    """Context by cluster."""
    seconds: float
    """From `lab up` to its return."""
    env: dict[str, str]

    def memory(self) -> int:
        """Return the bytes its processes hold, shared pages counted once (PSS)."""
        clusters = labs.get(self.name).clusters.values()
        pids = [process.pid for cluster in clusters for process in cluster.processes.values()]
        return sum(int(psutil.Process(pid).memory_full_info().pss) for pid in pids)


class World:
    """Makes folders and labs below one temporary folder."""

    def __init__(self, folder: Path, *, turns: int) -> None:
        self.folder = folder
        self.turns = turns
        self._turn = itertools.count(1)

    def fleet(self, count: int, *, cni: str = "") -> Path:
        """Return a folder with a Fleet of so many clusters that nobody has to reach."""
        folder = self.folder / f"fleet{count}{cni}"
        body = _fleet({f"c{number}": f"context{number}" for number in range(1, count + 1)})
        if cni:
            body["spec"]["addressing"] = WIDE
            body["spec"]["network"] = {"cni": cni, "maxConnectedClusters": 511}
        _write(folder / "fleet.yaml", body)
        return folder

    def parsed(self, count: int, *, cni: str) -> documents.Folder:
        """Return such a folder as a value."""
        text = (self.fleet(count, cni=cni) / "fleet.yaml").read_text(encoding="utf-8")
        found = documents.parse([("fleet.yaml", text)]).folder
        assert found is not None
        return found

    @contextlib.contextmanager
    def lab(self, name: str, count: int) -> Iterator[Lab]:
        """Bring up a lab for as long as it is measured."""
        name = f"bench-{name}"
        kubeconfig = self.folder / f"{name}.kubeconfig"
        took = clock.isthmus("lab", "up", "--name", name, "--clusters", str(count)).seconds
        try:
            kubeconfig.write_text(clock.isthmus("lab", "kubeconfig", "--name", name).output)
            contexts = {each.name: each.context for each in labs.get(name).clusters.values()}
            yield Lab(name=name, contexts=contexts, seconds=took, env={"KUBECONFIG": str(kubeconfig)})
        finally:
            clock.isthmus("lab", "down", "--name", name)

    def app(self, lab: Lab) -> Path:
        """Return a folder whose App's pods are of the next revision."""
        folder = self.folder / lab.name
        shutil.copytree(CHART, folder / "chart", dirs_exist_ok=True)
        app = {
            "apiVersion": API,
            "kind": "App",
            "metadata": {"name": "ours", "namespace": NAMESPACE},
            "spec": {
                "chart": {"path": "chart"},
                "values": {"turn": next(self._turn)},
                "clusters": {name: {} for name in lab.contexts},
                "rollout": {"waves": [list(lab.contexts)], "gates": ["ready"]},
            },
        }
        _write(folder / "isthmus.yaml", _fleet(lab.contexts), app)
        return folder

    def deploy(self, lab: Lab) -> clock.Run:
        """Run the next revision by `deploy up`."""
        return clock.isthmus("deploy", "up", "-f", self.app(lab), "--yes", "-o", "json", env=lab.env)

    def diff(self, lab: Lab) -> clock.Run:
        """Compare the next revision by `deploy diff`, in a process that knows nothing yet."""
        return clock.isthmus("deploy", "diff", "-f", self.app(lab), "-o", "json", env=lab.env)

    def helm(self, lab: Lab, context: str) -> clock.Run:
        """Run the next revision in one cluster by helm."""
        helm = str(program("helm"))
        words = ["upgrade", "--install", "plain", str(CHART), "-n", NAMESPACE, "--create-namespace", "--wait"]
        chosen = ["--kube-context", context, "--set", f"turn={next(self._turn)}"]
        return clock.run([helm, *words, *chosen], env=lab.env | self._isolated())

    def helmfile(self, lab: Lab) -> clock.Run:
        """Run the next revision in all clusters by helmfile, all at once.

        Each release has a copy of the chart: helmfile runs releases of one chart folder one after another.
        """
        turn = next(self._turn)
        charts = {context: self.folder / "copies" / context for context in lab.contexts.values()}
        for chart in charts.values():
            shutil.copytree(CHART, chart, dirs_exist_ok=True)
        releases = [
            {
                "name": "theirs",
                "namespace": NAMESPACE,
                "kubeContext": context,
                "chart": str(chart),
                "wait": True,
                "values": [{"turn": turn}],
            }
            for context, chart in charts.items()
        ]
        file = self.folder / "helmfile.yaml"
        _write(file, {"releases": releases})
        helmfile, helm = str(program("helmfile")), str(program("helm"))
        words = ["--helm-binary", helm, "--file", str(file), "sync", "--concurrency", "0"]
        return clock.run([helmfile, *words], env=lab.env | self._isolated())

    def _isolated(self) -> dict[str, str]:
        return {
            f"HELM_{kind}_HOME": str(self.folder / "helm" / kind.lower())
            for kind in ("CACHE", "CONFIG", "DATA")
        }


def is_built(name: str) -> bool:
    """Say whether a program is here."""
    return binaries.find(name) is not None


def program(name: str) -> Path:
    """Return a program that the lab builds."""
    found = binaries.find(name)
    if found is None:
        raise clock.FailedError(f"no {name} here: isthmus lab build {name}")
    return found


def _fleet(contexts: dict[str, str]) -> dict[str, Any]:
    clusters = [
        {"name": name, "id": number, "context": context, "nodes": 3}
        for number, (name, context) in enumerate(contexts.items(), start=1)
    ]
    addressing = {
        "pods": {"supernets": ["10.0.0.0/10"]},
        "services": {"supernets": ["10.96.0.0/12"]},
        "nodes": {"supernets": ["10.64.0.0/12"]},
    }
    return {
        "apiVersion": API,
        "kind": "Fleet",
        "metadata": {"name": "bench"},
        "spec": {"addressing": addressing, "clusters": clusters},
    }


def _write(path: Path, *documents: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all(json.loads(json.dumps(documents)), sort_keys=False), encoding="utf-8")
