"""One release in one cluster: what to do from where it stands, forward and back, by helm.

Every function first looks at what Helm recorded, so that a step whose process died may be tried
again: done is done, a record left pending is cleared, and a revision of somebody else is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from isthmus.clients import helm, kinds, kube, process, redactor, releases
from isthmus.engine import beside, bundle, hidden, parts
from isthmus.engine import clock as clocks
from isthmus.engine import world as worlds
from isthmus.model import errors, plan
from isthmus.rollout import diff, manifest, release

OPERATION_LABEL = "isthmus.dev/operation"
HELM_DEADLINE = 300.0
"""Seconds for one helm run with its hooks; the gates wait for pods, helm does not."""

PENDING_ROLLBACK = "pending-rollback"

Json = dict[str, Any]
OnStart = Callable[[process.Started], Awaitable[None]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hands:
    """What a step works with in its cluster: the server and helm's access, both as the operation.

    `reader` is the server as the user: an account that the App names may not read our Secrets. `key` is what
    the App's bundles are kept under.
    """

    server: kube.Cluster
    reader: kube.Cluster
    access: helm.Access
    helm: helm.Helm
    operation: str
    key: str
    on_start: OnStart
    seconds: float = HELM_DEADLINE
    secrets: redactor.Redactor = dataclasses.field(default_factory=redactor.Redactor, repr=False)
    say: Callable[[str], None] = worlds.ignore
    clock: clocks.Clock = clocks.SYSTEM


async def forward(hands: Hands, step: plan.Step) -> int | None:
    """Bring the release to what the step wants; return Helm's revision, None after an uninstall."""
    history = await releases.history(hands.server, step.release, step.namespace)
    latest = history[-1] if history else None
    if _is_done(latest, step, hands.operation):
        if step.action is plan.Action.UNINSTALL:
            return None
        # Whoever brought it here may have died before these.
        await _lay_over(hands, step)
        await _write_parts(hands, step)
        return _revision(latest)
    if step.action is plan.Action.UNINSTALL:
        # helm takes out a pending release too, by the record that clearing would forget
        await _uninstall(hands, step, keep_history=True)
        return None
    await _clear_pending(hands, step, latest)
    _refuse_foreign(hands, step, history)
    if step.action is plan.Action.ROLLBACK:
        await _rollback(hands, step, step.target or 0)
    else:
        await _upgrade(hands, step)
    await _write_parts(hands, step)
    done = await releases.latest(hands.server, step.release, step.namespace)
    return _revision(done)


async def back(hands: Hands, step: plan.Step) -> int | None:
    """Take the step back, from whatever state; return Helm's revision, None when it is uninstalled."""
    history = await releases.history(hands.server, step.release, step.namespace)
    latest = history[-1] if history else None
    if step.revision is None:
        if latest is not None and latest.status != "uninstalled":
            await _uninstall(hands, step, keep_history=False)
        await _take_back_beside(hands, step)
        return None
    await _take_back_beside(hands, step)
    if latest is not None and latest.is_deployed and _is_back(latest, step):
        await _clear_older(hands, step, history)
        return latest.revision
    if latest is not None and latest.status == PENDING_ROLLBACK:
        # It reads like the revision to go back to: only the one before it tells helm what else to remove.
        await _clear_pending(hands, step, latest)
    if not any(one.revision == step.revision for one in history):
        raise errors.ConflictError(
            f"revision {step.revision} of release {step.release} is gone",
            where=hands.server.name,
            why="Helm's history no longer holds it",
            remedy="bring the release to a good state by hand, then `isthmus deploy abort`",
        )
    await _rollback(hands, step, step.revision)
    history = await releases.history(hands.server, step.release, step.namespace)
    await _clear_older(hands, step, history)
    return history[-1].revision


async def purge(hands: Hands, step: plan.Step) -> None:
    """Forget an uninstalled release for good, and what stood beside it: the last act of `down`."""
    if step.bundle:  # of a step that uninstalls, it holds nothing but parts
        await parts.write(hands.server, (await bundle.load(hands.reader, step.bundle, hands.key)).parts)
    await beside.delete(hands.server, step.objects)
    for found in await releases.history(hands.server, step.release, step.namespace):
        await releases.delete_record(hands.server, step.release, step.namespace, found.revision)


async def ensure_namespace(server: kube.Cluster, namespace: str) -> bool:
    """Create the App's namespace where it is missing; return whether it was."""
    if await server.get(kinds.NAMESPACE, namespace) is not None:
        return False
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    try:
        await server.create(kinds.NAMESPACE, body)
    except errors.ConflictError:
        return False
    return True


def remains(step: plan.Step, latest: release.Release | None) -> tuple[str, ...]:
    """Return what taking out the release leaves behind."""
    return step.stays or (diff.stays(manifest.split(latest.manifest)) if latest else ())


def objects_of(found: release.Release | None) -> tuple[Json, ...]:
    """Return the objects of a release's manifest."""
    return manifest.split(found.manifest) if found else ()


