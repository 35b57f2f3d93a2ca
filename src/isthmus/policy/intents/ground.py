"""What holds policies in each cluster: who makes its network, and how it is in the mesh."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from isthmus.mesh import settings
from isthmus.model import mesh
from isthmus.policy import world

if TYPE_CHECKING:
    from isthmus.model import fleet


@dataclasses.dataclass(frozen=True, slots=True)
class Ground:
    """One cluster: its network's enforcer, its mode of Istio, its trust domain, whether mTLS is demanded."""

    cluster: str
    enforcer: world.Enforcer
    mesh: world.Mesh
    trust_domain: str
    is_strict: bool


def of(known: fleet.Fleet) -> dict[str, Ground]:
    """Return the ground of each cluster of a Fleet."""
    has_cilium = settings.uses_cilium(known)
    enforcer = world.Enforcer.CILIUM if has_cilium else world.Enforcer.KUBERNETES
    stated = known.spec.mesh.istio if known.spec.mesh else None
    is_strict = stated is None or stated.mtls is mesh.Mtls.STRICT
    found = {}
    for each in known.clusters:
        istio = settings.istio(known, each)
        mode = world.Mesh.NONE if istio is None else world.Mesh(istio.mode.value)
        domain = "cluster.local" if istio is None else istio.trust_domain
        found[each.name] = Ground(each.name, enforcer, mode, domain, is_strict)
    return found
