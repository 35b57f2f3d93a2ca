"""What the nodes of a cluster tell: how many, where, their addresses, and their blocks of pod addresses."""

from __future__ import annotations

import collections
import re
from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.model import datapath, finding
from isthmus.network.imports import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.network.imports import notes

SOURCE: Final = "the nodes"
REGION: Final = "topology.kubernetes.io/region"
SCHEMES: Final = {
    "gce": datapath.Provider.GCP,
    "aws": datapath.Provider.AWS,
    "azure": datapath.Provider.AZURE,
    "kind": datapath.Provider.KIND,
    "alicloud": datapath.Provider.ALIBABACLOUD,
}
"""Schemes of `spec.providerID`, which each cloud's controller manager writes."""
ALIBABA = re.compile(r"[a-z]{2}-[-a-z0-9]+\.i-[a-z0-9]+")
"""Alibaba Cloud writes REGION.INSTANCE without a scheme."""
AZURE = re.compile(r"azure:///subscriptions/([^/]+)/.*", re.IGNORECASE)
GCE = re.compile(r"gce://([^/]+)/.*")
KIND = re.compile(r"kind://[^/]+/([^/]+)/.*")


def read(found: objects.Objects, into: notes.Notes) -> None:
    """Note everything but the pod blocks, which come after what states the pod range."""
    into.count("nodes", len(found.nodes), SOURCE)
    most = [str(objects.dig(each, "status", "allocatable", "pods") or "") for each in found.nodes]
    into.count("pods_per_node", max((int(each) for each in most if each.isdecimal()), default=0), SOURCE)
    _placed(found, into)
    addresses = list(_addresses(found))
    into.around("node_range", addresses, "the InternalIPs of the nodes")


def blocks(found: objects.Objects, into: notes.Notes) -> None:
    """Note the smallest range around the nodes' blocks of pod addresses."""
    texts = [
        text
        for each in found.nodes
        for text in objects.items(objects.dig(each, "spec", "podCIDRs"))
        or [objects.dig(each, "spec", "podCIDR") or ""]
    ]
    parts = [each for text in texts for each in _parsed(str(text))]
    into.around("pods", parts, "podCIDRs of the nodes")


def kind_name(found: objects.Objects) -> str | None:
    """Return the name that kind gave to a cluster: its nodes' providerID has it."""
    for each in _ids(found):
        match = KIND.fullmatch(each)
        if match:
            return match[1]
    return None


def _placed(found: objects.Objects, into: notes.Notes) -> None:
    providers = collections.Counter(each for each in map(_provider, _ids(found)) if each)
    if providers:
        into.put("provider", providers.most_common(1)[0][0], "providerID of the nodes")
    accounts = {
        match[1] for each in _ids(found) for match in (GCE.fullmatch(each), AZURE.fullmatch(each)) if match
    }
    if len(accounts) == 1:
        into.put("account", accounts.pop(), "providerID of the nodes")
    labels = (objects.dig(each, "metadata", "labels", REGION) for each in found.nodes)
    regions = collections.Counter(str(each) for each in labels if each)
    if regions:
        first = regions.most_common(1)[0][0]
        into.put("region", first, f"label {REGION}")
        if len(regions) > 1:
            into.say(
                "several-regions",
                f"the nodes lie in the regions {', '.join(sorted(regions))}, and '{first}' has the most",
                "keep it, or write the region that the paths between clusters are named after",
                finding.Severity.INFO,
            )


def _ids(found: objects.Objects) -> list[str]:
    return [str(objects.dig(each, "spec", "providerID") or "") for each in found.nodes]


def _provider(identity: str) -> datapath.Provider | None:
    if ALIBABA.fullmatch(identity):
        return datapath.Provider.ALIBABACLOUD
    return SCHEMES.get(identity.partition("://")[0])


def _addresses(found: objects.Objects) -> Iterator[prefix.Prefix]:
    for node in found.nodes:
        for each in objects.items(objects.dig(node, "status", "addresses")):
            if objects.dig(each, "type") == "InternalIP":
                yield from _parsed(str(objects.dig(each, "address") or ""))


def _parsed(text: str) -> Iterator[prefix.Prefix]:
    try:
        yield prefix.parse(text)
    except ValueError:
        return  # the API server does not take such a block; an address may be a name in odd clouds
