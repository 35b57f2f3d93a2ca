"""Makes plans on real clusters: what the folder wants, what each cluster answers, what to pin for it.

It changes nothing but for `pin`, which keeps the bundles of a saved plan. What a plan says is decided in
`rollout`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from isthmus.clients import redactor, releases
from isthmus.engine import bundle, observe, operations, wanted
from isthmus.engine import voters as voting
from isthmus.engine import world as worlds
from isthmus.model import app as apps
from isthmus.model import errors, operation, plan
from isthmus.model import fleet as fleets
from isthmus.rollout import observed as observations
from isthmus.rollout import plan as plans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from isthmus.rollout import release

_REQUIRED = apps.Membership.REQUIRED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A plan with what it pins: chart and values by cluster, which no plan may hold."""

    plan: plan.Plan
    bundles: Mapping[str, bundle.Bundle] = dataclasses.field(default_factory=dict, repr=False)
    secrets: redactor.Redactor = dataclasses.field(default_factory=redactor.Redactor, repr=False)


async def up(
    world: worlds.World,
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    folder: Path,
    only: Sequence[str] | None = None,
) -> Draft:
    """Render, dry-run every cluster at once, and plan."""
    names = _chosen(app, fleet, only)
    found, seen, strays = await asyncio.gather(
        wanted.gather(world, app, folder, names),
        observe.look(world, _subject(app), names),
        _strays(world, app, fleet, only),
    )
    given = {name: one for name, one in found.items() if isinstance(one, wanted.Wanted)}
    secrets = _joined(given)
    observed = await observe.attempt(
        dataclasses.replace(world, secrets=secrets),
        _subject(app),
        {name: seen[name] for name in given},
        wanted={name: one.rendered.first for name, one in given.items()},
    )
    for name, failed in found.items():
        if isinstance(failed, errors.InputError) and app.member(name).membership is _REQUIRED:
            raise failed
        if isinstance(failed, errors.IsthmusError):
            observed[name] = observe.failed(name, failed, secrets)
    made = plans.up(
        app,
        fleet,
        rendered={name: one.rendered for name, one in given.items()},
        observed=observed,
        only=only,
        strays=strays,
    )
    return Draft(
        plan=made,
        bundles={name: one.bundle for name, one in given.items()},
        secrets=secrets.joined(_seen(observed)),
    )


async def rollback(
    world: worlds.World,
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    to: str | None = None,
    only: Sequence[str] | None = None,
) -> Draft:
    """Plan the way back to before an operation: the last one that succeeded, or `to`."""
    past = _past(await operations.all_of(world, plans.voters(fleet), app.namespace, app.name), to, app.name)
    names = _chosen(app, fleet, only)
    targets = {run.cluster: past.plan.step(run.cluster).revision for run in past.runs}
    observed = await observe.observe(
        world,
        _subject(app),
        names,
        wanted={},
        target={name: revision for name, revision in targets.items() if revision is not None},
    )
    made = plans.rollback(app, fleet, past=past, observed=observed, only=only)
    return Draft(plan=made, secrets=_seen(observed))


async def down(
    world: worlds.World, app: apps.App, fleet: fleets.Fleet, *, only: Sequence[str] | None = None
) -> Draft:
    """Plan taking the App out."""
    observed = await observe.observe(world, _subject(app), _chosen(app, fleet, only), wanted={})
    return Draft(plan=plans.down(app, fleet, observed=observed, only=only), secrets=_seen(observed))


async def pin(world: worlds.World, draft: Draft) -> None:
    """Keep a draft's bundles in their clusters, so that its saved plan can be run without the folder."""

    async def one(name: str) -> None:
        await bundle.store(
            world.cluster(name), draft.bundles[name], voting.app_key(draft.plan.namespace, draft.plan.app)
        )

    servers = [world.cluster(name) for name in draft.bundles]
    raise_first(await voting.prepare(servers, clock=world.clock))
    raise_first(await worlds.each(tuple(draft.bundles), one))


