"""Sends packets between clusters from probe pods, as `connect verify` does, and hands on what came through.

Only what no agent tells: pods by IP over TCP and UDP, and the largest packet.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from isthmus.analysis.snapshot import Missing, Proof, Site
from isthmus.engine.connect import asking, verify
from isthmus.mesh import overheads, settings
from isthmus.model import datapath
from isthmus.rollout.connect.proof import objects, questions

if TYPE_CHECKING:
    from isthmus.engine import world as worlds

PATIENCE: Final = asking.Patience(seconds=6.0)
"""How long what fails is asked again: doctor looks at a mesh that has had its time to settle."""
LEGS: Final = (questions.Leg.POD_TCP, questions.Leg.POD_UDP)

Mtus = Mapping[tuple[str, str], int]
"""Bytes of the largest packet between pods that the plan says, by (from, to)."""


async def probe(
    world: worlds.World,
    sites: Sequence[Site],
    *,
    planned: Mtus,
    image: str,
    say: Callable[[str, str], None],
) -> tuple[Proof, ...] | Missing:
    """Return what came through between meshed clusters; a cluster without probes is not proved."""
    names = tuple(each.cluster for each in sites)
    if len(names) < 2:
        return Missing(why="a probe goes from one meshed cluster to another, and there are not two")
    wanted = objects.Probes(run=secrets.token_hex(4), image=image or objects.IMAGE, clusters=names)
    found = await verify.verify(world, wanted, asked(sites, planned), say=say, patience=PATIENCE)
    _told(found, say)
    return tuple(
        Proof(
            source=cell.source,
            target=cell.target,
            leg=proof.leg.value,
            state=proof.state.value,
            why=proof.why,
            figures=proof.figures,
        )
        for cell in found.cells
        for proof in cell.proofs
    )


def _told(found: verify.Report, say: Callable[[str, str], None]) -> None:
    for name, error in found.absent.items():
        say(name, f"no probe: {error.brief}")


def asked(sites: Sequence[Site], planned: Mtus) -> tuple[questions.Question, ...]:
    """Return the questions among clusters; the size is the plan's, else that of the smaller end."""
    found = []
    for one in sites:
        for other in sites:
            if one is other:
                continue
            pair = (one.cluster, other.cluster)
            found += [questions.Question(source=pair[0], leg=leg, targets=(pair[1],)) for leg in LEGS]
            size = planned.get(pair) or _smaller(one, other)
            if size:
                found.append(
                    questions.Question(
                        source=pair[0], leg=questions.Leg.PACKET, targets=(pair[1],), planned=size
                    )
                )
    return tuple(found)


def _smaller(one: Site, other: Site) -> int | None:
    sizes = [size for each in (one, other) if (size := _route(each)) is not None]
    return min(sizes) if len(sizes) == 2 else None


def _route(site: Site) -> int | None:
    """Return what pods of a cluster may send: what their device takes, less the headers of the datapath."""
    if isinstance(site.agents, Missing):
        return None
    known = [each.mtus["cilium_host"] for each in site.agents if not isinstance(each.mtus, Missing)
             and "cilium_host" in each.mtus]  # fmt: skip
    network = site.live.network if site.live else None
    if not known or network is None:
        return None
    path = settings.Datapath(
        routing=network.routing or datapath.Routing.TUNNEL,
        encapsulation=network.encapsulation or datapath.Encapsulation.VXLAN,
        underlay=network.underlay or datapath.Underlay.IPV4,
        encryption=network.encryption or datapath.Encryption.NONE,
        version=network.version,
    )
    return min(known) - overheads.size(path)
