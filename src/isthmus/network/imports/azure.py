"""AKS clusters of a Terraform state: azurerm_kubernetes_cluster, its node pools and its subnets.

Fields are those of the provider hashicorp/azurerm, registry page azurerm_kubernetes_cluster.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from isthmus.model import datapath
from isthmus.network.imports import notes, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network import imported
    from isthmus.network.imports import terraform

SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)/.*", re.IGNORECASE)
VNET = re.compile(r".*/virtualNetworks/([^/]+)/.*", re.IGNORECASE)


def read(found: Sequence[terraform.Resource]) -> list[imported.Live]:
    """Return the clusters among some resources."""
    return [_live(each, found) for each in found if each.type == "azurerm_kubernetes_cluster"]


def _live(each: terraform.Resource, found: Sequence[terraform.Resource]) -> imported.Live:
    into = notes.Notes(file=each.file)
    into.put("provider", datapath.Provider.AZURE, each.source)
    into.put("region", each.text("location"), each.source)
    owner = SUBSCRIPTION.fullmatch(each.text("id"))
    into.put("account", owner[1] if owner else None, each.source)
    given = each.block("network_profile")
    for field, singular in (("pods", "pod_cidr"), ("services", "service_cidr")):
        texts = objects.items(given.get(f"{singular}s")) or [given.get(singular) or ""]
        into.ranges(field, texts, each.source)
    if given.get("network_plugin_mode") == "overlay":
        raw = {"ipam": datapath.Ipam.AKS_OVERLAY}
        into.section("network", datapath.ClusterNetwork, raw, each.source)
    first = each.block("default_node_pool")
    into.count("pods_per_node", first.get("max_pods"), each.source)
    pools = [first, *(one.values for one in found if _is_pool(one, each))]
    counts = [pool.get("node_count") for pool in pools]
    into.count("nodes", sum(count for count in counts if isinstance(count, int)), each.source)
    ids = {str(pool["vnet_subnet_id"]).lower() for pool in pools if pool.get("vnet_subnet_id")}
    vnets = {match[1] for match in map(VNET.fullmatch, ids) if match}
    into.put("vpc", vnets.pop() if len(vnets) == 1 else None, each.source)
    subnets = [one for one in found if one.type == "azurerm_subnet" and one.text("id").lower() in ids]
    texts = [text for one in subnets for text in objects.items(one.values.get("address_prefixes"))]
    into.ranges("node_range", texts, "the subnets of " + each.source)
    return into.live(each.text("name"))


def _is_pool(one: terraform.Resource, each: terraform.Resource) -> bool:
    if one.type != "azurerm_kubernetes_cluster_node_pool":
        return False
    return one.text("kubernetes_cluster_id").lower() == each.text("id").lower()
