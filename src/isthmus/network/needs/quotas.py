"""What must be asked of each cloud account before the clusters can be built, with the reason and its source.

Counts follow from the Fleet, the plan's ranges and its firewall matrix. Limits of clouds are in `asks.py`.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from typing import TYPE_CHECKING, Final

from isthmus.mesh import settings
from isthmus.model import datapath, finding
from isthmus.network import place
from isthmus.network.ipam import ranges
from isthmus.network.needs import asks, flows, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isthmus.model import fleet, folder
    from isthmus.network.needs import firewall

GCP, AWS, AZURE = asks.GCP, asks.AWS, asks.AZURE
WITHOUT_ACCOUNT: Final = {datapath.Provider.KUBEADM, datapath.Provider.KIND}
"""Providers that bill nobody."""

VPN_WAYS: Final = {
    datapath.Way.GCP_VPN,
    datapath.Way.AWS_VPN,
    datapath.Way.AZURE_VPN,
    datapath.Way.INTERNET,
}


@dataclasses.dataclass(frozen=True)
class Quotas:
    """All asks, and what is wrong with them."""

    asks: tuple[asks.Ask, ...]
    findings: tuple[finding.Finding, ...]


def quotas(source: folder.Folder, given: Sequence[ranges.Ranges], rows: Sequence[firewall.Row]) -> Quotas:
    """Return what must be asked for, by account, region and VPC."""
    counts = _Counts(source.fleet, given)
    made = sorted(
        itertools.chain(
            counts.nodes(),
            counts.balancers(),
            counts.secondary(),
            counts.routes(),
            counts.between(),
            counts.matrix(rows),
        ),
        key=lambda ask: (ask.provider, ask.account, ask.region, ask.vpc),
    )
    places = place.Places(source)
    return Quotas(tuple(made), (*_without(source.fleet, places), *_over(made, places)))


def _without(known: fleet.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what the Fleet must say for the counts to be whole."""
    billed = [each for each in known.clusters if each.provider not in WITHOUT_ACCOUNT]
    for field, loss in (
        ("account", "its quotas stand under '-'"),
        ("vpc", "peerings and routes to its VPC are not counted"),
    ):
        lacking = [
            each for each in billed if getattr(each, field) is None and (each.provider or field == "account")
        ]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            yield places.finding(
                places.of(lacking[0], "name"),
                code=f"no-{field}",
                message=f"cluster '{lacking[0].name}'{more} states no {field}: {loss}",
                remedy=f"write `{field}`, or leave it out where nobody has to ask for anything",
                severity=finding.Severity.INFO,
                cluster=lacking[0].name if len(lacking) == 1 else None,
            )


def _over(made: Iterable[asks.Ask], places: place.Places) -> Iterator[finding.Finding]:
    for ask in made:
        if ask.most is not None and ask.count > ask.most:
            where = f"{ask.provider} account {ask.account}, region {ask.region}, VPC {ask.vpc}"
            yield places.finding(
                ("spec", "clusters"),
                code="quota-cannot-be-given",
                message=f"{where}: {ask.count} {ask.what} are needed and {ask.most} are the most "
                f"that there can be ({ask.source})",
                remedy=REMEDIES.get(ask.what, "spread the clusters over more accounts or VPCs"),
                cluster=ask.clusters[0] if len(ask.clusters) == 1 else None,
            )


REMEDIES: Final = {
    asks.PEERINGS: "join the VPCs by a transit gateway: write `via: aws-tgw` in `paths`",
    asks.RULES: "give nodes ranges of one supernet that hang together, so that fewer rules cover them",
    asks.SECONDARY: "spread the clusters over more subnets",
}


