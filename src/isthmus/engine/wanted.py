"""What the folder asks of every cluster: chart archive, values with their references, two renders.

It reads clusters (referenced Secrets and ConfigMaps) and runs `helm template`; it changes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.clients import kinds, kube, redactor
from isthmus.engine import bundle, hidden
from isthmus.engine import world as worlds
from isthmus.model import app as apps
from isthmus.model import errors
from isthmus.model import secrets as literal
from isthmus.rollout import manifest, observed

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

# Helm is a process of its own that uses a whole core: more of them than cores only wait for each other.
AT_ONCE = max(2, os.cpu_count() or 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What one cluster shall get: the bundle that is pinned, and what the chart renders from it."""

    bundle: bundle.Bundle
    rendered: observed.Rendered
    secrets: redactor.Redactor


async def archive(world: worlds.World, app: apps.App, folder: Path) -> bytes:
    """Return the App's chart as an archive, packaged from the folder or pulled from its repository."""
    chart = app.spec.chart
    if chart.path is not None:
        return await world.tool.package(folder / chart.path)
    return await world.tool.pull(chart.repo or "", chart.name or "", chart.version or "")


async def gather(
    world: worlds.World, app: apps.App, folder: Path, clusters: Sequence[str]
) -> dict[str, Wanted | errors.IsthmusError]:
    """Return for every cluster what it shall get, or why that cannot be told."""
    chart = await archive(world, app, folder)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Wanted:
        values, secrets = await _values(world.cluster(name), app, name)
        pinned = bundle.Bundle(archive=chart, values=values, metadata={hidden.HIDDEN: json.dumps(secrets)})
        return await render(
            world, pinned, release=app.release, namespace=app.namespace, cluster=name, gate=gate
        )

    return await worlds.each(tuple(clusters), one)


async def render(
    world: worlds.World,
    pinned: bundle.Bundle,
    *,
    release: str,
    namespace: str,
    cluster: str,
    gate: asyncio.Semaphore,
) -> Wanted:
    """Render a bundle twice for one cluster, as that cluster's version and API groups have it."""
    server = world.cluster(cluster)
    version, groups = await asyncio.gather(server.server_version(), server.api_versions())
    secret = hidden.of(pinned)

    async def once() -> tuple[Json, ...]:
        async with gate:
            found = await world.tool.render(
                pinned.archive,
                release=release,
                namespace=namespace,
                values=pinned.values,
                kube_version=version,
                api_versions=groups,
                redactor=secret,
            )
        return manifest.split(found.manifest)

    try:
        first, second = await asyncio.gather(once(), once())
    except errors.InputError as error:
        where = f"cluster {cluster}, release {release}"  # each cluster has values of its own
        raise errors.InputError(error.what, where=where, why=error.why, remedy=error.remedy) from error
    return Wanted(
        bundle=pinned,
        rendered=observed.Rendered(bundle=pinned.digest, first=first, second=second),
        secrets=secret,
    )


async def _values(server: kube.Cluster, app: apps.App, cluster: str) -> tuple[Json, tuple[str, ...]]:
    merged: Json = {}
    secrets: list[str] = []
    for layer in app.layers(cluster):
        if isinstance(layer, apps.ValuesFrom):
            found = await _referenced(server, layer, app.namespace)
            if layer.secret is not None:
                secrets.extend(_strings(found))
            merged = apps.merge_values(merged, found)
        else:
            secrets.extend(literal.literals(layer))
            merged = apps.merge_values(merged, layer)
    return merged, tuple(dict.fromkeys(secrets))


async def _referenced(server: kube.Cluster, layer: apps.ValuesFrom, namespace: str) -> Json:
    kind = kinds.SECRET if layer.secret is not None else kinds.CONFIG_MAP
    name = layer.secret or layer.config_map or ""
    label = f"{kind.kind} {namespace}/{name}"
    found = await server.get(kind, name, namespace)
    if found is None:
        raise errors.InputError(
            f"{label} does not exist",
            where=server.name,
            remedy=f"create it with a key '{layer.key}' that holds YAML",
        )
    text = (found.get("data") or {}).get(layer.key)
    if text is None:
        raise errors.InputError(
            f"{label} has no key '{layer.key}'",
            where=server.name,
            remedy="name the key in valuesFrom: {secret: ..., key: ...}",
        )
    if kind is kinds.SECRET:
        text = base64.b64decode(text).decode(errors="replace")
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        read = None  # not chained: the parser's message quotes the text, which may be secret
    if not isinstance(read, Mapping):
        raise errors.InputError(
            f"key '{layer.key}' of {label} holds no YAML mapping",
            where=server.name,
            remedy="store values as a chart's values.yaml has them",
        )
    return dict(read)


def _strings(values: Any) -> list[str]:
    return [
        str(value) for _, value in manifest.leaves(values) if value not in (None, "", True, False, {}, [])
    ]
