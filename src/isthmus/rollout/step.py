"""The step of one cluster: what its release needs, forward, back to an earlier revision, or out.

Pure; waves, gates and findings are put around the steps by `plan`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.model import app as apps
from isthmus.model import plan
from isthmus.rollout import diff, manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import fleet as fleets
    from isthmus.rollout import observed

Json = dict[str, Any]


def membership(app: apps.App, cluster: str) -> apps.Membership:
    """Return how much the App depends on a cluster; one that it left was asked for by name."""
    member = app.spec.clusters.get(cluster)
    return member.membership if member is not None else apps.Membership.REQUIRED


def base(app: apps.App, fleet: fleets.Fleet, cluster: str, seen: observed.Observed) -> plan.Step:
    """Return the step that changes nothing, on which the others are built."""
    return plan.Step(
        cluster=cluster,
        context=fleet.cluster(cluster).context,
        action=plan.Action.KEEP,
        release=app.release,
        namespace=app.namespace,
        revision=seen.revision,
        membership=membership(app, cluster),
        fenced=seen.fenced,
    )


def up(kept: plan.Step, wanted: observed.Rendered, seen: observed.Observed) -> plan.Step:
    """Return the step that brings a cluster to what the chart renders; nothing differs: it is kept."""
    shaky = manifest.unstable(wanted.first, wanted.second)
    changes = _changes(kept, wanted, seen, shaky)
    latest = seen.latest
    is_same = (
        latest is not None
        and latest.is_deployed
        and not changes
        and manifest.digest(manifest.split(latest.manifest), shaky) == manifest.digest(wanted.first, shaky)
    )
    is_new = kept.revision is None
    return dataclasses.replace(
        kept,
        action=plan.Action.KEEP if is_same else plan.Action.INSTALL if is_new else plan.Action.UPGRADE,
        bundle=wanted.bundle,
        manifest=manifest.digest(wanted.first, shaky),
        unstable=shaky,
        changes=changes,
        restarts=() if is_same else diff.restarts(seen.pairs),
        waits=seen.waits if is_same else "",
        stays=(*_new_namespace(kept, seen), *diff.stays(wanted.first)) if is_new else (),
        no_return=() if is_new else seen.stuck,
    )


def back(kept: plan.Step, target: int, seen: observed.Observed) -> plan.Step:
    """Return the step to an earlier revision; without a manifest when Helm's history no longer holds it."""
    latest, goal = seen.latest, seen.at(target)
    if latest is not None and latest.revision == target and latest.is_deployed:
        return dataclasses.replace(kept, action=plan.Action.KEEP)
    if goal is None or latest is None:
        return dataclasses.replace(kept, action=plan.Action.ROLLBACK, target=target)
    new = manifest.split(goal.manifest)
    return dataclasses.replace(
        kept,
        action=plan.Action.ROLLBACK,
        target=target,
        manifest=manifest.digest(new),
        changes=(*_compared(seen), *seen.more, *diff.removed(manifest.split(latest.manifest), new)),
        restarts=diff.restarts(seen.pairs),
        no_return=seen.stuck,
    )


def out(kept: plan.Step, seen: observed.Observed) -> plan.Step:
    """Return the step that uninstalls the release, with what stays behind."""
    if seen.latest is None:
        return kept
    objects = manifest.split(seen.latest.manifest)
    return dataclasses.replace(
        kept,
        action=plan.Action.UNINSTALL,
        changes=diff.removed(objects, ()),
        stays=diff.stays(objects),
    )


def _changes(
    kept: plan.Step, wanted: observed.Rendered, seen: observed.Observed, shaky: Sequence[str]
) -> tuple[plan.Change, ...]:
    old = manifest.split(seen.latest.manifest) if seen.latest else ()
    space = () if seen.exists else (_namespace(kept),)
    stable = (_without(change, shaky) for change in _compared(seen))
    found = tuple(change for change in stable if change is not None)
    return (*space, *found, *seen.more, *diff.removed(old, wanted.first))


def _compared(seen: observed.Observed) -> tuple[plan.Change, ...]:
    return tuple(change for live, result in seen.pairs if (change := diff.compare(live, result)))


def _namespace(kept: plan.Step) -> plan.Change:
    return plan.Change(verb=plan.Verb.CREATE, kind="Namespace", namespace=None, name=kept.namespace)


def _new_namespace(kept: plan.Step, seen: observed.Observed) -> tuple[str, ...]:
    return () if seen.exists else (f"Namespace {kept.namespace}",)


def _without(change: plan.Change, shaky: Sequence[str]) -> plan.Change | None:
    """Drop the fields that differ on every render; nothing left is no change."""
    if change.verb is not plan.Verb.UPDATE:
        return change
    label = f"{change.kind}/{change.name}"
    fields = tuple(path for path in change.fields if not _is_shaky(label, path, shaky))
    return dataclasses.replace(change, fields=fields) if fields else None


def _is_shaky(label: str, path: str, shaky: Sequence[str]) -> bool:
    """Say whether a path differs on every render; the server turns a Secret's `stringData` into `data`."""
    written = f"stringData.{path.removeprefix('data.')}" if path.startswith("data.") else path
    return f"{label}:{path}" in shaky or f"{label}:{written}" in shaky
