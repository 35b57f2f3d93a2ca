"""Objects that a step writes itself, before its chart and outside of Helm's release: certificates, accounts.

They are pinned with the chart in a Secret of their own cluster, so that whoever resumes the operation has
them; plan and journal hold their names. On the way back what stood there before is written again, and what
was not there is deleted. What a chart has no value for is laid over what it wrote. What they say is decided
by whoever drafts.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from isthmus.clients import kinds, redactor
from isthmus.engine import hidden, issued
from isthmus.model import plan as plans
from isthmus.rollout import part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from isthmus.clients import kube
    from isthmus.engine import bundle, wanted
    from isthmus.engine import clock as clocks

Json = dict[str, Any]

KINDS: Final = {
    each.kind: each
    for each in (
        kinds.SECRET,
        kinds.SERVICE_ACCOUNT,
        kinds.CLUSTER_ROLE,
        kinds.CLUSTER_ROLE_BINDING,
        kinds.ROLE,
        kinds.ROLE_BINDING,
        kinds.PEER_AUTHENTICATION,
        kinds.GATEWAY,
        kinds.DEPLOYMENT,
        kinds.CERTIFICATE,
        kinds.SERVICE,
    )
}
"""What may stand beside a chart, and be laid over one."""
HELD: Final = ("data", "spec", "rules", "roleRef")
"""Parts by which it is known whether such an object was changed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """What one cluster gets beside its chart: objects to write, what stands there, what nobody may see.

    `after` is laid over what the chart wrote.
    """

    objects: tuple[Json, ...] = dataclasses.field(default=(), repr=False)
    before: tuple[Json, ...] = dataclasses.field(default=(), repr=False)
    hidden: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    parts: tuple[part.Part, ...] = dataclasses.field(default=(), repr=False)
    """What is written after the chart."""
    after: tuple[Json, ...] = dataclasses.field(default=(), repr=False)


def added(one: wanted.Wanted, more: Beside | None) -> wanted.Wanted:
    """Return what a cluster shall get together with what stands beside its chart."""
    if more is None or not (more.objects or more.parts or more.after):
        return one
    secrets = [*json.loads(one.bundle.metadata.get(hidden.HIDDEN) or "[]"), *more.hidden]
    pinned = dataclasses.replace(
        one.bundle,
        objects=more.objects,
        before=more.before,
        parts=tuple(each.to_json() for each in more.parts),
        after=more.after,
        metadata={**one.bundle.metadata, hidden.HIDDEN: json.dumps(secrets)},
    )
    return dataclasses.replace(
        one,
        bundle=pinned,
        rendered=dataclasses.replace(one.rendered, bundle=pinned.digest),
        secrets=one.secrets.joined(redactor.Redactor.of(more.hidden)),
    )


def named(made: plans.Plan, bundles: Mapping[str, bundle.Bundle]) -> plans.Plan:
    """Return the plan whose steps name what they write beside the chart; a kept release writes nothing."""
    names = {
        cluster: (
            *(label_of(body) for body in pinned.objects),
            *(str(part.Part.from_json(each)) for each in pinned.parts),
        )
        for cluster, pinned in bundles.items()
        if pinned.objects or pinned.parts
    }
    return with_names(made, names) if names else made


def with_names(made: plans.Plan, names: Mapping[str, Sequence[str]]) -> plans.Plan:
    """Return the plan with the names of such objects in the steps of some clusters."""
    return dataclasses.replace(
        made,
        waves=tuple(
            tuple(
                dataclasses.replace(step, objects=tuple(names.get(step.cluster, ())))
                if step.action is not plans.Action.KEEP
                else step
                for step in wave
            )
            for wave in made.waves
        ),
    )


async def write(
    server: kube.Cluster,
    pinned: bundle.Bundle,
    *,
    clock: clocks.Clock,
    seconds: float,
    say: Callable[[str], None],
) -> None:
    """Write the objects, and wait until cert-manager has issued what it is asked for; repeatable."""
    for body in pinned.objects:
        await server.apply(KINDS[body["kind"]], body)
    for body in pinned.objects:
        if body["kind"] == kinds.CERTIFICATE.kind:
            await issued.wait(server, body, clock=clock, seconds=seconds, say=say)


async def moved(server: kube.Cluster, pinned: bundle.Bundle) -> tuple[str, ...]:
    """Return the objects that are no longer as they stood when they were pinned, by name."""
    old, found = {label_of(body): body for body in pinned.before}, []
    for body in pinned.objects:
        meta, label = body["metadata"], label_of(body)
        live = await server.get(KINDS[body["kind"]], meta["name"], meta.get("namespace"))
        before = old.get(label)
        if (live is None) is not (before is None) or (
            live is not None
            and before is not None
            and any(live.get(part) != before[part] for part in HELD if part in before)
        ):
            found.append(label)
    return tuple(found)


async def lay_over(server: kube.Cluster, pinned: bundle.Bundle) -> None:
    """Write the fields that the chart has no value for; repeatable."""
    for body in pinned.after:
        await server.apply(KINDS[body["kind"]], body)


async def take_back(server: kube.Cluster, pinned: bundle.Bundle) -> None:
    """Write again what stood there, and delete what did not; repeatable."""
    old = {label_of(body): body for body in pinned.before}
    for body in reversed(pinned.objects):
        meta, kind = body["metadata"], KINDS[body["kind"]]
        if label_of(body) in old:
            await server.apply(kind, old[label_of(body)])
            continue
        await server.delete(kind, meta["name"], meta.get("namespace"))
        if kind is kinds.CERTIFICATE:  # whose Secret cert-manager leaves
            await server.delete(kinds.SECRET, body["spec"]["secretName"], meta["namespace"])


async def delete(server: kube.Cluster, names: Sequence[str]) -> None:
    """Delete objects by the names that a step has for them."""
    for kind, namespace, name in map(_parts, names):
        await server.delete(KINDS[kind], name, namespace)


def deleted(made: plans.Plan) -> plans.Plan:
    """Return the plan whose steps that uninstall show that they delete such objects too."""
    return dataclasses.replace(made, waves=tuple(tuple(map(_deleting, wave)) for wave in made.waves))


def _deleting(step: plans.Step) -> plans.Step:
    if step.action is not plans.Action.UNINSTALL:
        return step
    gone = tuple(
        plans.Change(verb=plans.Verb.DELETE, kind=kind, namespace=namespace, name=name)
        for kind, namespace, name in map(_parts, step.objects)
    )
    return dataclasses.replace(step, changes=(*step.changes, *gone))


def label(name: str, namespace: str | None, kind: str = kinds.SECRET.kind) -> str:
    """Return how a step names an object."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def label_of(body: Json) -> str:
    """Return how a step names this object."""
    return label(body["metadata"]["name"], body["metadata"].get("namespace"), body["kind"])


def _parts(label: str) -> tuple[str, str | None, str]:
    kind, _, place = label.partition(" ")
    namespace, _, name = place.rpartition("/")
    return kind, namespace or None, name
