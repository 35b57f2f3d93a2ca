"""What runs of a lab, as plain data: the JSON of `isthmus lab status` is a public contract."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psutil

from isthmus.lab import labs
from isthmus.lab.faults import deeds, making

if TYPE_CHECKING:
    from isthmus.lab import process

_ANSWER = 2.0  # seconds for an API server to say that it is ready


def describe(name: str) -> dict[str, Any]:
    """Return one lab: its state, and each cluster with its programs.

    State is `running`, `partial` (some programs run), `stopped` (kept), or `broken`: never came up whole, or
    another version of isthmus wrote its record.
    """
    lab = labs.readable(name)
    if lab is None:
        return {
            "name": name,
            "profile": None,
            "state": "broken",
            "kubeconfig": None,
            "clusters": [],
            "faults": [],
        }
    clusters = [_cluster(lab, cluster) for cluster in lab.clusters.values()]
    states = [program["state"] for cluster in clusters for program in cluster["programs"]]
    return {
        "name": name,
        "profile": lab.spec.profile,
        "state": _state(states),
        "kubeconfig": str(lab.kubeconfig_path),
        "clusters": clusters,
        "faults": faults(lab),
    }


def faults(lab: labs.Lab) -> list[dict[str, Any]]:
    """Return what was made wrong in a lab on purpose and not healed, the oldest first."""
    own = making.Faults(lab)
    return [fault(lab.name, each, own.state(each)) for each in own.all]


def fault(name: str, made: deeds.Fault, state: str) -> dict[str, Any]:
    """Return one fault of a lab as plain data."""
    return {
        "id": made.id,
        "kind": made.kind,
        "what": deeds.words(made.deed),
        "between": list(made.deed.between) if isinstance(made.deed, deeds.OnPath) else None,
        "cluster": None if isinstance(made.deed, deeds.OnPath) else made.deed.cluster,
        "since": made.since,
        "state": state,
        "heal": f"isthmus lab fault heal {made.id} --name {name}",
    }


def _state(states: list[str]) -> str:
    if all(state == "running" for state in states):
        return "running"
    return "stopped" if all(state == "ended" for state in states) else "partial"


def _cluster(lab: labs.Lab, cluster: labs.Cluster) -> dict[str, Any]:
    programs = [_program(name, cluster.processes.get(name)) for name in cluster.programs]
    running = any(each["state"] == "running" for each in programs)
    return {
        "name": cluster.name,
        "region": cluster.region,
        "context": cluster.context,
        "server": cluster.server,
        "ready": running and lab.control(cluster.name).api(seconds=_ANSWER).is_ready(),
        "memory": sum(each["memory"] for each in programs),
        "folder": str(cluster.folder),
        "auditLog": str(cluster.audit_log),
        "programs": programs,
    }


def _program(name: str, record: process.Process | None) -> dict[str, Any]:
    live = record.live() if record else None
    if record is None or live is None:
        return {"name": name, "state": "ended", "pid": None, "memory": 0}
    state = "frozen" if record.is_frozen() else "running"
    return {"name": name, "state": state, "pid": record.pid, "memory": _memory(live)}


def _memory(live: psutil.Process) -> int:
    """Return bytes of memory of a program and its children: all of a node's pods hang below it.

    What is shared counts once over all processes (PSS), where that is told.
    """
    total = 0
    with contextlib.suppress(psutil.Error):
        for each in (live, *live.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                full = each.memory_full_info()
                total += int(getattr(full, "pss", 0) or full.rss)
    return total
