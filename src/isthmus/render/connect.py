"""What `connect` says for people: values that change, certificates, and how every cluster stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from isthmus.render import certificates, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.rollout.connect import changes

LONGEST = 40
"""Characters of a value; `-o json` has all of them."""


def values_text(found: Sequence[changes.ValueChange], *, width: int = table.WIDTH) -> str:
    """Return the values that change, each with what it was; empty where none does."""
    if not found:
        return ""
    rows = [(each.cluster, each.path, f"{_shown(each.old)} → {_shown(each.new)}") for each in found]
    lines = table.columns(rows, ("CLUSTER", "VALUE", "CHANGE"), width=width)
    return "\n".join(["Helm values that change:", *lines])


def status_text(body: Mapping[str, Any], *, width: int = table.WIDTH) -> str:
    """Return how every cluster stands, its certificates and peers, and the operation on it."""
    rows = [_row(each) for each in body["clusters"]]
    head = ("CLUSTER", "RELEASE", "AGENTS", "OPERATOR", "MESH", "RELAY", "MTU", "CHART")
    lines = table.columns(rows, head, width=width)
    held = [row for each in body["clusters"] for row in certificates.rows(each)]
    if held:
        lines += ["", *table.columns(held, certificates.HEADER, width=width)]
    peers = [row for each in body["clusters"] for row in _peers(each)]
    if peers:
        lines += ["", *table.columns(peers, ("CLUSTER", "PEER", "REACHED AT"), width=width)]
    shared = [row for each in body.get("services") or () for row in _services(each)]
    if shared:
        titles = ("SERVICE", "CLUSTER", "GLOBAL", "EXPORTED", "PORTS")
        lines += ["", *table.columns(shared, titles, width=width)]
    meshed = [row for each in body["clusters"] for row in _istio(each)]
    if meshed:
        header = ("CLUSTER", "ISTIO", "ISTIOD", "MTLS", "READS", "STATE", "ENDPOINTS", "TOKEN DAYS")
        lines += ["", *table.columns(meshed, header, width=width)]
    crossed = [row for each in body["clusters"] for row in _gateways(each)]
    if crossed:
        ways = ("CLUSTER", "NETWORK", "GATEWAY", "REACHED AT", "SENDS TO")
        lines += ["", *table.columns(crossed, ways, width=width)]
    return "\n".join([*lines, "", _operation(body)])


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    if one["error"]:
        return (one["cluster"], "unknown", "-", "-", "-", "-", "-", one["error"])
    found = one["release"]
    if found is None:
        return (one["cluster"], "none", "-", "-", "-", "-", "-", "not installed")
    parts = (_component(one[name]) for name in ("agents", "operator", "mesh", "relay"))
    chart = found["chart"] + ("" if found["ours"] else " (not installed by isthmus)")
    release = f"{found['revision']} {found['status']}"
    return (one["cluster"], release, *parts, one["settings"].get("mtu", "auto"), chart)


def _component(found: Mapping[str, int] | None) -> str:
    return f"{found['ready']}/{found['desired']}" if found else "-"


def _peers(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    seen = one["peers"] if one["release"] else ()
    return [(one["cluster"], each["cluster"], ", ".join(each["configured"]) or "not yet") for each in seen]


def _services(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    name = f"{one['namespace']}/{one['service']}"
    return [
        (
            name,
            each["cluster"],
            _global(each),
            "yes" if each["exported"] else "no",
            ", ".join(each["ports"]),
        )
        if each["present"]
        else (name, each["cluster"], "not there", "-", "-")
        for each in one["clusters"]
    ]


def _global(one: Mapping[str, Any]) -> str:
    if not one["global"]:
        return "no"
    kept = "" if one["shared"] else ", keeps its backends"
    return "yes" + kept + (f", {one['affinity']} first" if one["affinity"] else "")


def _istio(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of a cluster's Istio: one for each cluster that its istiod reads."""
    found = one.get("istio")
    if found is None:
        return []
    release = found["releases"].get("istiod")
    mtls = "strict" if found["strict"] else "plain too"
    stands = f"of {found['primary']}" if found["primary"] else _component(found["istiod"])
    head = (one["cluster"], release["chart"] if release else "-", stands, mtls)
    rows = [
        (
            each["cluster"],
            _read(each, found["error"]),
            str(each["endpoints"]),
            "-" if each["days"] is None else str(each["days"]),
        )
        for each in found["remotes"]
    ] or [("-", found["error"] or "-", "-", "-")]
    return [(*(head if place == 0 else ("", "", "", "")), *row) for place, row in enumerate(rows)]


def _gateways(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of a cluster's east-west gateway: one for each network that its istiod sends to."""
    found = one.get("istio")
    if found is None or found["gateway"] is None:
        return []
    here = found["gateway"]
    head = (
        one["cluster"],
        found["network"] or "-",
        _component(here),
        ", ".join(here["reached"]) or "not yet",
    )
    others = [each for each in found["gateways"].items() if each[0] != found["network"]]
    rows = [f"{network} at {', '.join(places)}" for network, places in sorted(others)] or ["-"]
    return [(*(head if place == 0 else ("", "", "", "")), row) for place, row in enumerate(rows)]


def _read(each: Mapping[str, Any], error: str | None) -> str:
    """Say how a cluster is read: what istiod calls a timeout may be all that it is allowed to."""
    state = each["state"] or error or "not listed"
    return f"read ({state})" if each["read"] and state != "synced" else state


def _operation(body: Mapping[str, Any]) -> str:
    found = body["operation"]
    if body["error"]:
        return f"operation: unknown: {body['error']}"
    if found is None:
        return "operation: none yet"
    stands = found["outcome"] or found["phase"]
    return f"operation: {found['id']} {stands}" + (f": {found['reason']}" if found["reason"] else "")


def _shown(value: Any) -> str:
    if value is None:
        return "(chart's own)"
    return table.shorten(value if isinstance(value, str) else json.dumps(value), LONGEST)
