"""Reads back what a saved plan pinned, release by release, and refuses it when the world has moved since.

A plan holds digests: charts, values and certificates come from the bundles in the clusters, never from the
folder. Nothing is changed here.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from isthmus.clients import redactor
from isthmus.engine import beside, bundle, observe, wanted
from isthmus.engine import draft as drafts
from isthmus.engine import voters as voting
from isthmus.engine import world as worlds
from isthmus.model import errors, plan
from isthmus.rollout import part
from isthmus.rollout import plan as plans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.clients import kube


SHOWN = 3
"""Objects written at the end that are named: one is enough to refuse the plan."""


async def read(world: worlds.World, saved: plan.Plan) -> drafts.Draft:
    """Return the draft of a saved plan; ConflictError where a cluster is not as it was planned on."""
    found = dict[str, tuple[bundle.Bundle, ...]]()
    secrets, changes = redactor.Redactor(), list[str]()
    for one in _by_release(saved):
        pinned = await _pinned(world, one)
        moved, hides = await _moved(world, one, pinned)
        changes += moved
        secrets = secrets.joined(hides)
        for name, each in pinned.items():
            found[name] = (*found.get(name, ()), each)
    changes += await _closed(world, saved.closings)
    if changes:
        raise errors.ConflictError(
            "the world has moved since the plan was saved",
            why="; ".join(dict.fromkeys(changes)),
            remedy=f"look again and save a new one: {_again(saved)}",
        )
    own = {step.cluster for step in saved.steps if step.bundle}
    return drafts.Draft(
        plan=saved,
        bundles={name: each[0] for name, each in found.items() if name in own},
        more={name: each[name in own :] for name, each in found.items() if each[name in own :]},
        secrets=secrets,
    )


def _by_release(saved: plan.Plan) -> tuple[plan.Plan, ...]:
    """Return a plan for each release, in their order; the first is the App's own."""
    names = dict.fromkeys(one.release for step in saved.steps for one in step.releases)
    return tuple(
        dataclasses.replace(
            saved,
            waves=tuple(
                tuple(
                    dataclasses.replace(one, more=())
                    for step in wave
                    for one in step.releases
                    if one.release == name
                )
                for wave in saved.waves
            ),
        )
        for name in names
    )


async def _moved(
    world: worlds.World, saved: plan.Plan, found: Mapping[str, bundle.Bundle]
) -> tuple[list[str], redactor.Redactor]:
    """Return what of one release is no longer as it was, and what hides the secrets of its bundles."""
    gate, one = asyncio.Semaphore(wanted.AT_ONCE), saved.steps[0]

    async def again(name: str) -> wanted.Wanted:
        return await wanted.render(
            world, found[name], release=one.release, namespace=one.namespace, cluster=name, gate=gate
        )

    given = await worlds.each(tuple(name for name, each in found.items() if each.archive), again)
    drafts.raise_first(given)
    secrets = drafts.joined_secrets(given)
    key = voting.app_key(saved.namespace, saved.app)
    observed = await observe.observe(
        dataclasses.replace(world, secrets=secrets),
        observe.Subject(one.release, one.namespace, saved.account, key),
        tuple(step.cluster for step in saved.steps),
        wanted={name: (*each.bundle.objects, *each.rendered.first) for name, each in given.items()},
        target={step.cluster: step.target for step in saved.steps if step.target is not None},
        parts={name: [part.Part.from_json(one) for one in each.parts] for name, each in found.items()},
    )
    changes = list(
        plans.moved(saved, rendered={name: each.rendered for name, each in given.items()}, observed=observed)
    )
    writes = [step.cluster for step in saved.steps if step.action is not plan.Action.KEEP]
    stood = await worlds.each(
        tuple(name for name in writes if name in found),
        lambda name: beside.moved(world.cluster(name), found[name]),
    )
    drafts.raise_first(stood)
    changes += [
        f"{name}: {each[0]}{f' and {len(each) - 1} more' if each[1:] else ''} changed since"
        for name, each in stood.items()
        if each
    ]
    return changes, secrets.joined(drafts.seen_secrets(observed))


async def _closed(world: worlds.World, closings: Sequence[plan.Closing]) -> list[str]:
    """Return what is written at the end and is no longer as the plan found it: there, or not."""

    async def one(server: kube.Cluster, each: plan.Closing) -> str:
        live = await server.get(beside.KINDS[each.kind], each.name, each.namespace)
        if (live is None) is (each.verb is plan.Verb.CREATE):
            return ""
        label = beside.label(each.name, each.namespace, each.kind)
        return f"{each.cluster}: {label} {'is gone' if live is None else 'was made since'}"

    found = await asyncio.gather(*(one(world.cluster(each.cluster), each) for each in closings))
    return [each for each in found if each][:SHOWN]


async def _pinned(world: worlds.World, saved: plan.Plan) -> dict[str, bundle.Bundle]:
    """Return the bundles of a saved plan; one that is gone refuses the plan."""
    key = voting.app_key(saved.namespace, saved.app)
    found = await worlds.each(
        tuple(step.cluster for step in saved.steps if step.bundle),
        lambda name: bundle.load(world.cluster(name), saved.step(name).bundle or "", key),
    )
    for answer in found.values():
        if isinstance(answer, errors.ConflictError):
            answer.remedy = f"save a new plan: {_again(saved)}"
    drafts.raise_first(found)
    return found


def _again(saved: plan.Plan) -> str:
    verb = "connect" if (saved.namespace, saved.app) == plan.NETWORK else "deploy"
    return f"isthmus {verb} diff --save"
