"""Makes plans on real clusters: what the folder wants, what each cluster answers, what to pin for it.

It changes nothing but for `pin`, which keeps the bundles of a saved plan. What a plan says is decided in
`rollout`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from isthmus.clients import redactor, releases
from isthmus.engine import beside as besides
from isthmus.engine import bundle, certificates, observe, operations, wanted
from isthmus.engine import exposure as exposing
from isthmus.engine import voters as voting
from isthmus.engine import world as worlds
from isthmus.model import app as apps
from isthmus.model import errors, finding, operation, plan
from isthmus.model import fleet as fleets
from isthmus.rollout import exposure, part
from isthmus.rollout import observed as observations
from isthmus.rollout import plan as plans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from isthmus.mesh.trust import signers
    from isthmus.rollout import release

_REQUIRED = apps.Membership.REQUIRED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A plan with what it pins: chart and values by cluster, which no plan may hold."""

    plan: plan.Plan
    bundles: Mapping[str, bundle.Bundle] = dataclasses.field(default_factory=dict, repr=False)
    secrets: redactor.Redactor = dataclasses.field(default_factory=redactor.Redactor, repr=False)
    more: Mapping[str, tuple[bundle.Bundle, ...]] = dataclasses.field(default_factory=dict, repr=False)
    """Of the further releases of a cluster."""

    def pinned(self, cluster: str) -> tuple[bundle.Bundle, ...]:
        """Return all that is pinned in a cluster."""
        own = (self.bundles[cluster],) if cluster in self.bundles else ()
        return (*own, *self.more.get(cluster, ()))

    @property
    def holders(self) -> tuple[str, ...]:
        """The clusters in which anything is pinned."""
        return tuple(dict.fromkeys((*self.bundles, *self.more)))


