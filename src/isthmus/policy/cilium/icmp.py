"""Names of ICMP types as policies may write them since 1.16 (`pkg/policy/api/icmp.go`)."""

from __future__ import annotations

from typing import Final

from isthmus.policy import ports

MOST: Final = 255
NAMES: Final = {
    ports.Protocol.ICMP: {
        "EchoReply": 0, "DestinationUnreachable": 3, "Redirect": 5, "Echo": 8, "EchoRequest": 8,
        "RouterAdvertisement": 9, "RouterSelection": 10, "TimeExceeded": 11, "ParameterProblem": 12,
        "Timestamp": 13, "TimestampReply": 14, "Photuris": 40, "ExtendedEchoRequest": 42,
        "ExtendedEchoReply": 43,
    },
    ports.Protocol.ICMPV6: {
        "DestinationUnreachable": 1, "PacketTooBig": 2, "TimeExceeded": 3, "ParameterProblem": 4,
        "EchoRequest": 128, "EchoReply": 129, "MulticastListenerQuery": 130, "MulticastListenerReport": 131,
        "MulticastListenerDone": 132, "RouterSolicitation": 133, "RouterAdvertisement": 134,
        "NeighborSolicitation": 135, "NeighborAdvertisement": 136, "RedirectMessage": 137,
        "RouterRenumbering": 138, "ICMPNodeInformationQuery": 139, "ICMPNodeInformationResponse": 140,
        "InverseNeighborDiscoverySolicitation": 141, "InverseNeighborDiscoveryAdvertisement": 142,
        "HomeAgentAddressDiscoveryRequest": 144, "HomeAgentAddressDiscoveryReply": 145,
        "MobilePrefixSolicitation": 146, "MobilePrefixAdvertisement": 147,
        "DuplicateAddressRequestCodeSuffix": 157, "DuplicateAddressConfirmationCodeSuffix": 158,
        "ExtendedEchoRequest": 160, "ExtendedEchoReply": 161,
    },
}  # fmt: skip
FAMILIES: Final = {"IPv4": ports.Protocol.ICMP, "IPv6": ports.Protocol.ICMPV6, "": ports.Protocol.ICMP}


def number(written: object, protocol: ports.Protocol) -> int | None:
    """Return the type that a field writes as a number or a name of its family; None when it is none."""
    if isinstance(written, bool):
        return None
    if isinstance(written, str) and written.isascii() and written.isdigit():
        written = int(written)
    if isinstance(written, int):
        return written if 0 <= written <= MOST else None
    return NAMES[protocol].get(str(written))
