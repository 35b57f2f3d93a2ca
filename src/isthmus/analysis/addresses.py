"""Where each cluster looks for the ClusterMesh API server of another, and where that one really is.

Values only, of Secret cilium-kvstoremesh and Service clustermesh-apiserver; whether they agree is judged in
`peering`.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from isthmus.analysis.snapshot import Json, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from isthmus.analysis.snapshot import Site

PORT: Final = 2379
"""Of the ClusterMesh API server behind a load balancer or a ClusterIP (Cilium 1.20 service.yaml)."""


_URL: Final = re.compile(r"(?P<scheme>https?)://(?P<host>\[[^\]]+\]|[^:/?#]+)(:(?P<port>\d{1,5}))?([/?#]|$)")
_PORTS: Final = {"http": 80, "https": 443}


def configured(secret: Mapping[str, Any] | None) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each peer in Secret cilium-kvstoremesh, as HOST:PORT."""
    found = {}
    for name, text in sorted(((secret or {}).get("data") or {}).items()):
        try:
            entry = yaml.safe_load(base64.b64decode(text))
            found[name] = tuple(sorted(_endpoints(entry)))
        except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, yaml.YAMLError):
            continue  # keys and certificates of older entries stand beside them
    return found


def real(site: Site) -> tuple[str, ...]:
    """Return every address by which the Service of a cluster answers the others, as HOST:PORT."""
    if not isinstance(site.service, dict):
        return ()
    spec = site.service.get("spec") or {}
    port: Mapping[str, Any] = next(iter(spec.get("ports") or ()), {})
    ingress = ((site.service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    at = int(port.get("port") or PORT)
    hosts = [str(one[key]) for one in ingress for key in ("ip", "hostname") if one.get(key)]
    found = [joined(host, at) for host in hosts]
    if spec.get("clusterIP") not in {None, "None"}:
        found.append(joined(str(spec["clusterIP"]), at))
    if port.get("nodePort"):
        found += [joined(text, int(port["nodePort"])) for text in internal(site)]
    return tuple(found)


def internal(site: Site) -> tuple[str, ...]:
    """Return the InternalIPs of the nodes of a cluster."""
    if isinstance(site.nodes, Missing):
        return ()
    return tuple(address for node in site.nodes for address in of_node(node))


def of_node(node: Json) -> tuple[str, ...]:
    """Return the InternalIPs of a node."""
    return tuple(
        str(one["address"])
        for one in (node.get("status") or {}).get("addresses") or ()
        if one.get("type") == "InternalIP"
    )


def kind(site: Site) -> str:
    """Return the type of the Service."""
    return str((site.service.get("spec") or {}).get("type") or "") if isinstance(site.service, dict) else ""


def of_url(text: str) -> str:
    """Return HOST:PORT of an address such as `https://host:6443/path`; ValueError where it is none."""
    found = _URL.match(text)
    if found is None:
        raise ValueError("no address of a server")
    return joined(found["host"].strip("[]"), int(found["port"] or _PORTS[found["scheme"]]))


def joined(host: str, port: int) -> str:
    """Return HOST:PORT."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _endpoints(entry: Mapping[str, Any]) -> Iterator[str]:
    aliases = {one["hostname"]: one["ips"] for one in entry.get("cilium-host-aliases") or ()}
    for endpoint in entry["endpoints"]:
        host, _, port = str(endpoint).partition("://")[2].rpartition(":")
        yield from (joined(str(each), int(port)) for each in aliases.get(host) or (host,))
