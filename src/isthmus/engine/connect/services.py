"""Reads the Services of Apps in every cluster, for how they stand across clusters.

It changes nothing. A cluster that does not let itself be read says why and hides no other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds
from isthmus.engine import world as worlds
from isthmus.model import errors
from isthmus.rollout import exposure
from isthmus.rollout.connect import services

if TYPE_CHECKING:
    from collections.abc import Collection

    from isthmus.clients import kube
    from isthmus.model import app as apps

Json = dict[str, Any]


async def look(world: worlds.World, app: apps.App, clusters: Collection[str]) -> dict[str, services.Seen]:
    """Return what each of these clusters has of an App; a silent one is left out, `states` tells of it."""
    asks = any(each.export for each in app.spec.services)
    names = tuple(name for name in app.spec.clusters if name in clusters)
    found = await worlds.each(names, lambda name: _look(world.cluster(name), app, exports=asks))
    return {
        name: services.Seen(error=world.secrets.clean(each.brief))
        if isinstance(each, errors.IsthmusError)
        else each
        for name, each in found.items()
        if not isinstance(each, errors.UnreachableError)
    }


async def _look(server: kube.Cluster, app: apps.App, *, exports: bool) -> services.Seen:
    live, exported = await asyncio.gather(
        server.list(kinds.SERVICE, app.namespace), _exports(server, app.namespace) if exports else _none()
    )
    return services.Seen(services={str(each["metadata"]["name"]): each for each in live}, exports=exported)


async def _exports(server: kube.Cluster, namespace: str) -> dict[str, Json] | None:
    kind = await server.resolve(exposure.API, exposure.EXPORT)
    if kind is None:
        return None
    return {str(each["metadata"]["name"]): each for each in await server.list(kind, namespace)}


async def _none() -> None:
    return None
