"""The shape of what is asked of a cloud account, and what clouds give unasked.

No limit here is a guess: where a cloud names none, there is none.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from isthmus.model import datapath

if TYPE_CHECKING:
    from isthmus.model import fleet
    from isthmus.network.needs import flows

FEW: Final = 4
"""Clusters that a reason names before it only counts them."""

NOBODY: Final = "-"
"""The account, region or VPC of clusters that state none."""

GCP, AWS, AZURE = datapath.Provider.GCP, datapath.Provider.AWS, datapath.Provider.AZURE


class Limit(NamedTuple):
    """What an account has unasked, and at most (None: as much as is agreed)."""

    default: int
    most: int | None
    source: str


class Site(NamedTuple):
    """Who is asked, and for where."""

    provider: str
    account: str
    region: str
    vpc: str = NOBODY


NODES: Final = "nodes"
BALANCERS: Final = "internal load balancers"
SECONDARY: Final = "secondary ranges"
NODE_ROUTES: Final = "routes to nodes' pods"
ROUTES: Final = "routes to other VPCs"
PEERINGS: Final = "VPC peerings"
ATTACHMENTS: Final = "transit gateway attachments"
VPNS: Final = "VPN or interconnect connections"
RULES: Final = "firewall rules of a cluster"

LIMITS: Final = {
    (AWS, BALANCERS): Limit(
        50, None, "docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html"
    ),
    (AWS, PEERINGS): Limit(
        50, 125, "docs.aws.amazon.com/vpc/latest/peering/vpc-peering-connection-quotas.html"
    ),
    (AWS, RULES): Limit(60, 1000, "docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"),
    # 170 is for good, but a region may have further subnets.
    (GCP, SECONDARY): Limit(170, None, "cloud.google.com/vpc/docs/quota"),
    (AZURE, PEERINGS): Limit(500, None, "learn.microsoft.com azure-subscription-service-limits, networking"),
    (AZURE, RULES): Limit(1000, None, "learn.microsoft.com azure-subscription-service-limits, networking"),
}
"""AWS counts rules for each family, and 1,000 at most for all security groups of an interface."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ask:
    """One thing to ask for: how many of it, where, why, and who says that it is needed."""

    provider: str
    account: str
    region: str
    vpc: str
    what: str
    count: int
    why: str
    source: str
    default: int | None = None
    most: int | None = None
    clusters: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON form."""
        return dataclasses.asdict(self) | {"clusters": list(self.clusters)}


def site(cluster: fleet.Cluster, *, vpc: bool = True, whole: bool = False) -> Site:
    """Return who is asked for a cluster; `whole` for what a VPC has once, which in GCP spans regions."""
    provider = cluster.provider.value if cluster.provider else NOBODY
    region = "global" if whole and cluster.provider is GCP else cluster.region or NOBODY
    return Site(provider, cluster.account or NOBODY, region, (cluster.vpc or NOBODY) if vpc else NOBODY)


def ask(at: Site, what: str, count: int, why: str, source: str, group: flows.Views) -> Ask:
    """Return an ask with the limits that the cloud states."""
    provider = group[0].cluster.provider
    limit = LIMITS.get((provider, what)) if provider else None
    return Ask(
        **at._asdict(),
        what=what,
        count=count,
        why=why,
        source=f"{source}; limit: {limit.source}" if limit else source,
        default=limit.default if limit else None,
        most=limit.most if limit else None,
        clusters=tuple(each.cluster.name for each in group),
    )


def told(group: flows.Views) -> str:
    """Return the names of some clusters, of many how many they are."""
    if len(group) > FEW:
        return f"{len(group)} clusters"
    return ", ".join(each.cluster.name for each in group)
