"""A flow as Hubble tells of it, and how it is read from a line of its JSON.

Lines are what the exporter writes and `hubble observe -o jsonpb` prints: `{"flow": {…}}` with the names of
`flow.proto` (Cilium 1.20 `api/v1/flow`), or the flow alone.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS: Final = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
TYPES: Final = {"ICMPv4": "icmp", "ICMPv6": "icmpv6"}
WORLD: Final = "reserved:world"
POLICY: Final = frozenset({"POLICY_DENIED", "POLICY_DENY", "AUTH_REQUIRED"})
"""Reasons of a drop that a policy is to blame for (`DropReason` 133, 181, 189)."""


class Fate(StrEnum):
    """What became of a flow."""

    PASSED = "passed"
    DENIED = "denied"


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """One end of a flow: labels as Cilium has them (`k8s:app=web`, `reserved:world`)."""

    cluster: str
    namespace: str | None
    name: str
    kind: str
    labels: tuple[str, ...]
    address: str | None = None
    names: tuple[str, ...] = ()
    """DNS names of the address."""


@dataclasses.dataclass(frozen=True, slots=True)
class Flow:
    """One observed connection or packet, the way it was opened; for ICMP `port` is the type."""

    source: End
    destination: End
    protocol: str
    port: int
    fate: Fate


def read(data: Mapping[str, Any]) -> Flow | None:
    """Return the flow of one object; None for replies, for what is no connection, and for other drops.

    ValueError when the object is none of Hubble's.
    """
    flow = data.get("flow", data)
    if not isinstance(flow, dict) or "verdict" not in flow:
        raise ValueError("there is no `flow` with a `verdict`")
    fate = _fate(flow)
    layer4 = _layer4(flow.get("l4"))
    if fate is None or layer4 is None or flow.get("is_reply") is True:
        return None
    where = flow.get("IP") or {}
    return Flow(
        source=_end(flow.get("source"), where.get("source"), flow.get("source_names")),
        destination=_end(flow.get("destination"), where.get("destination"), flow.get("destination_names")),
        protocol=layer4[0],
        port=layer4[1],
        fate=fate,
    )


def _fate(flow: Mapping[str, Any]) -> Fate | None:
    verdict = flow["verdict"]
    if verdict in {"FORWARDED", "REDIRECTED", "AUDIT"}:
        return Fate.PASSED
    is_policy = flow.get("drop_reason_desc") in POLICY
    return Fate.DENIED if verdict == "DROPPED" and is_policy else None


def _layer4(layer: object) -> tuple[str, int] | None:
    if not isinstance(layer, dict):
        return None
    for key, name in PORTS.items():
        found = layer.get(key)
        if isinstance(found, dict) and isinstance(found.get("destination_port"), int):
            return name, found["destination_port"]
    for key, name in TYPES.items():
        found = layer.get(key)
        if isinstance(found, dict):
            return name, int(found.get("type") or 0)
    return None


def _end(data: object, address: object, names: object) -> End:
    found = data if isinstance(data, dict) else {}
    labels = tuple(sorted(str(each) for each in found.get("labels") or ()))
    workloads = found.get("workloads")
    first = workloads[0] if isinstance(workloads, list) and workloads else {}
    pod = str(found.get("pod_name") or "")
    told = tuple(str(each) for each in names) if isinstance(names, list) else ()
    outside = (told[0] if told else address) if WORLD in labels else None
    shown = str(first.get("name") or pod or outside or next(iter(labels), "") or address or "unknown")
    return End(
        cluster=str(found.get("cluster_name") or "default"),
        namespace=str(found["namespace"]) if found.get("namespace") else None,
        name=shown,
        kind=str(first.get("kind") or ("Pod" if pod else "Identity")),
        labels=labels,
        address=str(address) if address else None,
        names=told,
    )
