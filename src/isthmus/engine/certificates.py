"""Settles the certificates of an App in every cluster: what is good is kept, the others are issued.

Who signs comes in; where a key lies is not known here. What is written, the operation writes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds
from isthmus.engine import beside as besides
from isthmus.engine import issued
from isthmus.engine import world as worlds
from isthmus.mesh.trust import applications, judge, secrets, signers
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from isthmus.model import app as apps
    from isthmus.model import finding

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settled:
    """The certificates of one cluster: what is written beside the chart, and what is to say."""

    beside: besides.Beside
    findings: tuple[finding.Finding, ...] = ()


async def settle(
    world: worlds.World, app: apps.App, clusters: Sequence[str], signing: signers.Signer | None
) -> dict[str, Settled | errors.IsthmusError]:
    """Return what each cluster gets; nothing where the App asks for no certificate."""
    wanted = applications.of(app)
    if signing is None or not wanted:
        return {}

    async def one(name: str) -> Settled:
        live, standing = await asyncio.gather(
            _live(world, app, name), issued.standing(world.cluster(name), app.namespace)
        )
        now, labels = world.clock.now(), {applications.APP: app.name}
        found = signers.settle(
            signing, name, wanted, live, standing=standing, labels=labels, random=os.urandom, now=now
        )
        return Settled(
            beside=besides.Beside(
                objects=found.objects,
                before=found.before,
                hidden=(*secrets.keys(found.objects), *secrets.keys(found.before)),
            ),
            findings=(
                *applications.findings(app, name, live),
                *signers.findings(signing, name, wanted, live, standing=standing, now=now),
            ),
        )

    return await worlds.each(tuple(clusters), one)


async def look(
    world: worlds.World, app: apps.App, clusters: Sequence[str], roots: Sequence[x509.Certificate]
) -> dict[str, tuple[judge.Certificate, ...] | errors.IsthmusError]:
    """Return what stands in each cluster; without `roots` each is held to its own `ca.crt`."""
    wanted, now = applications.of(app), world.clock.now()

    async def one(name: str) -> tuple[judge.Certificate, ...]:
        live = await _live(world, app, name)
        return tuple(
            dataclasses.replace(
                judge.judge(leaf, live.get(leaf.secret), roots=roots, now=now),
                is_ours=secrets.is_ours(live.get(leaf.secret)),
            )
            for leaf in wanted
        )

    return await worlds.each(tuple(clusters) if wanted else (), one)


async def names(world: worlds.World, app: apps.App, clusters: Sequence[str]) -> dict[str, list[str]]:
    """Return the Secrets that we made for an App, those that it no longer names included.

    A cluster that does not let itself be read has none here: that it is silent is said elsewhere. What asks
    cert-manager comes first: it would make the Secret anew.
    """

    async def one(name: str) -> list[str]:
        asking = await issued.standing(world.cluster(name), app.namespace) or {}
        ours = [
            besides.label(label, app.namespace, kinds.CERTIFICATE.kind)
            for label, body in asking.items()
            if secrets.is_ours(body) and body["metadata"]["labels"].get(applications.APP) == app.name
        ]
        return [*ours, *(besides.label(secret, app.namespace) for secret in await _ours(world, app, name))]

    found = await worlds.each(tuple(clusters), one)
    return {name: each for name, each in found.items() if not isinstance(each, errors.IsthmusError)}


async def _live(world: worlds.World, app: apps.App, cluster: str) -> dict[str, Json]:
    """Return the Secrets of ours, and what stands where the App wants one, by name."""
    live = await _ours(world, app, cluster)
    for leaf in applications.of(app):
        if leaf.secret not in live:
            body = await world.cluster(cluster).get(kinds.SECRET, leaf.secret, leaf.namespace)
            live |= {leaf.secret: body} if body is not None else {}
    return live


async def _ours(world: worlds.World, app: apps.App, cluster: str) -> dict[str, Json]:
    labels = f"{secrets.MANAGED}=isthmus,{applications.APP}={app.name}"
    found = await world.cluster(cluster).list(kinds.SECRET, app.namespace, labels=labels)
    return {str(each["metadata"]["name"]): each for each in found}
