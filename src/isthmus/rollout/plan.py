"""The plan of a deploy operation: `up`, `rollback` and `down` as waves of steps with their way back.

Pure: what every cluster answered comes in, one value goes out; CLI, operator and dashboard share it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.model import app as apps
from isthmus.model import fleet as fleets
from isthmus.model import operation, plan
from isthmus.model.finding import Finding, Severity
from isthmus.rollout import diff, manifest, release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Json = dict[str, Any]
WITNESS = "witness"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendered:
    """What the chart gives for one cluster, rendered twice, and the digest of chart and values."""

    bundle: str
    first: tuple[Json, ...]
    second: tuple[Json, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed:
    """What one cluster answered.

    `error` is set when it did not answer or refused to be read. `pairs` holds live objects beside
    the server's dry run of the wanted ones; `refused` the dry runs that the server denied, `stuck`
    the dry runs of the present manifest that it denied: those could not be taken back.
    """

    cluster: str
    error: str = ""
    history: tuple[release.Release, ...] = ()
    terminating: bool = False
    fenced: bool = True
    account: bool = True
    pairs: tuple[tuple[Json | None, Json], ...] = ()
    refused: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()

    @property
    def latest(self) -> release.Release | None:
        """The newest revision of the release, in whatever state; None when it is gone or was never there."""
        if not self.history or self.history[-1].status == "uninstalled":
            return None
        return self.history[-1]

    @property
    def base(self) -> release.Release | None:
        """The revision to go back to: the newest that was deployed, else none."""
        for found in reversed(self.history):
            if found.status == "uninstalled":
                return None
            if found.status in ("deployed", "superseded"):
                return found
        return None


def up(
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    rendered: Mapping[str, Rendered],
    observed: Mapping[str, Observed],
    only: Sequence[str] | None = None,
) -> plan.Plan:
    """Return the plan that brings the App's clusters to what the folder says."""

    def step(cluster: str) -> plan.Step:
        return _up_step(
            _base_step(app, fleet, cluster, observed[cluster]), rendered[cluster], observed[cluster]
        )

    return _assemble(app, fleet, plan.Intent.UP, step, observed=observed, only=only)


def rollback(
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    past: operation.Operation,
    observed: Mapping[str, Observed],
    only: Sequence[str] | None = None,
) -> plan.Plan:
    """Return the plan that takes every cluster back to the revision before a past operation."""
    targets = {run.cluster: past.plan.step(run.cluster).revision for run in past.runs}

    def step(cluster: str) -> plan.Step:
        base = _base_step(app, fleet, cluster, observed[cluster])
        target = targets.get(cluster)
        if target is None:
            return dataclasses.replace(base, action=plan.Action.KEEP)
        return _back_step(base, target, observed[cluster])

    made = _assemble(app, fleet, plan.Intent.ROLLBACK, step, observed=observed, only=only)
    missing = [name for name in _names(made) if targets.get(name) is None]
    said = tuple(
        _said(
            "no-earlier-revision",
            Severity.WARNING,
            f"operation {past.id} installed the release here, so there is nothing to go back to: it is kept",
            "use `isthmus deploy down --only` to take it out",
            cluster=name,
        )
        for name in missing
    )
    return dataclasses.replace(made, findings=(*made.findings, *said))


def down(
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    observed: Mapping[str, Observed],
    only: Sequence[str] | None = None,
) -> plan.Plan:
    """Return the plan that uninstalls the App, last wave first; releases go for good when it is done."""

    def step(cluster: str) -> plan.Step:
        base = _base_step(app, fleet, cluster, observed[cluster])
        latest = observed[cluster].latest
        if latest is None:
            return dataclasses.replace(base, action=plan.Action.KEEP)
        objects = manifest.split(latest.manifest)
        return dataclasses.replace(
            base,
            action=plan.Action.UNINSTALL,
            changes=diff.removed(objects, ()),
            stays=diff.stays(objects),
        )

    made = _assemble(app, fleet, plan.Intent.DOWN, step, observed=observed, only=only)
    return dataclasses.replace(
        made, waves=tuple(reversed(made.waves)), gates=(), on_failure=apps.OnFailure.HOLD
    )