async def up(
    world: worlds.World,
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    folder: Path,
    only: Sequence[str] | None = None,
    beside: Mapping[str, besides.Beside] | None = None,
    key: str = "",
    signing: signers.Signer | None = None,
) -> Draft:
    """Render, dry-run every cluster at once, and plan; `beside` is what stands beside the network's charts.

    `key` is what the bundles are kept under, where that is not the App's own; `signing` is for the App's
    certificates.
    """
    names = _chosen(app, fleet, only)
    found, seen, strays, exposed, settled = await asyncio.gather(
        wanted.gather(world, app, folder, names),
        observe.look(world, _subject(app, key), names),
        _strays(world, app, fleet, only),
        exposing.parts(world, app, names if beside is None else ()),
        certificates.settle(world, app, names, signing),
    )
    more, told = dict(beside or {}), list[finding.Finding]()
    for name, own in settled.items():
        if not isinstance(own, errors.IsthmusError):
            more[name] = own.beside
            told += own.findings
        elif isinstance(found[name], wanted.Wanted):
            found[name] = own  # whether it has what its pods mount is not known, so nothing is done there
    for name, each in exposed.items():
        if not isinstance(each, errors.IsthmusError):
            more[name] = dataclasses.replace(more.get(name) or besides.Beside(), parts=each)
        elif isinstance(found[name], wanted.Wanted):
            found[name] = each  # what it is to say across clusters cannot be told, so nothing is done there
    given = {
        name: besides.added(one, more.get(name))
        for name, one in found.items()
        if isinstance(one, wanted.Wanted)
    }
    secrets = joined_secrets(given)
    observed = await observe.attempt(
        dataclasses.replace(world, secrets=secrets),
        _subject(app, key),
        {name: seen[name] for name in given},
        wanted={name: (*one.bundle.objects, *one.rendered.first) for name, one in given.items()},
        parts={name: more[name].parts for name in given if name in more},
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
    said = exposure.findings(app, {name: one.rendered.first for name, one in given.items()})
    made = dataclasses.replace(made, findings=(*made.findings, *told, *said))
    return Draft(
        plan=besides.named(made, {name: one.bundle for name, one in given.items()}),
        bundles={name: one.bundle for name, one in given.items()},
        secrets=secrets.joined(seen_secrets(observed)),
    )


def joined(first: Draft, more: Draft) -> Draft:
    """Return a draft in which each cluster gets the releases of `more` after its own."""
    bundles = {
        name: (*first.more.get(name, ()), *((more.bundles[name],) if name in more.bundles else ()))
        for name in {*first.more, *more.bundles}
    }
    return dataclasses.replace(
        first,
        plan=plans.joined(first.plan, more.plan),
        more=bundles,
        secrets=first.secrets.joined(more.secrets),
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
    parts, said = await _parts_before(world, app, past, names)
    observed = await observe.observe(
        world,
        _subject(app),
        names,
        wanted={},
        target={name: revision for name, revision in targets.items() if revision is not None},
        parts=parts,
    )
    made = plans.rollback(app, fleet, past=past, observed=observed, only=only)
    made = dataclasses.replace(made, findings=(*made.findings, *said))
    return _pinning(Draft(plan=made, secrets=seen_secrets(observed)), parts, plan.Action.ROLLBACK)


async def _parts_before(
    world: worlds.World, app: apps.App, past: operation.Operation, names: Sequence[str]
) -> tuple[dict[str, tuple[part.Part, ...]], tuple[finding.Finding, ...]]:
    """Return the parts that lead to before an operation, and each cluster that has forgotten them."""

    async def one(name: str) -> tuple[part.Part, ...]:
        mark = past.plan.step(name).bundle or ""
        pinned = await bundle.load(world.cluster(name), mark, voting.app_key(app.namespace, app.name))
        return tuple(part.Part.from_json(each).reversed for each in reversed(pinned.parts))

    had = {step.cluster for step in past.plan.steps if step.bundle and step.objects}
    found = await worlds.each(tuple(name for name in names if name in had), one)
    lost = tuple(
        exposure.forgotten(app, name, each.brief)
        for name, each in found.items()
        if isinstance(each, errors.IsthmusError)
    )
    return {name: each for name, each in found.items() if not isinstance(each, errors.IsthmusError)}, lost


async def down(
    world: worlds.World,
    app: apps.App,
    fleet: fleets.Fleet,
    *,
    only: Sequence[str] | None = None,
    key: str = "",
) -> Draft:
    """Plan taking the App out."""
    chosen = _chosen(app, fleet, only)
    observed, secrets = await asyncio.gather(
        observe.observe(world, _subject(app, key), chosen, wanted={}), certificates.names(world, app, chosen)
    )
    made = plans.down(app, fleet, observed=observed, only=only)
    if any(secrets.values()):
        made = besides.deleted(besides.with_names(made, secrets))
    return leaving(
        Draft(plan=made, secrets=seen_secrets(observed)), dict.fromkeys(observed, exposure.out(app))
    )


def leaving(draft: Draft, parts: Mapping[str, Sequence[part.Part]]) -> Draft:
    """Return the draft whose steps that uninstall write such parts as their last act, and pin them."""
    return _pinning(draft, parts, plan.Action.UNINSTALL)


def _pinning(draft: Draft, parts: Mapping[str, Sequence[part.Part]], action: plan.Action) -> Draft:
    pinned = {
        step.cluster: bundle.Bundle(
            archive=b"", values={}, parts=tuple(each.to_json() for each in parts[step.cluster])
        )
        for step in draft.plan.steps
        if step.action is action and parts.get(step.cluster)
    }
    waves = tuple(
        tuple(
            dataclasses.replace(step, bundle=pinned[step.cluster].digest) if step.cluster in pinned else step
            for step in wave
        )
        for wave in draft.plan.waves
    )
    made = dataclasses.replace(draft.plan, waves=waves)
    return dataclasses.replace(draft, plan=made, bundles={**draft.bundles, **pinned})


async def pin(world: worlds.World, draft: Draft) -> None:
    """Keep a draft's bundles in their clusters, so that its saved plan can be run without the folder."""
    key = voting.app_key(draft.plan.namespace, draft.plan.app)

    async def one(name: str) -> None:
        for pinned in draft.pinned(name):
            await bundle.store(world.cluster(name), pinned, key)

    servers = [world.cluster(name) for name in draft.holders]
    raise_first(await voting.prepare(servers, clock=world.clock))
    raise_first(await worlds.each(draft.holders, one))


def raise_first(found: Mapping[str, object]) -> None:
    """Raise the first failure among answers by cluster."""
    for answer in found.values():
        if isinstance(answer, errors.IsthmusError):
            raise answer


def _subject(app: apps.App, key: str = "") -> observe.Subject:
    kept = key or voting.app_key(app.namespace, app.name)
    return observe.Subject(app.release, app.namespace, app.spec.service_account, kept)


def joined_secrets(given: Mapping[str, wanted.Wanted]) -> redactor.Redactor:
    """Return what hides the secrets of some bundles."""
    hidden = redactor.Redactor()
    for each in given.values():
        hidden = hidden.joined(each.secrets)
    return hidden


def seen_secrets(observed: Mapping[str, observations.Observed]) -> redactor.Redactor:
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
