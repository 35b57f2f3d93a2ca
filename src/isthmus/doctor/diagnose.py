"""The whole of it: look at every cluster, send packets where that is asked for, and say what is wrong."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.analysis import checks, snapshot
from isthmus.doctor import collect, interfaces, probing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from isthmus.engine import world as worlds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked at: contexts by cluster, what the Fleet plans, and whether packets are sent."""

    contexts: Mapping[str, str]
    planned: snapshot.Planned | None = None
    pod_mtus: probing.Mtus = dataclasses.field(default_factory=dict)
    is_probing: bool = False
    image: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examined:
    """What was seen, and what is to say of it."""

    seen: snapshot.Snapshot = dataclasses.field(repr=False)
    report: checks.Report

    @property
    def has_silent(self) -> bool:
        """Say whether a cluster did not answer."""
        return len(self.seen.answering) < len(self.seen.sites)

    def to_json(self) -> dict[str, Any]:
        """Return the public form; nothing of a Secret is in it."""
        return {
            "clusters": [
                {
                    "cluster": site.cluster,
                    "context": site.context,
                    "name": site.name if site.silent is None else None,
                    "error": site.silent.why if site.silent else None,
                }
                for site in self.seen.sites.values()
            ],
            **self.report.to_json(),
        }


async def diagnose(world: worlds.World, wanted: Wanted, *, say: Callable[[str, str], None]) -> Examined:
    """Look at the clusters of a world and say what is wrong; `say` hears (cluster, words)."""
    sites = await collect.collect(world.clusters, wanted.contexts, say=say)
    seen = snapshot.Snapshot(sites=sites, now=world.clock.now(), planned=wanted.planned)
    if wanted.is_probing:
        seen = await _probed(world, wanted, seen, say)
    return Examined(seen=seen, report=checks.examine(seen))


async def _probed(
    world: worlds.World, wanted: Wanted, seen: snapshot.Snapshot, say: Callable[[str, str], None]
) -> snapshot.Snapshot:
    """Return the snapshot with what pods found out: packets between clusters, and interfaces of nodes."""
    proofs, devices = await asyncio.gather(
        probing.probe(world, seen.meshed, planned=wanted.pod_mtus, image=wanted.image, say=say),
        interfaces.read(world, seen.answering, image=wanted.image, say=say),
    )
    sites = {
        name: dataclasses.replace(site, interfaces=devices[name]) if name in devices else site
        for name, site in seen.sites.items()
    }
    return dataclasses.replace(seen, proofs=proofs, sites=sites)