def moved(
    saved: plan.Plan, *, rendered: Mapping[str, Rendered], observed: Mapping[str, Observed]
) -> tuple[str, ...]:
    """Return what is no longer as it was when a plan was saved, by cluster; empty when it still holds."""
    found = []
    for step in saved.steps:
        seen = observed[step.cluster]
        if seen.error:
            found.append(f"{step.cluster}: {seen.error}")
            continue
        revision = seen.base.revision if seen.latest is not None and seen.base is not None else None
        if revision != step.revision:
            now, then = revision or "none", step.revision or "none"
            found.append(f"{step.cluster}: release at revision {now}, planned on {then}")
            continue
        fresh = dataclasses.replace(step, action=plan.Action.KEEP, fenced=seen.fenced)
        if step.bundle is not None:
            fresh = _up_step(fresh, rendered[step.cluster], seen)
        elif step.action is plan.Action.ROLLBACK:
            fresh = _back_step(fresh, step.target or 0, seen)
        else:
            fresh = step
        if fresh != step:
            found.append(f"{step.cluster}: live objects changed since, the plan would now be another")
    return tuple(found)


def voters(fleet: fleets.Fleet) -> tuple[tuple[str, str], ...]:
    """Return (name, context) of every cluster with a vote, the witness last."""
    found = [(cluster.name, cluster.context) for cluster in fleet.clusters]
    if fleet.witness is not None:
        found.append((WITNESS, fleet.witness.context))
    return tuple(found)


def _names(made: plan.Plan) -> tuple[str, ...]:
    return tuple(step.cluster for step in made.steps)


def _base_step(app: apps.App, fleet: fleets.Fleet, cluster: str, seen: Observed) -> plan.Step:
    latest, base = seen.latest, seen.base
    return plan.Step(
        cluster=cluster,
        context=fleet.cluster(cluster).context,
        action=plan.Action.KEEP,
        release=app.release,
        namespace=app.namespace,
        revision=base.revision if latest is not None and base is not None else None,
        membership=app.member(cluster).membership,
        fenced=seen.fenced,
        stays=(),
    )


def _up_step(base: plan.Step, wanted: Rendered, seen: Observed) -> plan.Step:
    shaky = manifest.unstable(wanted.first, wanted.second)
    latest = seen.latest
    old = manifest.split(latest.manifest) if latest else ()
    found = [change for live, result in seen.pairs if (change := diff.compare(live, result))]
    changes = (*(_without(change, shaky) for change in found), *diff.removed(old, wanted.first))
    same = (
        latest is not None and latest.status == "deployed" and not any(changes) and _same(old, wanted, shaky)
    )
    if same:
        action = plan.Action.KEEP
    else:
        action = plan.Action.INSTALL if base.revision is None else plan.Action.UPGRADE
    return dataclasses.replace(
        base,
        action=action,
        bundle=wanted.bundle,
        manifest=manifest.digest(wanted.first, shaky),
        unstable=shaky,
        changes=tuple(change for change in changes if change),
        restarts=diff.restarts(seen.pairs) if not same else (),
        stays=diff.stays(wanted.first) if base.revision is None else (),
        no_return=seen.stuck if base.revision is not None else (),
    )


def _back_step(base: plan.Step, target: int, seen: Observed) -> plan.Step:
    changes = tuple(change for live, result in seen.pairs if (change := diff.compare(live, result)))
    latest = seen.latest
    if latest is not None and latest.revision == target:
        return dataclasses.replace(base, action=plan.Action.KEEP)
    old = manifest.split(latest.manifest) if latest else ()
    new = next((manifest.split(one.manifest) for one in seen.history if one.revision == target), None)
    if new is None:
        return dataclasses.replace(base, action=plan.Action.ROLLBACK, target=target)
    return dataclasses.replace(
        base,
        action=plan.Action.ROLLBACK,
        target=target,
        manifest=manifest.digest(new),
        changes=(*changes, *diff.removed(old, new)),
        restarts=diff.restarts(seen.pairs),
        no_return=seen.stuck,
    )


def _same(old: Sequence[Json], wanted: Rendered, shaky: Sequence[str]) -> bool:
    return manifest.digest(old, shaky) == manifest.digest(wanted.first, shaky)


def _without(change: plan.Change, shaky: Sequence[str]) -> plan.Change | None:
    """Drop the fields that differ on every render; nothing left is no change."""
    if change.verb is not plan.Verb.UPDATE:
        return change
    label = f"{change.kind}/{change.name}"
    fields = tuple(path for path in change.fields if f"{label}:{path}" not in shaky)
    return dataclasses.replace(change, fields=fields) if fields else None


