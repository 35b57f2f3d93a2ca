"""Settles the certificates of an App in every cluster: what is good is kept, the others are issued.

The authority comes in; where its key lies is not known here. What is written, the operation writes.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds
from isthmus.engine import beside as besides
from isthmus.engine import world as worlds
from isthmus.mesh.trust import applications, secrets
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.mesh.trust import authority as authorities
    from isthmus.model import app as apps
    from isthmus.model import finding

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settled:
    """The certificates of one cluster: what is written beside the chart, and what is to say."""

    beside: besides.Beside
    findings: tuple[finding.Finding, ...] = ()


async def settle(
    world: worlds.World, app: apps.App, clusters: Sequence[str], signer: authorities.Authority | None
) -> dict[str, Settled | errors.IsthmusError]:
    """Return what each cluster gets; nothing where the App asks for no certificate."""
    wanted = applications.of(app)
    if signer is None or not wanted:
        return {}

    async def one(name: str) -> Settled:
        live = await _ours(world, app, name)
        for leaf in wanted:
            if leaf.secret not in live:
                body = await world.cluster(name).get(kinds.SECRET, leaf.secret, leaf.namespace)
                live |= {leaf.secret: body} if body is not None else {}
        found = secrets.settle(
            wanted,
            live,
            signer=signer,
            random=os.urandom,
            now=world.clock.now(),
            labels={applications.APP: app.name},
        )
        return Settled(
            beside=besides.Beside(
                objects=found.objects,
                before=found.before,
                hidden=(*secrets.keys(found.objects), *secrets.keys(found.before)),
            ),
            findings=tuple(applications.findings(app, name, live)),
        )

    return await worlds.each(tuple(clusters), one)


async def names(world: worlds.World, app: apps.App, clusters: Sequence[str]) -> dict[str, list[str]]:
    """Return the Secrets that we made for an App, those that it no longer names included.

    A cluster that does not let itself be read has none here: that it is silent is said elsewhere.
    """
    found = await worlds.each(tuple(clusters), lambda name: _ours(world, app, name))
    return {
        name: [besides.label(secret, app.namespace) for secret in each]
        for name, each in found.items()
        if not isinstance(each, errors.IsthmusError)
    }


async def _ours(world: worlds.World, app: apps.App, cluster: str) -> dict[str, Json]:
    labels = f"{secrets.MANAGED}=isthmus,{applications.APP}={app.name}"
    found = await world.cluster(cluster).list(kinds.SECRET, app.namespace, labels=labels)
    return {str(each["metadata"]["name"]): each for each in found}
