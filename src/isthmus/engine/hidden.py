"""What must not be shown of an App: the secrets of every bundle it has used, and of the releases that stand.

A rollback may fail with a secret in its mouth that no folder holds any more. This module reads; what it
finds goes into a redactor and nowhere else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from isthmus.clients import redactor, releases
from isthmus.engine import bundle
from isthmus.engine import world as worlds
from isthmus.model import errors, operation
from isthmus.model import secrets as literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.clients import kube
    from isthmus.rollout import release

HIDDEN = "hidden"
"""Key of a bundle's metadata: the secret strings, so that a resumed operation redacts them as well."""


def of(pinned: bundle.Bundle) -> redactor.Redactor:
    """Return the redactor for what is secret in a bundle."""
    return redactor.Redactor.of(_texts(pinned.metadata.get(HIDDEN)))


async def known(world: worlds.World, current: operation.Operation, key: str) -> redactor.Redactor:
    """Return the redactor for what an operation may meet; a cluster that cannot tell adds nothing."""

    async def one(name: str) -> tuple[str, ...]:
        server, found = world.cluster(name), list[str]()
        for step in current.plan.step(name).releases:
            found += in_releases(await releases.history(server, step.release, step.namespace))
        return (*await in_bundles(server, key), *found)

    found = await worlds.each(tuple(step.cluster for step in current.plan.steps), one)
    answers = [one for one in found.values() if not isinstance(one, errors.IsthmusError)]
    return redactor.Redactor.of({text for texts in answers for text in texts})


async def in_bundles(server: kube.Cluster, key: str) -> tuple[str, ...]:
    """Return what is secret in the bundles that a cluster keeps of an App."""
    try:
        heads = await bundle.heads(server, key)
    except errors.DeniedError:
        return ()  # who may not read them cannot tell
    return tuple(text for metadata in heads for text in _texts(metadata.get(HIDDEN)))


def in_releases(history: Sequence[release.Release]) -> tuple[str, ...]:
    """Return what looks like a literal secret in the values of releases."""
    return tuple(text for one in history for text in literal.literals(one.config))


def _texts(value: str | None) -> list[str]:
    try:
        found = json.loads(value or "[]")
    except ValueError:
        return []
    return [str(text) for text in found] if isinstance(found, list) else []
