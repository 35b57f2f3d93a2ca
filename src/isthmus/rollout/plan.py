"""The plan of a deploy operation: `up`, `rollback` and `down` as waves of steps with their way back.

Pure: what every cluster answered comes in, one value goes out; CLI, operator and dashboard share it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.model import app as apps
from isthmus.model import plan
from isthmus.model.finding import Finding, Severity
from isthmus.rollout import findings
from isthmus.rollout import step as steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from isthmus.model import fleet as fleets
    from isthmus.model import operation
    from isthmus.rollout import observed as observations

WITNESS = "witness"


def up(
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    rendered: Mapping[str, observations.Rendered],
    observed: Mapping[str, observations.Observed],
    only: Sequence[str] | None = None,
    strays: Sequence[str] = (),
) -> plan.Plan:
    """Return the plan that brings the App's clusters to what the folder says.

    `strays` are clusters of the Fleet that the App no longer names, and where its release still is.
    """

    def step(cluster: str) -> plan.Step:
        kept = steps.base(app, fleet, cluster, observed[cluster])
        return steps.up(kept, rendered[cluster], observed[cluster])

    made = _assemble(app, fleet, plan.Intent.UP, step, observed=observed, only=only, strays=strays)
    return dataclasses.replace(made, findings=(*made.findings, *findings.names(app, fleet, rendered)))


def rollback(
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    past: operation.Operation,
    observed: Mapping[str, observations.Observed],
    only: Sequence[str] | None = None,
) -> plan.Plan:
    """Return the plan that takes every cluster back to the revision before a past operation."""
    targets = {run.cluster: past.plan.step(run.cluster).revision for run in past.runs}

    def step(cluster: str) -> plan.Step:
        kept = steps.base(app, fleet, cluster, observed[cluster])
        target = targets.get(cluster)
        return kept if target is None else steps.back(kept, target, observed[cluster])

    made = _assemble(app, fleet, plan.Intent.ROLLBACK, step, observed=observed, only=only)
    said = [_no_earlier(app, past, one.cluster) for one in made.steps if targets.get(one.cluster) is None]
    return dataclasses.replace(made, findings=(*made.findings, *said))


def down(
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    observed: Mapping[str, observations.Observed],
    only: Sequence[str] | None = None,
) -> plan.Plan:
    """Return the plan that uninstalls the App, last wave first; releases go for good when it is done."""

    def step(cluster: str) -> plan.Step:
        return steps.out(steps.base(app, fleet, cluster, observed[cluster]), observed[cluster])

    made = _assemble(app, fleet, plan.Intent.DOWN, step, observed=observed, only=only)
    return dataclasses.replace(
        made, waves=tuple(reversed(made.waves)), gates=(), on_failure=apps.OnFailure.HOLD
    )


def joined(first: plan.Plan, more: plan.Plan) -> plan.Plan:
    """Return a plan in which each cluster gets the releases of `more` after its own.

    Clusters of `more` alone are left out; what both say of the whole Fleet is said once.
    """
    further = {step.cluster: step for step in more.steps}

    def both(step: plan.Step) -> plan.Step:
        found = further.get(step.cluster)
        if found is None:
            return step
        # One namespace may be that of several releases, and is made once.
        made = {(each.kind, each.name) for one in step.releases for each in one.changes}
        twice = {("Namespace", found.namespace)} & made
        changes = tuple(each for each in found.changes if (each.kind, each.name) not in twice)
        stays = tuple(each for each in found.stays if not (twice and each == f"Namespace {found.namespace}"))
        return dataclasses.replace(
            step, more=(*step.more, dataclasses.replace(found, changes=changes, stays=stays))
        )

    said = {each.code for each in first.findings if each.cluster is None}
    return dataclasses.replace(
        first,
        waves=tuple(tuple(map(both, wave)) for wave in first.waves),
        findings=(
            *first.findings,
            *(each for each in more.findings if each.cluster is not None or each.code not in said),
        ),
    )


def moved(
    saved: plan.Plan,
    *,
    rendered: Mapping[str, observations.Rendered],
    observed: Mapping[str, observations.Observed],
) -> tuple[str, ...]:
    """Return what is no longer as it was when a plan was saved, by cluster; empty when it still holds."""
    found = []
    for step in saved.steps:
        why = _moved(step, rendered.get(step.cluster), observed[step.cluster])
        if why:
            found.append(f"{step.cluster}: {why}")
    return tuple(found)


def waves(app: apps.App, fleet: fleets.Fleet, only: Sequence[str] | None = None) -> list[tuple[str, ...]]:
    """Return the clusters of a plan in waves: the App's, or those of the Fleet that `only` names.

    A cluster that was taken out of the App comes after all waves.
    """
    if only is None:
        return list(app.waves)
    chosen = [tuple(name for name in wave if name in only) for wave in app.waves]
    gone = tuple(one.name for one in fleet.clusters if one.name in only and one.name not in app.spec.clusters)
    return [wave for wave in (*chosen, gone) if wave]


def voters(fleet: fleets.Fleet) -> tuple[tuple[str, str], ...]:
    """Return (name, context) of every cluster with a vote, the witness last."""
    found = [(cluster.name, cluster.context) for cluster in fleet.clusters]
    if fleet.witness is not None:
        found.append((WITNESS, fleet.witness.context))
    return tuple(found)


def _moved(step: plan.Step, wanted: observations.Rendered | None, seen: observations.Observed) -> str:
    """Return why one step of a saved plan no longer holds; empty when it does."""
    obstacle = seen.error or next(iter(seen.refused), "")
    if obstacle:
        return obstacle
    if seen.revision != step.revision:
        return f"release at revision {seen.revision or 'none'}, planned on {step.revision or 'none'}"
    kept = dataclasses.replace(
        step, action=plan.Action.KEEP, target=None, manifest=None, fenced=seen.fenced,
        unstable=(), changes=(), restarts=(), stays=(), no_return=(),
    )  # fmt: skip
    if wanted is not None:
        fresh = steps.up(kept, wanted, seen)
    elif step.action is plan.Action.ROLLBACK:
        fresh = steps.back(kept, step.target or 0, seen)
    elif step.action is plan.Action.UNINSTALL:
        fresh = steps.out(kept, seen)
    else:
        fresh = kept
    fresh = dataclasses.replace(fresh, waits=step.waits)  # what is ready may change: it changes no plan
    return "" if fresh == step else "live objects changed since, the plan would now be another"


def _no_earlier(app: apps.App, past: operation.Operation, cluster: str) -> Finding:
    return Finding(
        code="no-earlier-revision",
        severity=Severity.WARNING,
        message=f"operation {past.id} installed the release here: it is kept, for lack of an earlier one",
        remedy=f"take it out: isthmus deploy down {app.name} --only {cluster}",
        kind="App",
        namespace=app.namespace,
        name=app.name,
        cluster=cluster,
    )


def _assemble(
    app: apps.App,
    fleet: fleets.Fleet,
    intent: plan.Intent,
    step: Callable[[str], plan.Step],
    *,
    observed: Mapping[str, observations.Observed],
    only: Sequence[str] | None,
    strays: Sequence[str] = (),
) -> plan.Plan:
    chosen = waves(app, fleet, only)
    names = [name for wave in chosen for name in wave]
    silent = [name for name in names if observed[name].error]
    planned = [tuple(step(name) for name in wave if name not in silent) for wave in chosen]
    rollout = app.spec.rollout
    made = plan.Plan(
        app=app.name,
        namespace=app.namespace,
        fleet=fleet.name,
        intent=intent,
        waves=tuple(wave for wave in planned if wave),
        voters=voters(fleet),
        gates=tuple(plan.Gate(type=gate.name, seconds=gate.bake) for gate in rollout.gates),
        on_failure=rollout.on_failure,
        timeout=rollout.timeout,
        account=app.spec.service_account,
        chart=app.spec.chart.path or f"{app.spec.chart.name} {app.spec.chart.version or ''}".strip(),
        left_out=tuple(
            (name, observed[name].error)
            for name in silent
            if steps.membership(app, name) is not apps.Membership.REQUIRED
        ),
    )
    said = findings.judge(app, made, {name: observed[name] for name in names}, strays=strays)
    return dataclasses.replace(made, findings=said)
