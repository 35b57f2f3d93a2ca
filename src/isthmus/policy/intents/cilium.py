"""Intents as CiliumNetworkPolicies: both ends, clusters said out loud, nothing that no rule needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.policy import labels
from isthmus.policy.verdict import hops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import access
    from isthmus.policy.intents import parties

Json = dict[str, Any]
API: Final = "cilium.io/v2"
KIND: Final = "CiliumNetworkPolicy"


def dns(cluster: str) -> Json:
    """Return the selector of the DNS pods of a cluster."""
    own = {f"k8s:{labels.NAMESPACE}": "kube-system", "k8s:k8s-app": "kube-dns", labels.CLUSTER: cluster}
    return {"matchLabels": own}


def policy(name: str, namespace: str, spec: Json) -> Json:
    """Return one CiliumNetworkPolicy."""
    return {"apiVersion": API, "kind": KIND, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def selector(party: parties.Party) -> Json:
    """Return the selector of an end within its own namespace and cluster."""
    own = dict(party.labels)
    if party.account:
        own[labels.ACCOUNT] = party.account
    return {"matchLabels": own} if own else {}


def endpoints(party: parties.Party) -> Json:
    """Return the selector of an end from anywhere: its namespace and its clusters by name."""
    own = {f"k8s:{labels.NAMESPACE}": party.namespace, **dict(party.labels)}
    if party.account:
        own[labels.ACCOUNT] = party.account
    clusters = {"key": labels.CLUSTER, "operator": "In", "values": sorted(party.clusters)}
    return {"matchLabels": own, "matchExpressions": [clusters]}


def ingress(intent: parties.Intent, *, is_tunnelled: bool, reads_http: bool) -> list[Json]:
    """Return the rules on the destination's side."""
    source = intent.source
    peers: Json = (
        {"fromCIDR": list(source.addresses)} if source.is_outside else {"fromEndpoints": [endpoints(source)]}
    )
    return [{**peers, "toPorts": _ports(intent.allow, is_tunnelled=is_tunnelled, reads_http=reads_http)}]


def egress(intent: parties.Intent, cluster: str, *, is_tunnelled: bool) -> list[Json]:
    """Return the rules on the source's side in a cluster; requests are read at the destination alone."""
    destination = intent.destination
    to_ports = _ports(intent.allow, is_tunnelled=is_tunnelled, reads_http=False)
    if destination.names:
        names = [_name(each) for each in destination.names]
        asked = [{"toEndpoints": [dns(cluster)], "toPorts": [_names(names)]}]
        return [*asked, {"toFQDNs": names, "toPorts": to_ports}]
    if destination.is_outside:
        return [{"toCIDR": list(destination.addresses), "toPorts": to_ports}]
    return [{"toEndpoints": [endpoints(destination)], "toPorts": to_ports}]


def _name(text: str) -> Json:
    return {"matchPattern": text} if "*" in text else {"matchName": text}


def _names(names: Sequence[Json]) -> Json:
    """Return DNS with the names that are read: Cilium learns their addresses from the answers."""
    both = [{"port": "53", "protocol": protocol} for protocol in ("UDP", "TCP")]
    return {"ports": both, "rules": {"dns": list(names)}}


def _ports(rules: Sequence[access.Rule], *, is_tunnelled: bool, reads_http: bool) -> list[Json]:
    """Return the ports; in ambient's tunnel the one port that all of them use."""
    tunnelled = [rule for rule in rules if is_tunnelled and rule.protocol == "tcp"]
    plain = [rule for rule in rules if rule not in tunnelled]
    found: list[Json] = [{"ports": [{"port": str(hops.HBONE), "protocol": "TCP"}]}] if tunnelled else []
    bare = [rule for rule in plain if not (rule.http and reads_http)]
    if bare:
        numbers = dict.fromkeys((rule.port, rule.protocol.upper()) for rule in bare)
        found.append({"ports": [{"port": str(port), "protocol": protocol} for port, protocol in numbers]})
    for rule in plain:
        if rule.http and reads_http:
            requests = [_request(each) for each in rule.http]
            found.append(
                {"ports": [{"port": str(rule.port), "protocol": "TCP"}], "rules": {"http": requests}}
            )
    return found


def _request(each: access.Http) -> Json:
    """Return an HTTP rule; Cilium's parts are regular expressions (1.20 `pkg/policy/api/http.go`)."""
    found: Json = {}
    if each.method:
        found["method"] = _quote(each.method)
    if each.path:
        is_prefix = each.path.endswith("*")
        found["path"] = _quote(each.path.removesuffix("*")) + (".*" if is_prefix else "")
    return found


def _quote(text: str) -> str:
    return "".join(f"\\{char}" if char in r"\.^$*+?()[]{}|" else char for char in text)