async def saved(world: worlds.World, saved: plan.Plan) -> Draft:
    """Read back what a saved plan pinned, and refuse it when the world has moved since."""
    if not saved.steps:
        return Draft(plan=saved)
    found = await _pinned(world, saved)
    gate = asyncio.Semaphore(wanted.AT_ONCE)
    one = saved.steps[0]

    async def again(name: str) -> wanted.Wanted:
        return await wanted.render(
            world, found[name], release=one.release, namespace=one.namespace, cluster=name, gate=gate
        )

    given = await worlds.each(tuple(found), again)
    raise_first(given)
    secrets = _joined(given)
    key = voting.app_key(saved.namespace, saved.app)
    observed = await observe.observe(
        dataclasses.replace(world, secrets=secrets),
        observe.Subject(one.release, one.namespace, saved.account, key),
        tuple(step.cluster for step in saved.steps),
        wanted={name: each.rendered.first for name, each in given.items()},
        target={step.cluster: step.target for step in saved.steps if step.target is not None},
    )
    changes = plans.moved(
        saved, rendered={name: each.rendered for name, each in given.items()}, observed=observed
    )
    if changes:
        raise errors.ConflictError(
            "the world has moved since the plan was saved",
            why="; ".join(changes),
            remedy="look again and save a new one: isthmus deploy diff --save",
        )
    return Draft(plan=saved, bundles=found, secrets=secrets.joined(_seen(observed)))


async def _pinned(world: worlds.World, saved: plan.Plan) -> dict[str, bundle.Bundle]:
    """Return the bundles of a saved plan; one that is gone refuses the plan."""
    key = voting.app_key(saved.namespace, saved.app)
    found = await worlds.each(
        tuple(step.cluster for step in saved.steps if step.bundle),
        lambda name: bundle.load(world.cluster(name), saved.step(name).bundle or "", key),
    )
    for answer in found.values():
        if isinstance(answer, errors.ConflictError):
            answer.remedy = "save a new plan: isthmus deploy diff --save"
    raise_first(found)
    return found


def raise_first(found: Mapping[str, object]) -> None:
    """Raise the first failure among answers by cluster."""
    for answer in found.values():
        if isinstance(answer, errors.IsthmusError):
            raise answer


def _subject(app: apps.App) -> observe.Subject:
    key = voting.app_key(app.namespace, app.name)
    return observe.Subject(app.release, app.namespace, app.spec.service_account, key)


def _joined(given: Mapping[str, wanted.Wanted]) -> redactor.Redactor:
    hidden = redactor.Redactor()
    for each in given.values():
        hidden = hidden.joined(each.secrets)
    return hidden


def _seen(observed: Mapping[str, observations.Observed]) -> redactor.Redactor:
    """Return what hides the secrets that clusters hold from before."""
    return redactor.Redactor.of({text for seen in observed.values() for text in seen.secrets})


def _chosen(app: apps.App, fleet: fleets.Fleet, only: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for wave in plans.waves(app, fleet, only) for name in wave)


async def _strays(
    world: worlds.World, app: apps.App, fleet: fleets.Fleet, only: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the clusters that the App no longer names and that answer that its release is there."""
    if only is not None:
        return ()
    others = tuple(one.name for one in fleet.clusters if one.name not in app.spec.clusters)
    found = await worlds.each(
        others, lambda name: releases.history(world.cluster(name), app.release, app.namespace)
    )
    return tuple(name for name, history in found.items() if isinstance(history, tuple) and _is_there(history))


def _is_there(history: tuple[release.Release, ...]) -> bool:
    return observations.Observed(cluster="", history=history).latest is not None


def _past(found: Sequence[operation.Operation], to: str | None, app: str) -> operation.Operation:
    for one in reversed(found):
        if one.id == to or (to is None and _can_go_back(one)):
            return one
    raise errors.InputError(
        f"no operation {to} in history" if to else "no operation in history that could be rolled back",
        remedy=f"see what there was: isthmus deploy history {app}",
    )


def _can_go_back(one: operation.Operation) -> bool:
    succeeded = one.outcome is operation.Outcome.SUCCEEDED
    return succeeded and one.plan.intent is not plan.Intent.DOWN and not one.plan.is_empty