class _Counts:
    """Counts one kind of thing at a time; each method yields what it finds."""

    def __init__(self, known: fleet.Fleet, given: Sequence[ranges.Ranges]) -> None:
        self._known = known
        self._given = {each.cluster.name: each for each in given}
        self._seen = [each for each in flows.views(known) if each.cluster.name in self._given]

    def nodes(self) -> Iterator[asks.Ask]:
        for site, group in _by(self._seen, vpc=False).items():
            planned = sum(ranges.planned_nodes(each.cluster) for each in group)
            today = sum(each.cluster.nodes for each in group)
            why = f"{today} today and {planned} after growth, of {asks.told(group)}"
            yield asks.ask(site, asks.NODES, planned, why, "the Fleet: nodes times growth", group)

    def balancers(self) -> Iterator[asks.Ask]:
        """Yield the load balancers of ClusterMesh API servers and of east-west gateways."""
        meshed = [each for each in self._seen if each.istio is not None]
        by_use = {
            "clustermesh-apiserver": {each.cluster.name for each in self._seen if self._is_exposed(each)},
            "east-west gateway": {each.cluster.name for each in flows.balanced(meshed)},
        }
        source = "Cilium 1.20 network/clustermesh/setup.rst; istio.io setup/install/multicluster"
        for site, group in _by(self._seen, vpc=False).items():
            used = {
                use: [each for each in group if each.cluster.name in names] for use, names in by_use.items()
            }
            count = sum(map(len, used.values()))
            if count:
                why = "; ".join(f"{use} of {asks.told(some)}" for use, some in used.items() if some)
                yield asks.ask(site, asks.BALANCERS, count, why, source, group)

    def _is_exposed(self, view: flows.View) -> bool:
        by = view.cilium.exposure if view.cilium else None
        return by is datapath.Exposure.LOAD_BALANCER and len(self._seen) > 1

    def _ipam(self, view: flows.View) -> datapath.Ipam:
        return (view.cilium or settings.cilium(self._known, view.cluster)).ipam

    def secondary(self) -> Iterator[asks.Ask]:
        """Yield the secondary ranges of GKE: one for pods and one for services of each cluster."""
        gcp = [each for each in self._seen if each.cluster.provider is GCP]
        roles = (ranges.Role.PODS, ranges.Role.SERVICES)
        for site, group in _by([each for each in gcp if self._ipam(each) is datapath.Ipam.GKE]).items():
            count = sum(bool(self._given[each.cluster.name].of(role)) for each in group for role in roles)
            if count:
                why = f"pods and services of {asks.told(group)}, where one subnet holds them all"
                source = "cloud.google.com/kubernetes-engine/docs/concepts/alias-ips"
                yield asks.ask(site, asks.SECONDARY, count, why, source, group)

    def routes(self) -> Iterator[asks.Ask]:
        """Yield a route a node where the cloud must know each node's block of pods."""
        native = [
            each
            for each in self._seen
            if each.cilium
            and each.encapsulation is None
            and each.cluster.provider not in {None, *WITHOUT_ACCOUNT}
            and self._ipam(each) in {datapath.Ipam.CLUSTER_POOL, datapath.Ipam.KUBERNETES}
        ]
        for site, group in _by(native).items():
            count = sum(ranges.planned_nodes(each.cluster) for each in group)
            why = f"native routing, and pods not of the VPC's subnets: a route a node of {asks.told(group)}"
            source = "Cilium 1.20 network/concepts/routing.rst"
            yield asks.ask(site, asks.NODE_ROUTES, count, why, source, group)

    def between(self) -> Iterator[asks.Ask]:
        """Yield what joins each VPC to those of other clusters."""
        vpcs = _by([each for each in self._seen if each.cluster.vpc and each.cluster.provider], whole=True)
        ways = {frozenset(each.between): each.via for each in self._known.spec.paths if each.via}
        met: dict[asks.Site, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        for (one, ones), (other, others) in itertools.combinations(vpcs.items(), 2):
            what = _joint(one, other, _way(ways, ones, others))
            met[one][what] += 1
            met[other][what] += 1
        source = "Cilium 1.20 network/clustermesh/setup.rst: nodes of all clusters reach one another"
        for site, group in vpcs.items():
            for what, count in met[site].items():
                # One attachment joins a VPC to all others behind its gateway.
                asked = 1 if what == asks.ATTACHMENTS else count
                why = f"{asks.told(group)} must reach {count} other VPC{'s' * (count > 1)} of the fleet"
                yield asks.ask(site, what, asked, why, source, group)
            if site.provider == AWS.value and met[site]:
                yield self._vpc_routes(site, group)

    def _vpc_routes(self, site: asks.Site, group: flows.Views) -> asks.Ask:
        """Return the routes that a VPC of AWS needs; peerings of GCP and Azure bring theirs along."""
        near = {each.cluster.name for each in group}
        far = [each for each in self._seen if each.cluster.vpc and each.cluster.name not in near]
        roles = [ranges.Role.NODES]
        if any(each.encapsulation is None for each in group):
            roles.append(ranges.Role.PODS)
        count = sum(len(self._given[each.cluster.name].of(role)) for each in far for role in roles)
        why = f"in each route table: {' and '.join(role.value for role in roles)} of {asks.told(far)}"
        source = "docs.aws.amazon.com/vpc/latest/peering/vpc-peering-routing.html"
        return asks.ask(site, asks.ROUTES, count, why, source, group)

    def matrix(self, rows: Sequence[firewall.Row]) -> Iterator[asks.Ask]:
        """Yield the rules of the cluster that needs most of them, in each place."""
        clouds = [each for each in self._seen if each.cluster.provider in {AWS, GCP, AZURE}]
        for site, group in _by(clouds).items():
            counts = {each.cluster.name: _rules(rows, each.cluster) for each in group}
            name = max(counts, key=lambda each: counts[each])
            unit = "range" if site.provider == AWS.value else "port and family"
            why = f"one a {unit}; {name} needs most, and what no plan knows comes on top"
            yield asks.ask(site, asks.RULES, counts[name], why, "the firewall matrix of this plan", group)


def _by(seen: flows.Views, *, vpc: bool = True, whole: bool = False) -> dict[asks.Site, flows.Views]:
    groups: dict[asks.Site, flows.Views] = collections.defaultdict(list)
    for each in seen:
        groups[asks.site(each.cluster, vpc=vpc, whole=whole)].append(each)
    return groups


def _way(
    ways: dict[frozenset[str], datapath.Way], ones: flows.Views, others: flows.Views
) -> datapath.Way | None:
    """Return what the Fleet says lies between two VPCs: by clusters first, else by regions."""
    if not ways:
        return None
    pairs = [(one.cluster, other.cluster) for one in ones for other in others]
    named = (ways.get(frozenset((one.name, other.name))) for one, other in pairs)
    regional = (
        ways.get(frozenset((one.region, other.region))) for one, other in pairs if one.region and other.region
    )
    return next((way for way in itertools.chain(named, regional) if way is not None), None)


def _joint(one: asks.Site, other: asks.Site, way: datapath.Way | None) -> str:
    if one.provider != other.provider or way in VPN_WAYS:
        return asks.VPNS
    return asks.ATTACHMENTS if way is datapath.Way.AWS_TGW else asks.PEERINGS


def _rules(rows: Sequence[firewall.Row], cluster: fleet.Cluster) -> int:
    """Return how many rules a cluster needs as its cloud counts them: AWS by range, in the fuller family."""
    is_aws = cluster.provider is AWS
    # GKE and AKS open their API servers by lists of their own; EKS has a security group for its.
    chosen = [
        rule
        for rule in rules.of_cluster(rows, cluster.name)
        if is_aws or rule.target.place is not flows.Place.API
    ]
    families = [[rule.ranges(is_v6=is_v6) for rule in chosen] for is_v6 in (False, True)]
    if is_aws:
        return max(sum(len(each) for each in family) for family in families)
    return sum(bool(each) for family in families for each in family)
