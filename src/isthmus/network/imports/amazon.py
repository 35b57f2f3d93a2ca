"""EKS clusters of a Terraform state: aws_eks_cluster, its node groups and its subnets.

Fields are those of the provider hashicorp/aws, registry page aws_eks_cluster. Pods of the VPC CNI have
addresses of the subnets, so no pod range is noted: none is theirs alone.
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
    return [_live(each, found) for each in found if each.type == "aws_eks_cluster"]


def _live(each: terraform.Resource, found: Sequence[terraform.Resource]) -> imported.Live:
    into = notes.Notes(file=each.file)
    into.put("provider", datapath.Provider.AWS, each.source)
    arn = names.EKS.fullmatch(each.text("arn"))
    if arn:
        into.put("region", arn["place"], each.source)
        into.put("account", arn["account"], each.source)
    given = each.block("kubernetes_network_config")
    keys = ("service_ipv4_cidr", "service_ipv6_cidr")
    into.ranges("services", [given[key] for key in keys if given.get(key)], each.source)
    lies = each.block("vpc_config")
    vpc = lies.get("vpc_id")
    into.put("vpc", vpc if isinstance(vpc, str) else None, each.source)
    wanted = objects.items(lies.get("subnet_ids"))
    subnets = [one for one in found if one.type == "aws_subnet" and one.values.get("id") in wanted]
    texts: list[object] = [one.text("cidr_block") for one in subnets]
    into.ranges("node_range", texts, "the subnets of " + each.source)
    into.count("nodes", _nodes(each, found), "the node groups of " + each.source)
    return into.live(each.text("name"))


def _nodes(each: terraform.Resource, found: Sequence[terraform.Resource]) -> int:
    groups = [
        one.block("scaling_config").get("desired_size")
        for one in found
        if one.type == "aws_eks_node_group"
        and one.file == each.file  # names are unique in a region only, and a state tells of one
        and one.values.get("cluster_name") == each.text("name")
    ]
    return sum(count for count in groups if isinstance(count, int))
