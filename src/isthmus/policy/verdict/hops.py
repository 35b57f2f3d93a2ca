"""The hops of one connection as the wire carries them: what a network policy sees is not always the port.

Source: Istio's platform notes and Cilium's `Documentation/network/servicemesh/istio.rst`. A sidecar's mutual
TLS keeps the pod's port and hides what is inside; ambient wraps all in HTTP CONNECT to port 15008, and a
waypoint stands between as an endpoint of its own.
"""

from __future__ import annotations

import itertools
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.policy import decide, ports, world

if TYPE_CHECKING:
    from isthmus.policy import layer7

HBONE: Final = 15008
"""The port of ztunnel's tunnel (Istio `pkg/hbone`)."""


class Carried(StrEnum):
    """What the bytes of a hop look like to who stands between."""

    PLAIN = "plain"
    MUTUAL_TLS = "mtls"
    HBONE = "hbone"


class Hop(NamedTuple):
    """One hop: what a network policy sees of it, how it is carried, and the request where it can be read."""

    ask: decide.Ask
    carried: Carried
    request: layer7.Request | None = None


class Call(NamedTuple):
    """A connection between two endpoints as the application means it."""

    source: world.Endpoint
    destination: world.Endpoint
    protocol: ports.Protocol
    port: int
    request: layer7.Request | None = None


def hops(call: Call, *, is_mutual: bool, waypoint: world.Endpoint | None = None) -> tuple[Hop, ...]:
    """Return the hops of a call; `is_mutual` says whether a sidecar speaks mutual TLS to the other side."""
    plain = decide.Ask(call.source, call.destination, call.protocol, call.port)
    meshed = {call.source.mesh, call.destination.mesh}
    if call.protocol is not ports.Protocol.TCP or world.Mesh.NONE in meshed:
        return (Hop(plain, Carried.PLAIN, call.request),)
    if world.Mesh.AMBIENT in meshed:
        stops = [call.source, *([waypoint] if waypoint else []), call.destination]
        tunnels = itertools.pairwise(stops)
        return tuple(
            Hop(decide.Ask(one, other, ports.Protocol.TCP, HBONE), Carried.HBONE) for one, other in tunnels
        )
    if is_mutual:
        return (Hop(plain, Carried.MUTUAL_TLS),)
    return (Hop(plain, Carried.PLAIN, call.request),)
