"""GKE clusters of a Terraform state: google_container_cluster, its node pools and its subnetwork.

Fields are those of the provider hashicorp/google, registry page google_container_cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import datapath
from isthmus.network.imports import names, notes, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network import imported
    from isthmus.network.imports import terraform


def read(found: Sequence[terraform.Resource]) -> list[imported.Live]:
    """Return the clusters among some resources."""
    return [_live(each, found) for each in found if each.type == "google_container_cluster"]


def _live(each: terraform.Resource, found: Sequence[terraform.Resource]) -> imported.Live:
    into = notes.Notes(file=each.file)
    into.put("provider", datapath.Provider.GCP, each.source)
    place = each.text("location") or each.text("region") or each.text("zone")
    into.put("region", names.region(place), each.source)
    into.put("account", each.text("project"), each.source)
    into.put("vpc", _tail(each.text("network")), each.source)
    into.count("pods_per_node", each.values.get("default_max_pods_per_node"), each.source)
    into.count("nodes", _nodes(each, found), each.source)
    subnet = _subnet(each, found)
    given = each.block("ip_allocation_policy")
    for field, plural in (("pods", "cluster"), ("services", "services")):
        texts = (given.get(f"{plural}_ipv4_cidr_block"), each.values.get(f"{plural}_ipv4_cidr"))
        for text in texts:
            if isinstance(text, str) and "." in text:  # `/14` asks for any range of that length
                into.ranges(field, [text], each.source)
        if subnet is not None:
            ranges = _secondary(subnet, given.get(f"{plural}_secondary_range_name"))
            into.ranges(field, ranges, subnet.source)
    if subnet is not None:
        into.ranges("node_range", [subnet.text("ip_cidr_range")], subnet.source)
    return into.live(each.text("name"))


def _nodes(each: terraform.Resource, found: Sequence[terraform.Resource]) -> int:
    """Return the nodes of all pools; a pool counts the nodes of one zone."""
    pools = [
        pool.values
        for pool in found
        if pool.type == "google_container_node_pool"
        and pool.file == each.file
        and pool.text("cluster") in {each.text("name"), each.text("id"), each.text("self_link")}
        and pool.text("location") in {"", each.text("location")}
    ]
    pools = pools or [objects.mapping(pool) for pool in objects.items(each.values.get("node_pool"))]
    return sum(_count(pool) for pool in pools)


def _count(pool: objects.Json) -> int:
    count = pool.get("node_count") or pool.get("initial_node_count")
    zones = len(objects.items(pool.get("node_locations"))) or 1
    return count * zones if isinstance(count, int) else 0


def _subnet(each: terraform.Resource, found: Sequence[terraform.Resource]) -> terraform.Resource | None:
    wanted = each.text("subnetwork")
    if not wanted:
        return None
    subnets = [one for one in found if one.type == "google_compute_subnetwork"]
    region = names.region(each.text("location"))
    for one in subnets:
        if one.text("self_link") == wanted or one.text("id") == wanted:
            return one
    named = [one for one in subnets if one.text("name") == _tail(wanted)]
    return next((one for one in named if one.text("region") in {"", region}), None)


def _secondary(subnet: terraform.Resource, name: object) -> list[object]:
    return [
        objects.dig(each, "ip_cidr_range")
        for each in objects.items(subnet.values.get("secondary_ip_range"))
        if name and objects.dig(each, "range_name") == name
    ]


def _tail(path: str) -> str:
    return path.rpartition("/")[2]
