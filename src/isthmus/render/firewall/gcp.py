"""Rules of GCP: `google_compute_firewall`, one for a port and a family.

What goes to a control plane is left out: GKE opens it by authorized networks, not by firewall rules.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from isthmus.network.needs import flows, rules
from isthmus.render.firewall import hcl, shared, words

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 2048
"""Characters of a description (Compute API, firewalls)."""

LONGEST_NAME = 63
"""Characters of a resource's name (RFC 1035, Compute API)."""

PROTOCOLS = {"any": "all", "icmpv6": "58"}
"""Protocols by the name or number that GCP takes (Compute API, firewalls.allowed)."""


def blocks(cluster: str, chosen: Sequence[rules.Rule]) -> list[hcl.Block]:
    """Return the module of one cluster."""
    lists = shared.Lists(cluster)
    to_nodes = [each for each in chosen if each.target.place is not flows.Place.API]
    made = list(shared.openings(to_nodes, lists))
    return [
        shared.required("google", "hashicorp/google"),
        shared.variable("network", f"The VPC network of {cluster}."),
        # No default: a rule without tags would open every machine of the network.
        shared.variable("target_tags", f"The network tags of the nodes of {cluster}.", kind="list(string)"),
        *shared.variables(made, "of one family"),
        *lists.block(),
        *(_resource(cluster, each) for each in made),
    ]


def _resource(cluster: str, each: shared.Opening) -> hcl.Block:
    entry = each.rule.entry
    attributes: list[hcl.Attribute] = []
    if each.variable:
        attributes.append(("count", hcl.Raw(f"length({each.ranges}) > 0 ? 1 : 0")))
    attributes += [
        ("name", _name(f"{cluster}-{each.name.replace('_', '-')}")),
        ("network", hcl.Raw("var.network")),
        ("description", words.plain(entry.purpose, LONGEST)),
        ("direction", "INGRESS"),
        ("source_ranges", each.ranges),
        ("target_tags", hcl.Raw("var.target_tags")),
    ]
    allowed: list[hcl.Attribute] = [("protocol", PROTOCOLS.get(entry.protocol, entry.protocol))]
    if entry.protocol in {"tcp", "udp", "sctp"}:
        allowed.append(("ports", (entry.port,)))
    allow = hcl.Block("allow", (), allowed)
    return hcl.Block("resource", ("google_compute_firewall", each.name), attributes, [allow])


def _name(text: str) -> str:
    """Return a name that GCP takes and no other rule has: a long one ends with its digest."""
    name = text if text[0].isalpha() else f"c-{text}"
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9].rstrip('-')}-{digest}"
