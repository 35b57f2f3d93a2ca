"""DNS stubs: a cluster asks another cluster's DNS for the namespaces that live there alone.

Every cluster calls itself `cluster.local`, so namespaces have to act as the names of clusters: the same one
in two clusters is refused. The addresses of the DNS servers (internal load balancers) are made with the
clusters, so they come in as arguments. Pattern: cockroachdb/cockroach cloud/kubernetes/multiregion.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOMAIN: Final = "cluster.local"

Stubs = dict[str, tuple[str, ...]]
"""Zone to the addresses that answer for it, both sorted as the zones are."""


def stubs(
    local: str,
    namespaces: Mapping[str, Sequence[str]],
    servers: Mapping[str, Sequence[str]],
    *,
    domain: str = DOMAIN,
) -> Stubs:
    """Return the zones that a cluster forwards, by cluster of `namespaces`.

    Its own are left out: they would go round in a circle through its load balancer.
    """
    _only_once(namespaces)
    unknown = [
        each for each in sorted(namespaces) if each != local and namespaces[each] and not servers.get(each)
    ]
    if unknown:
        flags = " ".join(f"--at dns.{each}=ADDRESS" for each in unknown)
        raise errors.InputError(
            f"the addresses of the DNS servers of {', '.join(unknown)} are unknown",
            why="a stub forwards to an internal load balancer before each DNS, which comes with the cluster",
            remedy=f"give them: {flags} (several with a comma)",
        )
    zones = {
        f"{namespace}.svc.{domain}": tuple(servers[each])
        for each in namespaces
        if each != local
        for namespace in namespaces[each]
    }
    return dict(sorted(zones.items()))


def _only_once(namespaces: Mapping[str, Sequence[str]]) -> None:
    homes: dict[str, str] = {}
    for cluster in sorted(namespaces):
        for namespace in namespaces[cluster]:
            home = homes.setdefault(namespace, cluster)
            if home != cluster:
                raise errors.InputError(
                    f"DNS stubs cannot tell namespace '{namespace}' of '{home}' from that of '{cluster}'",
                    why=f"both clusters call it {namespace}.svc.{DOMAIN}",
                    remedy="use Istio or Cilium's global services instead, or an App with a namespace of its "
                    "own in each cluster",
                )


def corefile(zones: Stubs) -> str:
    """Return the stanzas to append to the Corefile of a cluster."""
    return "\n".join(_stanza(zone, servers) for zone, servers in zones.items())


def _stanza(zone: str, servers: tuple[str, ...]) -> str:
    # TCP: answers with many addresses do not fit a UDP packet, and load balancers then need one port only.
    lines = [
        f"{zone}:53 {{",
        "    log",
        "    errors",
        "    cache 10",
        f"    forward . {' '.join(servers)} {{",
        "        force_tcp",
        "    }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def kube_dns(zones: Stubs) -> dict[str, Any]:
    """Return the ConfigMap of kube-dns, GKE's DNS."""
    told = json.dumps({zone: list(servers) for zone, servers in zones.items()}, indent=2)
    return _config_map("kube-dns", {"stubDomains": told})


def coredns_custom(zones: Stubs) -> dict[str, Any]:
    """Return the ConfigMap that AKS adds to its CoreDNS; changes to the Corefile itself are undone there."""
    return _config_map("coredns-custom", {"isthmus.server": corefile(zones)})


def _config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    }
