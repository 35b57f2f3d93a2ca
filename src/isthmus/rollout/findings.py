"""What is to say about a plan before it runs: what forbids it, what to know, and the way out.

All findings at once, errors among them; nothing here changes the plan.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.mesh import settings
from isthmus.model import app as apps
from isthmus.model import plan
from isthmus.model.finding import Finding, Severity
from isthmus.rollout import step as steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.model import fleet as fleets
    from isthmus.rollout import observed

SHOWN = 3
"""Unstable paths named in a finding; the plan's JSON has all."""


def judge(
    app: apps.App, made: plan.Plan, seen: Mapping[str, observed.Observed], *, strays: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Return the findings; `strays` are clusters that the App left and where its release still is."""
    found = [*_votes(made)]
    for name, one in seen.items():
        found.extend(_cluster(app, made, name, one))
    for step in made.steps:
        found.extend(_step(step))
    found.extend(_stray(app, name) for name in strays)
    return tuple(
        dataclasses.replace(each, kind="App", namespace=made.namespace, name=made.app) for each in found
    )


def names(
    app: apps.App, fleet: fleets.Fleet, rendered: Mapping[str, observed.Rendered]
) -> tuple[Finding, ...]:
    """Return StatefulSets that have one name in several clusters of a mesh, where their pods share it too.

    Cilium synchronizes host names as they are (1.20 clustermesh/global-services.rst), and Istio's DNS knows
    the pod of a name in its own cluster alone (pkg/dns/server/name_table.go).
    """
    if not _is_meshed(fleet):
        return ()
    places: dict[str, list[str]] = {}
    for cluster, one in rendered.items():
        for name in sorted({_full(app, body) for body in one.first if body.get("kind") == "StatefulSet"}):
            places.setdefault(name, []).append(cluster)
    twice = {name: clusters for name, clusters in places.items() if len(clusters) > 1}
    return tuple(_twice(app, name, clusters) for name, clusters in twice.items())


def _is_meshed(fleet: fleets.Fleet) -> bool:
    states_cilium = fleet.spec.network is not None and settings.uses_cilium(fleet)
    return states_cilium or any(settings.istio(fleet, each) for each in fleet.clusters)


def _full(app: apps.App, body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata") or {}
    return f"{metadata.get('namespace') or app.namespace}/{metadata.get('name', '')}"


def _twice(app: apps.App, name: str, clusters: Sequence[str]) -> Finding:
    more = len(clusters) - SHOWN
    named = ", ".join(clusters[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    pod = f"{name.partition('/')[2]}-0"
    return Finding(
        code="statefulset-name-twice",
        severity=Severity.WARNING,
        message=f"StatefulSet {name} is in {named}: each has a pod {pod}, and that name means one of them: "
        "Istio's DNS answers with the local pod, and ClusterMesh copies host names as they are",
        remedy="give each its cluster's name: `clusters: {NAME: {values: {fullnameOverride: "
        f"{app.name}-NAME}}}}}}` or what the chart calls it; names of running StatefulSets cannot change",
        kind="App",
        namespace=app.namespace,
        name=app.name,
    )


def _votes(made: plan.Plan) -> Iterator[Finding]:
    if len(made.voters) == 2:
        yield Finding(
            code="two-voters",
            severity=Severity.ERROR,
            message="two clusters vote: when either is silent there is no majority and no operation",
            remedy="add a third cluster, or a witness (any API server with one namespace) to the Fleet",
        )


def _cluster(app: apps.App, made: plan.Plan, name: str, seen: observed.Observed) -> Iterator[Finding]:
    if seen.error:
        yield _unplanned(app, made, name, seen)
    if seen.terminating and made.intent is not plan.Intent.DOWN:
        yield Finding(
            code="namespace-terminating",
            severity=Severity.ERROR,
            message=f"namespace {app.namespace} is terminating: nothing can be created in it",
            remedy="wait until it is gone; kubectl get namespace -o yaml names the finalizers that hold it",
            cluster=name,
        )
    if not seen.account:
        yield Finding(
            code="no-service-account",
            severity=Severity.ERROR,
            message=f"ServiceAccount {app.namespace}/{app.spec.service_account} does not exist",
            remedy="create it with the rights the chart needs, or take serviceAccount out of the App",
            cluster=name,
        )
    if seen.latest is not None and seen.latest.is_pending:
        yield _pending(name, seen.latest.status, seen.latest.revision, seen.latest.modified)
    for text in seen.refused:
        yield Finding(
            code="refused",
            severity=Severity.ERROR,
            message=text,
            remedy="change the chart or its values, or what refuses it",
            cluster=name,
        )


def _unplanned(app: apps.App, made: plan.Plan, name: str, seen: observed.Observed) -> Finding:
    """Return what a silent cluster means; it is an error as well where the plan has no other cluster."""
    is_required = steps.membership(app, name) is apps.Membership.REQUIRED or not made.steps
    cure = seen.remedy if seen.answers and seen.remedy else "bring it back"
    return Finding(
        code="cluster-refuses" if seen.answers else "cluster-silent",
        severity=Severity.ERROR if is_required else Severity.WARNING,
        message=f"cannot be planned: {seen.error}",
        remedy=f"{cure.rstrip('.')}; or name the others with --only"
        if is_required
        else f"level it later: {made.command('up')} --only {name}",
        cluster=name,
    )


def _pending(name: str, status: str, revision: int, modified: str) -> Finding:
    since = f" since {modified[:19]}" if modified else ""
    return Finding(
        code="pending-release",
        severity=Severity.WARNING,
        message=f"the release is {status} at revision {revision}{since}: its helm died, or works right now",
        remedy="make sure that no helm works on it: this operation clears that record and goes on from there",
        cluster=name,
    )


def _step(step: plan.Step) -> Iterator[Finding]:
    if not step.fenced:
        yield Finding(
            code="not-fenced",
            severity=Severity.WARNING,
            message="not fenced: your account may not issue tokens bound to a Secret: taking over is manual",
            remedy="ask for the rights that `isthmus permissions deploy` prints",
            cluster=step.cluster,
        )
    if step.action is plan.Action.ROLLBACK and step.manifest is None:
        yield Finding(
            code="revision-gone",
            severity=Severity.ERROR,
            message=f"Helm's history of {step.release} no longer holds revision {step.target}",
            remedy="bring the folder to that state and use `up`",
            cluster=step.cluster,
        )
    for text in step.no_return:
        yield Finding(
            code="no-return",
            severity=Severity.WARNING,
            message=text,
            remedy="this part cannot be taken back by helm",
            cluster=step.cluster,
        )
    if step.unstable:
        yield _unstable(step)


def _unstable(step: plan.Step) -> Finding:
    count, more = len(step.unstable), len(step.unstable) - SHOWN
    named = ", ".join(step.unstable[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    subject = "1 path differs" if count == 1 else f"{count} paths differ"
    return Finding(
        code="unstable-render",
        severity=Severity.INFO,
        message=f"{subject} every time the chart is rendered and count for nothing: {named}",
        remedy="nothing to do where these are generated certificates or passwords",
        cluster=step.cluster,
    )


def _stray(app: apps.App, name: str) -> Finding:
    return Finding(
        code="release-kept",
        severity=Severity.INFO,
        message="the App no longer names this cluster, and its release there is kept as it is",
        remedy=f"take it out: isthmus deploy down {app.name} --only {name}",
        cluster=name,
    )
