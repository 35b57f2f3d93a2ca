"""Bytes that headers take from a pod's packet, and what that costs; whether it is too much says `network`.

Cilium takes one underlay MTU, the Helm value `MTU` or the smallest of a node's interfaces. The pods' devices
get it as it is and their routes get it less the overheads below (1.20 pkg/mtu/mtu.go: DeviceMTU, RouteMTU).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from isthmus.mesh import settings, versions
from isthmus.model import datapath

TUNNEL: Final = {datapath.Underlay.IPV4: 50, datapath.Underlay.IPV6: 70}
"""VXLAN or Geneve: outer IP 20 or 40, UDP 8, header 8, inner Ethernet 14 (Cilium 1.20 pkg/mtu/mtu.go)."""

DSR: Final = 12
"""The Geneve option of direct server return (same file, DsrTunnelOverhead)."""

IPSEC: Final = 77
"""ESP with an authentication key of 16 bytes; a longer key adds its difference (same file)."""

AUTH_KEY: Final = 16
"""Bytes of the recommended key of IPsec (same file, EncryptionDefaultAuthKeyLength)."""

WIREGUARD: Final = 95
"""Since Cilium 1.19.5: 32 of WireGuard, IPv6 40, UDP 8 and 15 of padding (cilium#45940, for cilium#37919)."""

WIREGUARD_BEFORE: Final = 80
"""The same without padding (Cilium 1.18.0 and 1.19.0 pkg/mtu/mtu.go)."""

IPV6_MIN: Final = 1280
"""The least MTU of a link that carries IPv6 (RFC 8200 §5; Cilium 1.20 pkg/mtu/mtu.go, IPv6MinMTU)."""

IPV4_MIN: Final = 576
"""The packet that each IPv4 host takes (RFC 791)."""

ETHERNET: Final = 1500
"""Bytes of an Ethernet frame's payload, where nothing else is known (Cilium 1.20 pkg/mtu/mtu.go)."""

SHOWN: Final = (1500, 9000)
"""Underlay MTUs for which a cost is shown: Ethernet, and jumbo frames."""


class Header(NamedTuple):
    """What one layer adds to each packet, and what a NIC must do so that it costs no processor."""

    name: str
    size: int
    """Bytes."""
    offload: str


class Cost(NamedTuple):
    """The price of a datapath for each packet."""

    datapath: settings.Datapath
    headers: tuple[Header, ...]

    @property
    def size(self) -> int:
        """Bytes of all headers."""
        return sum(each.size for each in self.headers)

    def lost(self, underlay_mtu: int) -> float:
        """Return the fraction of throughput that headers take from full packets: their bytes / the MTU.

        Native routing without encryption loses nothing; 50 bytes of 1500 are 3.3 %, of 9000 they are 0.6 %
        (the same sum as Cilium 1.20 concepts/routing.rst, 'MTU Overhead').
        """
        return self.size / underlay_mtu


def cost(path: settings.Datapath, *, dsr: bool = False, auth_key: int = AUTH_KEY) -> Cost:
    """Return what a datapath adds to a packet; tunnel and encryption both count."""
    headers: list[Header] = []
    if path.is_tunnel:
        headers.append(_tunnel(path, dsr=dsr and path.encapsulation is datapath.Encapsulation.GENEVE))
    if path.encryption is datapath.Encryption.WIREGUARD:
        old = versions.before(path.version, 1, 19, 5)
        word = "none: WireGuard is encrypted by the nodes' processors, one packet after another"
        headers.append(Header("WireGuard", WIREGUARD_BEFORE if old else WIREGUARD, word))
    elif path.encryption is datapath.Encryption.IPSEC:
        word = "ESP in the NIC (esp-hw-offload), which few clouds have; else AES instructions"
        headers.append(Header("IPsec", IPSEC + auth_key - AUTH_KEY, word))
    return Cost(path, tuple(headers))


def _tunnel(path: settings.Datapath, *, dsr: bool) -> Header:
    name = "VXLAN" if path.encapsulation is datapath.Encapsulation.VXLAN else "Geneve"
    family = "IPv4" if path.underlay is datapath.Underlay.IPV4 else "IPv6"
    offload = (
        "segmentation and checksums of UDP tunnels "
        "(ethtool -k: tx-udp_tnl-segmentation, tx-udp_tnl-csum-segmentation)"
    )
    size = TUNNEL[path.underlay] + (DSR if dsr else 0)
    return Header(f"{name} over {family}" + (" with DSR" if dsr else ""), size, offload)


def size(path: settings.Datapath) -> int:
    """Return the bytes of all headers of a datapath."""
    return cost(path).size


def choices(path: settings.Datapath) -> tuple[Cost, ...]:
    """Return the costs of every routing and encryption on the underlay of a datapath, cheapest first."""
    found = [
        cost(path._replace(routing=routing, encryption=encryption))
        for routing in datapath.Routing
        for encryption in datapath.Encryption
    ]
    return tuple(sorted(found, key=lambda each: each.size))