def _assemble(
    app: apps.App,
    fleet: fleets.Fleet,
    intent: plan.Intent,
    step: Callable[[str], plan.Step],
    *,
    observed: Mapping[str, Observed],
    only: Sequence[str] | None,
) -> plan.Plan:
    waves: list[tuple[plan.Step, ...]] = []
    left_out: list[tuple[str, str]] = []
    for wave in app.waves:
        names = [name for name in wave if only is None or name in only]
        away = [name for name in names if observed[name].error and not _is_required(app, name)]
        left_out.extend((name, observed[name].error) for name in away)
        steps = tuple(step(name) for name in names if not observed[name].error)
        if steps:
            waves.append(steps)
    rollout = app.spec.rollout
    made = plan.Plan(
        app=app.name,
        namespace=app.namespace,
        fleet=fleet.name,
        intent=intent,
        waves=tuple(waves),
        voters=voters(fleet),
        gates=tuple(plan.Gate(type=gate.name, seconds=gate.bake) for gate in rollout.gates),
        on_failure=rollout.on_failure,
        timeout=rollout.timeout,
        account=app.spec.service_account,
        chart=app.spec.chart.path or f"{app.spec.chart.name} {app.spec.chart.version or ''}".strip(),
        left_out=tuple(left_out),
    )
    chosen = [name for wave in app.waves for name in wave if only is None or name in only]
    return dataclasses.replace(made, findings=_findings(app, made, {name: observed[name] for name in chosen}))


def _is_required(app: apps.App, cluster: str) -> bool:
    return app.member(cluster).membership is apps.Membership.REQUIRED


def _findings(app: apps.App, made: plan.Plan, observed: Mapping[str, Observed]) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if len(made.voters) == 2:
        found.append(
            _said(
                "two-voters",
                Severity.ERROR,
                "two clusters vote: when either is silent there is no majority and no operation",
                "add a third cluster, or a witness (any API server with one namespace) to the Fleet",
            )
        )
    for name, seen in observed.items():
        found.extend(_cluster_findings(app, name, seen))
    for step in made.steps:
        found.extend(_step_findings(step))
    return tuple(found)


def _cluster_findings(app: apps.App, name: str, seen: Observed) -> list[Finding]:
    found = []
    if seen.error:
        required = _is_required(app, name)
        found.append(
            _said(
                "cluster-silent",
                Severity.ERROR if required else Severity.WARNING,
                f"cannot be planned: {seen.error}",
                "bring it back, or name the others with --only"
                if required
                else f"level it later: isthmus deploy up {app.name} --only {name}",
                cluster=name,
            )
        )
    if seen.terminating:
        found.append(
            _said(
                "namespace-terminating",
                Severity.ERROR,
                f"namespace {app.namespace} is terminating: nothing can be created in it",
                "wait until it is gone; kubectl get namespace -o yaml names the finalizers that hold it",
                cluster=name,
            )
        )
    if not seen.account:
        found.append(
            _said(
                "no-service-account",
                Severity.ERROR,
                f"ServiceAccount {app.namespace}/{app.spec.service_account} does not exist",
                "create it with the rights the chart needs, or take serviceAccount out of the App",
                cluster=name,
            )
        )
    found.extend(
        _said(
            "refused",
            Severity.ERROR,
            text,
            "change the chart or its values, or what refuses it",
            cluster=name,
        )
        for text in seen.refused
    )
    return found


def _step_findings(step: plan.Step) -> list[Finding]:
    found = []
    if not step.fenced:
        found.append(
            _said(
                "not-fenced",
                Severity.WARNING,
                "not fenced: you may not issue tokens bound to a Secret here, so taking over is manual",
                "ask for the rights that `isthmus permissions deploy` prints",
                cluster=step.cluster,
            )
        )
    found.extend(
        _said(
            "no-return",
            Severity.WARNING,
            text,
            "this part cannot be taken back by helm",
            cluster=step.cluster,
        )
        for text in step.no_return
    )
    if step.unstable:
        found.append(
            _said(
                "unstable-render",
                Severity.INFO,
                f"{len(step.unstable)} paths render differently every time and are left out of the hash: "
                + ", ".join(step.unstable[:3]),
                "nothing to do where these are generated certificates or random names",
                cluster=step.cluster,
            )
        )
    return found


def _said(code: str, severity: Severity, message: str, remedy: str, cluster: str | None = None) -> Finding:
    return Finding(code=code, severity=severity, message=message, remedy=remedy, cluster=cluster, kind="App")