def _is_done(latest: release.Release | None, step: plan.Step, operation: str) -> bool:
    if step.action is plan.Action.UNINSTALL:
        return latest is None or latest.status == "uninstalled"
    if latest is None or not latest.is_deployed:
        return False
    if step.action is plan.Action.ROLLBACK:
        return latest.revision > (step.revision or 0) and latest.description == f"Rollback to {step.target}"
    return latest.labels.get(OPERATION_LABEL) == operation and latest.revision > (step.revision or 0)


def _is_back(latest: release.Release, step: plan.Step) -> bool:
    """Say whether the step never began here, or was taken back already."""
    return latest.revision == step.revision or latest.description == f"Rollback to {step.revision}"


async def _clear_pending(hands: Hands, step: plan.Step, latest: release.Release | None) -> None:
    """Drop the record that a dead helm left pending: helm would refuse to work on it.

    The objects it may have written already carry Helm's ownership marks, so the next run adopts
    them. The credential that wrote the record is fenced before anybody comes here.
    """
    if latest is None or not latest.is_pending:
        return
    hands.say(f"release {step.release} was left {latest.status}: clearing revision {latest.revision}")
    await releases.delete_record(hands.server, step.release, step.namespace, latest.revision)


async def _clear_older(hands: Hands, step: plan.Step, history: tuple[release.Release, ...]) -> None:
    """Drop what dead helms left pending before the newest revision: helm leaves it so for ever."""
    for found in history[:-1]:
        await _clear_pending(hands, step, found)


def _refuse_foreign(hands: Hands, step: plan.Step, history: tuple[release.Release, ...]) -> None:
    for found in history:
        is_ours = found.labels.get(OPERATION_LABEL) == hands.operation
        is_undone = found.description == f"Rollback to {step.revision}"  # by an earlier try of this operation
        if found.revision > (step.revision or 0) and found.is_deployed and not (is_ours or is_undone):
            raise errors.ConflictError(
                f"release {step.release} has moved to revision {found.revision}",
                where=hands.server.name,
                why=f"planned on revision {step.revision or 'none'}; somebody else changed it since",
                remedy="look at `helm history`, then plan again with `isthmus deploy diff`",
            )


async def _write_parts(hands: Hands, step: plan.Step) -> None:
    """Write what comes after the chart; of a release that is taken out it comes last of all (`purge`)."""
    if step.bundle and _has_more(step) and step.action is not plan.Action.UNINSTALL:
        pinned = await bundle.load(hands.reader, step.bundle, hands.key)
        await parts.write(hands.server, pinned.parts)


def _has_more(step: plan.Step) -> bool:
    """Say whether the bundle holds more than the chart; that of a rollback holds nothing else."""
    return bool(step.objects) or step.action is plan.Action.ROLLBACK


async def _take_back_beside(hands: Hands, step: plan.Step) -> None:
    if step.bundle and _has_more(step):
        pinned = await bundle.load(hands.reader, step.bundle, hands.key)
        await parts.take_back(hands.server, pinned.parts)
        await beside.take_back(hands.server, pinned)


async def _lay_over(hands: Hands, step: plan.Step) -> None:
    """Lay over what the chart wrote what it has no value for; a process may have died just before."""
    if step.bundle:
        await beside.lay_over(hands.server, await bundle.load(hands.reader, step.bundle, hands.key))


async def _upgrade(hands: Hands, step: plan.Step) -> None:
    pinned = await bundle.load(hands.reader, step.bundle or "", hands.key)
    await beside.write(hands.server, pinned, clock=hands.clock, seconds=hands.seconds, say=hands.say)
    await hands.helm.upgrade(
        hands.access,
        release=step.release,
        namespace=step.namespace,
        archive=pinned.archive,
        values=pinned.values,
        labels=_labels(hands),
        description=f"isthmus operation {hands.operation}",
        deadline=hands.seconds,
        on_start=hands.on_start,
        redactor=hands.secrets.joined(hidden.of(pinned)),
    )
    await beside.lay_over(hands.server, pinned)


async def _rollback(hands: Hands, step: plan.Step, revision: int) -> None:
    await hands.helm.rollback(
        hands.access,
        release=step.release,
        namespace=step.namespace,
        revision=revision,
        deadline=hands.seconds,
        on_start=hands.on_start,
        redactor=hands.secrets,
    )


async def _uninstall(hands: Hands, step: plan.Step, *, keep_history: bool) -> None:
    await hands.helm.uninstall(
        hands.access,
        release=step.release,
        namespace=step.namespace,
        keep_history=keep_history,
        deadline=hands.seconds,
        on_start=hands.on_start,
        redactor=hands.secrets,
    )


def _labels(hands: Hands) -> Mapping[str, str]:
    return {OPERATION_LABEL: hands.operation}


def _revision(found: release.Release | None) -> int | None:
    return found.revision if found else None
