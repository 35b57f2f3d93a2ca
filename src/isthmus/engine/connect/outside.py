"""Reads which pods of Apps are outside of the mesh; it changes nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import world as worlds
from isthmus.model import errors
from isthmus.rollout.connect import istio, outside

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from isthmus.clients import kube
    from isthmus.model import app as apps
    from isthmus.model import finding, fleet


async def findings(
    world: worlds.World, known: fleet.Fleet, about: Sequence[apps.App], chosen: Collection[str]
) -> tuple[finding.Finding, ...]:
    """Return what of these Apps is outside of the mesh in the clusters that are chosen."""
    members = [each.name for each in istio.members(known) if each.name in chosen]

    async def one(app: apps.App) -> tuple[finding.Finding, ...]:
        names = tuple(name for name in members if name in app.spec.clusters)
        found = await worlds.each(names, lambda name: _look(world.cluster(name), app.namespace))
        seen = {
            name: outside.Seen(error=world.secrets.clean(each.brief))
            if isinstance(each, errors.IsthmusError)
            else each
            for name, each in found.items()
            if not isinstance(each, errors.UnreachableError)
        }
        return tuple(outside.judge(known, app, seen))

    return tuple(each for found in await asyncio.gather(*map(one, about)) for each in found)


async def _look(server: kube.Cluster, namespace: str) -> outside.Seen:
    home, pods = await asyncio.gather(
        server.get(kinds.NAMESPACE, namespace),
        server.list(kinds.POD, namespace, fields="status.phase=Running"),
    )
    return outside.Seen(namespace=home, pods=tuple(pods))
