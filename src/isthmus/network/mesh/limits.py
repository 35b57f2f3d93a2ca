"""Holds a Fleet against the limits of Cilium ClusterMesh and Istio, before anybody builds a cluster.

Only what the Fleet states is judged: without `network` there is nothing to say of Cilium, without `mesh` of
Istio, and `cni: none` means that Cilium is not there at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.mesh import settings
from isthmus.network.mesh import beside, clustermesh, features, servicemesh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import finding, folder
    from isthmus.network import place
    from isthmus.network.ipam import ranges


def findings(
    source: folder.Folder, places: place.Places, given: Sequence[ranges.Ranges] = ()
) -> Iterator[finding.Finding]:
    """Yield what goes beyond a limit; `given` are the clusters' ranges, else those that the Fleet pins."""
    known = source.fleet
    if settings.uses_cilium(known) and settings.states_network(known):
        here = [settings.cilium(known, each) for each in known.clusters]
        yield from clustermesh.findings(known, here, places)
        yield from features.findings(known, here, places, given)
    if settings.states_mesh(known):
        joined = servicemesh.members(known)
        yield from servicemesh.findings(known, joined, places)
        yield from beside.findings(known, joined, places)
