"""Cilium by its unmodified chart on a lab with real nodes, pods on it, and what a lab leaves behind."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from isthmus.lab import binaries, labs, place, spec
from isthmus.lab.images import catalog, charts
from isthmus.lab.network import groups, layout
from isthmus.mesh import cilium
from isthmus.model import app, fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isthmus.lab import server

Json = dict[str, Any]
Found = TypeVar("Found")
WITHIN = 90.0  # seconds, on a machine that is busy

# What any user may write: no Envoy is in the lab's images, and one operator is enough for one node.
EXTRA: Json = {
    "envoy": {"enabled": False},
    "l7Proxy": False,
    "operator": {"replicas": 1},
    "rollOutCiliumPods": True,
}


def wanted(name: str, clusters: int = 1, paths: tuple[spec.PathSpec, ...] = ()) -> spec.LabSpec:
    """Return a lab of clusters with one real node each."""
    return spec.LabSpec(
        name=name, profile=spec.NETWORK, clusters=spec.default_clusters(clusters, 1), paths=paths
    )


def layout_of(name: str) -> layout.Layout:
    """Return where everything of a lab is."""
    return layout.Layout.from_json(place.read_json(place.labs() / name / "lab.json")["layout"])


class Net:
    """A running lab, and what tests do with its clusters."""

    def __init__(self, lab: labs.Lab, home: Path) -> None:
        self.lab = lab
        self.home = home
        self.layout = layout_of(lab.name)

    def api(self, cluster: str) -> server.Api:
        """Return a client of an API server, as the admin."""
        return self.lab.api(cluster)

    def install(self, cluster: str, extra: Json | None = None) -> None:
        """Install Cilium, or bring it to other values, and wait until helm calls it ready."""
        values = place.labs() / self.lab.name / f"{cluster}-values.json"
        place.write_json(values, app.merge_values(self._values(cluster), extra or {}))
        helm = binaries.find("helm")
        assert helm is not None
        context = ["--kubeconfig", self.lab.kubeconfig_path, "--kube-context", f"{self.lab.name}-{cluster}"]
        release = ["upgrade", "--install", "cilium", charts.folder("cilium"), "--namespace", "kube-system"]
        waits = ["--values", values, "--wait", "--timeout", "180s"]
        done = subprocess.run(
            [str(word) for word in (helm, *release, *context, *waits)],
            env={**os.environ, "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr}\n{self.pods(cluster)}"

    def run(self, cluster: str, name: str, words: Sequence[str]) -> tuple[int, str]:
        """Run a command in a new pod to its end; return its exit code and what it printed."""
        self.create(cluster, name, words)

        def ended() -> Json | None:
            states = self.pod(cluster, name)["status"].get("containerStatuses", [{}])
            found: Json | None = states[0].get("state", {}).get("terminated")
            return found

        code = until(ended)["exitCode"]
        status, text = self.api(cluster).ask("GET", f"/api/v1/namespaces/default/pods/{name}/log")
        assert status == 200, text
        self.api(cluster).delete(f"/api/v1/namespaces/default/pods/{name}?gracePeriodSeconds=0")
        return int(code), text.decode()

    def serve(self, cluster: str, name: str) -> str:
        """Start a pod that answers HTTP on port 8080 and return its address."""
        self.create(cluster, name, ["probe", "serve"])
        return str(until(lambda: self.is_ready(cluster, name) and self.pod(cluster, name)["status"]["podIP"]))

    def create(self, cluster: str, name: str, words: Sequence[str]) -> None:
        """Create a pod of the lab's own image."""
        container = {"name": "main", "image": catalog.ref("busybox"), "command": list(words)}
        own = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
        until(lambda: self.api(cluster).get("/api/v1/namespaces/default/serviceaccounts/default"))
        self.api(cluster).create("/api/v1/namespaces/default/pods", {"metadata": {"name": name}, "spec": own})

    def pod(self, cluster: str, name: str) -> Json:
        """Return a pod."""
        found: Json = self.api(cluster).get(f"/api/v1/namespaces/default/pods/{name}") or {"status": {}}
        return found

    def is_ready(self, cluster: str, name: str) -> bool:
        """Say whether a pod calls itself ready."""
        return ready(self.pod(cluster, name))

    def node(self, cluster: str) -> Json:
        """Return the cluster's first node."""
        found: Json = self.api(cluster).get(f"/api/v1/nodes/{cluster}-node-1")
        return found

    def pods(self, cluster: str) -> list[str]:
        """Return every pod in a line, for a failed test to show."""
        found = self.api(cluster).get("/api/v1/pods") or {"items": []}
        return [
            f"{pod['metadata']['name']} {pod['status'].get('phase')} {pod['status'].get('containerStatuses')}"
            for pod in found["items"]
        ]

    def are_ready(self, cluster: str) -> bool:
        """Say whether every pod of kube-system is ready."""
        found = self.api(cluster).get("/api/v1/namespaces/kube-system/pods")
        return bool(found) and bool(found["items"]) and all(ready(pod) for pod in found["items"])

    def _values(self, cluster: str) -> Json:
        places = self.layout.places
        clusters = [
            {"name": each.cluster, "id": number, "nodes": 1, "pods": [each.pod_range]}
            for number, each in enumerate(places, start=1)
        ]
        network = {"kubeProxyReplacement": True, "exposure": "NodePort", "hubble": False}
        known = fleet.Fleet.model_validate(
            {"metadata": {"name": "lab"}, "spec": {"network": network, "clusters": clusters}}
        )
        own = self.layout.by_cluster[cluster]
        planned = cilium.values(
            known,
            known.cluster(cluster),
            pods=(own.pod_range,),
            all_pods=tuple(each.pod_range for each in places),
            api_server=(own.server, 6443),
            certificates="helm",
        )
        return app.merge_values(planned, EXTRA)


def ready(thing: Json) -> bool:
    """Say whether a node or a pod calls itself ready."""
    found = thing["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in found)


def until(found: Callable[[], Found | None], seconds: float = WITHIN) -> Found:
    """Return what is found as soon as it is something."""
    end = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
    return result


def traces(home: Path, keys: Sequence[str]) -> list[str]:
    """Return what this machine has of labs with these keys and this home; no other lab's is looked at."""
    words = (str(home), *keys)

    def ours(text: str) -> bool:
        return any(word in text for word in words)

    namespaces = Path("/run/netns")
    found = [f"namespace {each.name}" for each in namespaces.glob("*") if ours(each.name)]
    found += [f"link {each.name}" for each in Path("/sys/class/net").iterdir() if ours(each.name)]
    found += [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if ours(line)]
    found += [f"pin {each}" for each in Path("/sys/fs/bpf").rglob("*") if ours(str(each))]
    for hierarchy in groups.hierarchies():
        found += [f"cgroup {each}" for each in hierarchy.path.glob("isthmus-*") if ours(str(each))]
    for process in psutil.process_iter(["cmdline", "status"]):
        told = " ".join(process.info["cmdline"] or [])
        with contextlib.suppress(psutil.Error, OSError):
            about = Path(f"/proc/{process.pid}")
            told += str((about / "root").readlink()) + (about / "cgroup").read_text()
        if ours(told) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(f"process {process.pid} {told[:200]}")
    notes = Path("/run/isthmus/limits.json")
    if notes.exists() and ours(notes.read_text()):
        found.append(f"note {notes.read_text()}")
    return found + [f"file {each}" for each in home.rglob("*")]


def field(secret: Json, name: str) -> bytes:
    """Return what stands in a field of a Secret."""
    return base64.b64decode(secret["data"][name])
