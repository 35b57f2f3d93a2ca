"""Drafts `connect up` and `connect down`: Cilium as an App with its certificates beside it, then Istio.

The authority comes in; where its key lies is not known here. What is written, the operation writes.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import beside as besides
from isthmus.engine import draft as drafts
from isthmus.engine.connect import istio as istios
from isthmus.engine.connect import look
from isthmus.mesh import settings
from isthmus.mesh.trust import authority as authorities
from isthmus.mesh.trust import leaves, secrets, signers
from isthmus.model import errors
from isthmus.rollout.connect import changes, findings, istio, names, peers, system

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from isthmus.engine import world as worlds
    from isthmus.mesh.trust import sources
    from isthmus.model import finding, fleet
    from isthmus.model import folder as folders
    from isthmus.network import plan as plans
    from isthmus.rollout import part
    from isthmus.rollout.connect import facts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Connected:
    """A draft with what `connect` shows of it beyond the plan: values that change, and certificates."""

    draft: drafts.Draft
    values: tuple[changes.ValueChange, ...] = ()
    trust: Mapping[str, secrets.Trust] = dataclasses.field(default_factory=dict, repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signing:
    """Who signs for ClusterMesh and Hubble, and who for Istio."""

    by: signers.Signer
    istio: sources.Source | None = None
    """Who signs for istiod; without it Istio is left as it is."""

    @property
    def trusts(self) -> tuple[str, ...]:
        """The key ids of the authorities that everybody trusts."""
        return tuple(authorities.key_id(one) for one in signers.roots(self.by))


async def up(
    world: worlds.World,
    made: plans.Plan,
    *,
    folder: Path,
    signing: Signing,
    only: Sequence[str] | None = None,
    adopt: bool = False,
    settle: float = 0.0,
) -> Connected:
    """Ask every cluster, and draft what brings it to the Fleet's Cilium.

    With `settle` the operation waits so many seconds after each wave, for kubelets to bring Secrets to pods.
    """
    known = made.source.fleet
    seen = await look.look(world, known)
    reached = {each.name: peers.of(known, each, seen) for each in known.clusters}
    answering = {name: one for name, one in seen.items() if not one.error}
    app = system.app(
        made,
        peers=reached,
        api_servers={
            name: system.api_server(known.cluster(name), one.api_server) for name, one in answering.items()
        },
        trusts=signing.trusts,
        settle=settle,
    )
    chosen = {name: one for name, one in answering.items() if only is None or name in only}
    now = world.clock.now()
    trust = {name: trusted(known, known.cluster(name), one, signing, now) for name, one in chosen.items()}
    told = {name: _named(made.source, name, one) for name, one in chosen.items()}
    beside = {name: _beside(one, told[name]) for name, one in trust.items()}
    draft = await drafts.up(world, app, known, folder=folder, only=only, beside=beside)
    # One that is silent altogether has no step, and the plan says what that means.
    failed = {step.cluster: seen[step.cluster].error for step in draft.plan.steps if seen[step.cluster].error}
    said = [
        *findings.of_fleet(known),
        *findings.unread(failed, draft.plan.findings),
        *findings.plain(known),
        *findings.plain_hosts(known),
        *itertools.chain.from_iterable(
            findings.of_cluster(known, known.cluster(name), one) for name, one in chosen.items()
        ),
        *findings.adoption(chosen, adopt=adopt),
        *findings.of_trust(trust, known=signing.trusts),
        *itertools.chain.from_iterable(
            signers.findings(
                signing.by,
                name,
                wanted(known, known.cluster(name), one),
                one.secrets,
                standing=one.managed,
                now=now,
            )
            for name, one in chosen.items()
        ),
        *findings.waiting(known, reached, only),
        *itertools.chain.from_iterable(
            names.findings(made.source, name, one) for name, one in chosen.items()
        ),
        *names.limits(made.source),
    ]
    values = itertools.chain.from_iterable(
        changes.of(name, one.values, app.values_for(name)) for name, one in chosen.items()
    )
    connected = Connected(draft=_with(draft, said), values=tuple(values), trust=trust)
    if signing.istio is None or not istio.members(known):
        return connected
    more = await istios.up(
        world,
        known,
        folder=folder,
        source=signing.istio,
        chosen=tuple(chosen),
        adopt=adopt,
    )
    return _beside_istio(connected, more)


async def down(
    world: worlds.World, known: fleet.Fleet, *, only: Sequence[str] | None = None, adopt: bool = False
) -> Connected:
    """Draft taking Cilium out, with the certificates that we made."""
    draft = await drafts.down(world, system.shell(known), known, only=only)
    seen = await look.look(world, known)
    ours = {
        name: [
            *(  # before their Secrets, which they make
                besides.label(asking, leaves.NAMESPACE, kinds.CERTIFICATE.kind)
                for asking, body in (one.managed or {}).items()
                if asking in leaves.SECRETS and secrets.is_ours(body)
            ),
            *(
                besides.label(secret, leaves.NAMESPACE)
                for secret, body in one.secrets.items()
                if secrets.is_ours(body)
            ),
        ]
        for name, one in seen.items()
    }
    draft = dataclasses.replace(draft, plan=besides.deleted(besides.with_names(draft.plan, ours)))
    draft = drafts.leaving(draft, {name: names.out(one) for name, one in seen.items()})
    goes = [step.cluster for step in draft.plan.steps if step.action != "keep"]
    foreign = {name: one for name, one in seen.items() if name in goes}
    said = [*findings.adoption(foreign, adopt=adopt), *findings.down(goes)]
    made = Connected(draft=_with(draft, said))
    return _beside_istio(made, await istios.down(world, known, only=only, adopt=adopt))


def _beside_istio(made: Connected, more: istios.Drafted) -> Connected:
    """Return the draft with Istio after Cilium in each cluster."""
    draft = functools.reduce(drafts.joined, more.drafts, made.draft)
    plan = dataclasses.replace(draft.plan, closings=more.closings)
    draft = _with(dataclasses.replace(draft, plan=plan), more.findings)
    return dataclasses.replace(made, draft=draft, values=(*made.values, *more.values))


def trusted(
    known: fleet.Fleet, cluster: fleet.Cluster, seen: facts.Facts, signing: Signing, now: dt.datetime
) -> secrets.Trust:
    """Return which certificates of a cluster are kept, and those issued anew."""
    return signers.settle(
        signing.by,
        cluster.name,
        wanted(known, cluster, seen),
        seen.secrets,
        standing=seen.managed,
        labels={},
        random=os.urandom,
        now=now,
    )


def wanted(known: fleet.Fleet, cluster: fleet.Cluster, seen: facts.Facts) -> tuple[leaves.Leaf, ...]:
    """Return the certificates that a cluster needs."""
    return leaves.of(
        cluster,
        is_meshed=len(known.clusters) > 1,
        hubble=settings.has_hubble(known),
        names=peers.names(seen),
    )


def _named(source: folders.Folder, name: str, seen: facts.Facts) -> tuple[part.Part, ...]:
    """Return what a cluster's DNS is told; what cannot be told is a finding that stops the plan."""
    try:
        return names.of(source, name, seen)
    except errors.InputError:
        return ()


def _beside(trust: secrets.Trust, told: tuple[part.Part, ...]) -> besides.Beside:
    hidden = (*secrets.keys(trust.objects), *secrets.keys(trust.before))
    return besides.Beside(objects=trust.objects, before=trust.before, hidden=hidden, parts=told)


def _with(draft: drafts.Draft, said: Sequence[finding.Finding]) -> drafts.Draft:
    made = dataclasses.replace(draft.plan, findings=(*draft.plan.findings, *said))
    return dataclasses.replace(draft, plan=made)
