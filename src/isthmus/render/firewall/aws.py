"""Rules of AWS: `aws_vpc_security_group_ingress_rule`, one for each range of a list.

AWS counts rules by range, 60 a security group unless more are asked for; `plan quotas` says how many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.network.needs import flows, rules
from isthmus.render.firewall import hcl, shared, words

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 255
"""Characters of a description (EC2 API reference, IpRange)."""

PROTOCOLS = {"any": "-1", "esp": "50", "sctp": "132"}
"""Protocols by number where AWS has no name for them (EC2 API reference, IpPermission)."""


def blocks(cluster: str, chosen: Sequence[rules.Rule]) -> list[hcl.Block]:
    """Return the module of one cluster."""
    lists = shared.Lists(cluster)
    made = list(shared.openings(chosen, lists))
    needs_api = any(each.rule.target.place is flows.Place.API for each in made)
    api = [shared.variable("api_security_group_id", f"The security group of the API server of {cluster}.")]
    return [
        shared.required("aws", "hashicorp/aws"),
        shared.variable("security_group_id", f"The security group of the nodes of {cluster}."),
        *(api if needs_api else []),
        *shared.variables(made, "of IPv4 and IPv6"),
        *lists.block(),
        *(_resource(each) for each in made),
    ]


def _resource(each: shared.Opening) -> hcl.Block:
    entry, target = each.rule.entry, each.rule.target
    group = "api_security_group_id" if target.place is flows.Place.API else "security_group_id"
    attributes: list[hcl.Attribute] = [
        ("for_each", hcl.Raw(f"toset({each.ranges})")),
        ("security_group_id", hcl.Raw(f"var.{group}")),
        ("description", words.plain(entry.purpose, LONGEST)),
        ("ip_protocol", PROTOCOLS.get(entry.protocol, entry.protocol)),
    ]
    if entry.port != "any":
        first, last = shared.bounds(entry.port)
        attributes += [("from_port", first), ("to_port", last)]
    if each.variable:
        attributes += [
            ("cidr_ipv4", hcl.Raw('strcontains(each.value, ":") ? null : each.value')),
            ("cidr_ipv6", hcl.Raw('strcontains(each.value, ":") ? each.value : null')),
        ]
    else:
        attributes.append(("cidr_ipv6" if each.is_v6 else "cidr_ipv4", hcl.Raw("each.value")))
    return hcl.Block("resource", ("aws_vpc_security_group_ingress_rule", each.name), attributes)
