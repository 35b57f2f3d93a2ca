"""How an App stands in every cluster now: releases, health, the lock, and the operation that owns it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.clients import kube, releases
from isthmus.engine import certificates, operations, ready
from isthmus.engine import world as worlds
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from isthmus.model import app as apps

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Certified:
    """An App, and the authorities that its certificates may be of."""

    app: apps.App
    roots: tuple[x509.Certificate, ...] = ()


async def status(
    world: worlds.World,
    voters: Sequence[tuple[str, str]],
    *,
    namespace: str,
    app: str,
    release: str,
    clusters: Sequence[str],
    others: Sequence[str] = (),
    certified: Certified | None = None,
) -> Json:
    """Return the public form of `deploy status`; a cluster that fails says so in its own row.

    `others` are clusters that the App does not name: they have a row where its release still is.
    """

    async def one(name: str) -> Json:
        return await _cluster(world.cluster(name), release, namespace)

    rows = await worlds.each((*clusters, *others), one)
    for name in others:
        if isinstance(rows[name], errors.IsthmusError) or rows[name]["revision"] is None:
            del rows[name]
        else:
            rows[name]["message"] = f"the App left it: isthmus deploy down {app} --only {name}"
    body: Json = {"app": app, "namespace": namespace, "operation": None, "lock": None, "error": None}
    try:
        current = await operations.unfinished(world, voters, namespace, app)
        view = await operations.holder(world, voters, namespace, app)
    except errors.UnreachableError as error:
        body["error"] = str(error)
    else:
        body["operation"] = current.to_json() if current else None
        if view.holder is not None:
            body["lock"] = {"holder": str(view.holder), "since": view.since, "clusters": list(view.clusters)}
    stand = await _certificates(world, clusters, certified)
    body["clusters"] = [
        {
            **(_silent(name, row) if isinstance(row, errors.IsthmusError) else {"cluster": name, **row}),
            "certificates": stand.get(name, []),
        }
        for name, row in rows.items()
    ]
    return body


async def _certificates(
    world: worlds.World, clusters: Sequence[str], certified: Certified | None
) -> dict[str, list[Json]]:
    """Return how the App's certificates stand; a cluster that is silent says so in its row."""
    if certified is None:
        return {}
    found = await certificates.look(world, certified.app, clusters, certified.roots)
    now = world.clock.now()
    return {
        name: [each.to_json(now) for each in seen]
        for name, seen in found.items()
        if not isinstance(seen, errors.IsthmusError)
    }


async def _cluster(server: kube.Cluster, release: str, namespace: str) -> Json:
    latest = await releases.latest(server, release, namespace)
    if latest is None:
        return _row(status="not installed")
    target = ready.Target(
        server=server, release=release, namespace=namespace, revision=latest.revision, deadline=0.0
    )
    row = _row(
        status=latest.status,
        revision=latest.revision,
        chart=f"{latest.chart}-{latest.chart_version}",
        modified=latest.modified[:19],
    )
    if latest.is_deployed:
        seen = await ready.glance(target)
        row["ready"] = "yes" if seen.is_ready else "no"
        row["message"] = seen.waits_for
    return row


def _row(
    *, status: str, revision: int | None = None, chart: str | None = None, modified: str | None = None
) -> Json:
    return {
        "revision": revision,
        "status": status,
        "chart": chart,
        "ready": None,
        "modified": modified,
        "message": "",
        "error": None,
    }


def _silent(name: str, error: errors.IsthmusError) -> Json:
    return {"cluster": name, **_row(status="unknown"), "message": str(error), "error": str(error)}
