"""Worlds in a few lines: an App over clusters, what they run, and operations on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from isthmus.model import app as apps
from isthmus.model import fleet as fleets
from isthmus.model import operation, plan
from isthmus.rollout import observed, release

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]
NAMES = ("west", "east", "central")


def fleet(*names: str) -> fleets.Fleet:
    """A Fleet of these clusters (west, east and central unless said), each with a context of its name."""
    clusters = [
        {"name": name, "id": number, "context": f"ctx-{name}", "nodes": 3}
        for number, name in enumerate(names or NAMES, start=1)
    ]
    return fleets.Fleet.model_validate({"metadata": {"name": "shop"}, "spec": {"clusters": clusters}})


def app(*waves: Sequence[str], members: Mapping[str, str] | None = None, **rollout: Any) -> apps.App:
    """An App in these waves (one cluster each unless said); `members` gives clusters another membership."""
    chosen = [list(wave) for wave in waves] or [[name] for name in NAMES]
    clusters: Json = {name: {} for wave in chosen for name in wave}
    for name, membership in (members or {}).items():
        clusters[name] = {"membership": membership}
    spec = {"chart": {"path": "charts/db"}, "clusters": clusters, "rollout": {"waves": chosen, **rollout}}
    return apps.App.model_validate({"metadata": {"name": "db", "namespace": "data"}, "spec": spec})


def config(version: str, name: str = "db", **metadata: Any) -> Json:
    """A ConfigMap that holds a version."""
    meta = {"name": name, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"version": version}}


def stateful(version: str, *, replicas: int = 3, **spec: Any) -> Json:
    """A StatefulSet whose pods carry a version."""
    template = {"metadata": {"annotations": {"version": version}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {"replicas": replicas, "template": template, **spec},
    }


def rendered(*objects: Json, again: Sequence[Json] | None = None) -> observed.Rendered:
    """What the chart gives; `again` is what the second render gives where it differs."""
    return observed.Rendered(bundle="b" * 64, first=objects, second=tuple(again or objects))


def revision(number: int, *objects: Json, status: str = "deployed") -> release.Release:
    """One revision of the release as Helm recorded it."""
    return release.Release(
        name="db",
        namespace="data",
        revision=number,
        status=status,
        chart="db",
        chart_version="1.0.0",
        app_version="",
        manifest=yaml.safe_dump_all(objects) if objects else "",
        modified="2026-11-22T10:00:00Z",
    )


def seen(
    *history: release.Release, live: Sequence[tuple[Json | None, Json]] = (), **said: Any
) -> observed.Observed:
    """What a cluster answered."""
    return observed.Observed(cluster="west", history=history, pairs=tuple(live), **said)


def step(cluster: str, action: str = "upgrade", **fields: Any) -> plan.Step:
    """A step of a plan, from revision 1."""
    fields = {"revision": None if action == "install" else 1, **fields}
    return plan.Step(
        cluster=cluster,
        context=f"ctx-{cluster}",
        action=plan.Action(action),
        release="db",
        namespace="data",
        **fields,
    )


def made(*waves: Sequence[plan.Step], **fields: Any) -> plan.Plan:
    """A plan of these steps."""
    fields = {"intent": plan.Intent.UP, **fields}
    return plan.Plan(
        app="db", namespace="data", fleet="shop", waves=tuple(tuple(wave) for wave in waves),
        voters=tuple((name, f"ctx-{name}") for name in NAMES), chart="charts/db", **fields,
    )  # fmt: skip


def running(planned: plan.Plan, **states: str) -> operation.Operation:
    """An operation whose clusters have come so far; those not named are planned."""
    current = operation.begin(
        planned, identity="20261122-100000-ab12", user="ops", now="2026-11-22T10:00:00Z"
    )
    for cluster, state in states.items():
        attempts = 0 if state == "planned" else 1
        current = current.with_run(cluster, state=operation.State(state), attempts=attempts)
    return current
