"""Reads which kinds an API server serves; keeps nothing, `kube.Cluster` does."""

from __future__ import annotations

from typing import Any

from isthmus.clients import kinds

Json = dict[str, Any]

# One request tells all groups since Kubernetes 1.26; an older server answers with the plain list.
AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)


def path(api_version: str) -> str:
    """Return where a server tells about one group version."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def read(resources: Json, api_version: str) -> dict[str, kinds.Kind]:
    """Return the kinds by name out of an APIResourceList."""
    group, _, version = api_version.rpartition("/")
    return {
        item["kind"]: kinds.Kind(
            group, version, item["kind"], item["name"], namespaced=bool(item.get("namespaced"))
        )
        for item in resources.get("resources") or ()
        if "/" not in item["name"]
    }


def is_aggregated(document: Json) -> bool:
    """Say whether the server told everything at once."""
    return document.get("kind") == "APIGroupDiscoveryList"


def aggregated(document: Json) -> list[str]:
    """Return the group versions and `version/Kind` names, as helm lists them, with those of subresources."""
    found: list[str] = []
    for item in document.get("items") or ():
        group = (item.get("metadata") or {}).get("name") or ""
        for served in item.get("versions") or ():
            label = f"{group}/{served['version']}" if group else served["version"]
            found.append(label)
            found.extend(f"{label}/{name}" for name in _names(served))
    return found


def _names(served: Json) -> list[str]:
    names: dict[str, None] = {}
    for resource in served.get("resources") or ():
        for part in (resource, *(resource.get("subresources") or ())):
            name = (part.get("responseKind") or {}).get("kind")
            if name:
                names[name] = None
    return list(names)


def versions(core: Json, groups: Json) -> list[str]:
    """Return the group versions out of an APIVersions and an APIGroupList."""
    found = list(core.get("versions") or ())
    for group in groups.get("groups") or ():
        found.extend(served["groupVersion"] for served in group.get("versions") or ())
    return found
