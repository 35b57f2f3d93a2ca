"""Rules of Azure: `azurerm_network_security_rule`, one for a port and a family.

Each has a priority of its own, which stays when a cluster comes: it hangs on the port alone. What goes to a
control plane is left out: AKS opens it by authorized ranges. Azure has no rule for SCTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.mesh import ports
from isthmus.network.needs import flows, rules
from isthmus.render.firewall import hcl, shared, words

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 140
"""Characters of a description (Azure REST API, SecurityRule)."""

FIRST: Final = 1000
"""The lowest priority unless another is given; Azure takes 100 to 4096."""

ROOM: Final = 4
"""Priorities of a port: two families, and up to two places that the plan has no ranges of."""

KNOWN: Final = tuple(each.name for each in vars(ports).values() if isinstance(each, ports.Port))
"""Ports in the order of their module; those of Apps follow in the order of the matrix."""

PROTOCOLS = {"tcp": "Tcp", "udp": "Udp", "icmp": "Icmp", "icmpv6": "Icmp", "esp": "Esp", "any": "*"}


def blocks(cluster: str, chosen: Sequence[rules.Rule]) -> list[hcl.Block]:
    """Return the module of one cluster."""
    lists = shared.Lists(cluster)
    kept = [
        each
        for each in chosen
        if each.target.place is not flows.Place.API and each.entry.protocol in PROTOCOLS
    ]
    made = list(shared.openings(kept, lists))
    return [
        shared.required("azurerm", "hashicorp/azurerm"),
        shared.variable("resource_group_name", f"The resource group of {cluster}."),
        shared.variable("network_security_group_name", f"The security group of the nodes of {cluster}."),
        shared.variable(
            "first_priority", "The priority of the first rule; later ones follow.", FIRST, kind="number"
        ),
        *shared.variables(made, "of one family"),
        *lists.block(),
        *(_resource(each, number) for each, number in zip(made, _priorities(made), strict=True)),
    ]


def _priorities(made: Sequence[shared.Opening]) -> list[int]:
    order = dict.fromkeys((*KNOWN, *(each.rule.entry.name for each in made)))
    first = {name: place * ROOM for place, name in enumerate(order)}
    used: dict[str, int] = {}
    numbers = []
    for each in made:
        name = each.rule.entry.name
        numbers.append(first[name] + used.get(name, 0))
        used[name] = used.get(name, 0) + 1
    return numbers


def _resource(each: shared.Opening, number: int) -> hcl.Block:
    entry, target = each.rule.entry, each.rule.target
    attributes: list[hcl.Attribute] = []
    if each.variable:
        attributes.append(("count", hcl.Raw(f"length({each.ranges}) > 0 ? 1 : 0")))
    attributes += [
        ("name", each.name),
        ("description", words.plain(entry.purpose, LONGEST)),
        ("resource_group_name", hcl.Raw("var.resource_group_name")),
        ("network_security_group_name", hcl.Raw("var.network_security_group_name")),
        ("priority", hcl.Raw(f"var.first_priority + {number}")),
        ("direction", "Inbound"),
        ("access", "Allow"),
        ("protocol", PROTOCOLS[entry.protocol]),
        ("source_port_range", "*"),
        ("source_address_prefixes", each.ranges),
        ("destination_port_range", _port(entry)),
    ]
    towards = rules.cidrs((target,), is_v6=each.is_v6)
    if towards and not each.variable:
        attributes.append(("destination_address_prefixes", towards))
    else:
        attributes.append(("destination_address_prefix", "*"))
    return hcl.Block("resource", ("azurerm_network_security_rule", each.name), attributes)


def _port(entry: ports.Port) -> str:
    return entry.port if entry.protocol in {"tcp", "udp"} else "*"
