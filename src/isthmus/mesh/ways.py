"""MTUs of what lies between clusters, where nobody has measured: per kind of way and per provider."""

from __future__ import annotations

from typing import Final, NamedTuple

from isthmus.mesh import overheads
from isthmus.model import datapath

_WAY = datapath.Way


class Figure(NamedTuple):
    """Bytes of the largest IP packet where the nodes' own MTU is unknown, at most, and who says so."""

    mtu: int
    at_most: int
    source: str


WAYS: Final = {
    _WAY.GCP_VPC: Figure(1460, 8896, "cloud.google.com/vpc/docs/mtu: default 1460, settable to 8896"),
    _WAY.GCP_VPN: Figure(
        1390, 1390, "Cloud VPN mtu-considerations: the gateway's 1460 hold ESP too; 1390 passes"
    ),
    _WAY.AWS_VPC: Figure(9001, 9001, "AWS EC2: jumbo frames in a VPC"),
    _WAY.AWS_PEERING: Figure(9001, 9001, "AWS EC2: jumbo frames over peering in one region"),
    _WAY.AWS_TGW: Figure(8500, 8500, "AWS Transit Gateway quotas"),
    _WAY.AWS_VPN: Figure(1446, 1446, "AWS Site-to-Site VPN, best practices of the customer gateway"),
    _WAY.AZURE_VNET: Figure(
        1500, 9000, "Azure how-to-virtual-machine-mtu: default 1500, to 3900 or (MANA) 9000"
    ),
    _WAY.AZURE_VPN: Figure(1400, 1400, "Azure VPN gateway: tunnel MTU 1400"),
    _WAY.INTERNET: Figure(1296, 1296, "least measured between clouds, without an answer (cilium#47176)"),
}
"""By way (connectivity of the clouds' own documents; the figure of the internet is a measurement)."""

BETWEEN_REGIONS: Final = Figure(
    1500, 1500, "no source for more between AWS regions without a Transit Gateway"
)

PROVIDERS: Final = {
    datapath.Provider.GCP: WAYS[_WAY.GCP_VPC],
    datapath.Provider.AWS: WAYS[_WAY.AWS_VPC],
    datapath.Provider.AZURE: WAYS[_WAY.AZURE_VNET],
}
"""Of nodes in one region; elsewhere Ethernet's."""

ETHERNET: Final = Figure(overheads.ETHERNET, 65535, "Ethernet")


def figure(way: datapath.Way, *, one_region: bool) -> Figure:
    """Return the figure of a way."""
    if way is _WAY.AWS_PEERING and not one_region:
        return BETWEEN_REGIONS
    return WAYS[way]
