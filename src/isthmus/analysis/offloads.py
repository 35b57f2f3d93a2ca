"""What the nodes' interfaces do for encapsulated packets: what is off costs CPU.

Nothing is broken by it, so it is never more than a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.analysis import report
from isthmus.analysis.snapshot import Missing, Site, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.analysis.snapshot import Interface

TROUBLE: Final = 16
PLAIN: Final = ("tx-tcp-segmentation", "tx-checksum-ip-generic", "rx-gro")
TUNNEL: Final = ("tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation")
"""Features as `ethtool -k` names them, for all packets and for those in a UDP tunnel."""
SAME: Final = {"tx-checksum-ip-generic": "tx-checksum-ipv4"}
"""Drivers have one or the other for the same thing."""
NOT_OF: Final = {"rx-gro": frozenset({"veth"})}
"""Features that a driver does without: a veth hands packets over as large as its peer made them."""


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield nodes whose interface leaves work to the processor."""
    for site in seen.answering:
        if isinstance(site.interfaces, Missing):
            yield report.unchecked(TROUBLE, site, "offloads of interfaces", site.interfaces)
            continue
        unread: dict[Missing, list[str]] = {}
        lacking: dict[tuple[str, ...], list[str]] = {}
        for node, found in site.interfaces.items():
            if isinstance(found, Missing):
                unread.setdefault(found, []).append(node)
            elif off := missing(found, is_tunnel=site.setting("routing-mode") != "native"):
                lacking.setdefault(off, []).append(node)
        for why, nodes in unread.items():
            yield report.unchecked(TROUBLE, site, f"offloads of interfaces on {len(nodes)} nodes", why)
        for off, nodes in lacking.items():
            yield _told(site, off, nodes)


def missing(found: Sequence[Interface], *, is_tunnel: bool) -> tuple[str, ...]:
    """Return which features a node lacks on some device, each as `DEVICE FEATURE`."""
    wanted = (*PLAIN, *(TUNNEL if is_tunnel else ()))
    return tuple(
        f"{each.name} {feature}"
        for each in found
        for feature in wanted
        if not (each.features.get(feature) or each.features.get(SAME.get(feature, feature)))
        and each.driver not in NOT_OF.get(feature, ())
    )


def _told(site: Site, off: tuple[str, ...], nodes: list[str]) -> report.Diagnosis:
    more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
    words = ", ".join(off)
    first = off[0].partition(" ")
    return report.found(
        TROUBLE,
        "offloads-missing",
        site,
        f"on {nodes[0]}{more} the interface leaves work to the processor: {words}",
        f"on the node: ethtool -K {first[0]} {first[2]} on (where the driver has it), or another type "
        "of machine",
        severity=report.Severity.WARNING,
        kind="Node",
        name=nodes[0],
        evidence=(words,),
    )
