"""What Istio's objects in istio-system tell, in the words of the Fleet.

The mesh's settings are in ConfigMap `istio`, or `istio-REVISION` (istio.io Canary Upgrades).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.model import mesh
from isthmus.network.imports import objects

if TYPE_CHECKING:
    from isthmus.network.imports import notes

NETWORK: Final = "topology.istio.io/network"


def read(found: objects.Objects, into: notes.Notes) -> None:
    """Note trust domain, mesh id, network, version and mode."""
    settings = {str(objects.dig(each, "metadata", "name")): each for each in found.mesh}
    named = sorted(
        key
        for key, each in settings.items()
        if (key == "istio" or key.startswith("istio-")) and objects.dig(each, "data", "mesh")
    )
    if not named and not found.istiod:
        return
    first = named[0] if named else ""
    text = objects.document(objects.dig(settings.get(first), "data", "mesh"))
    versions = [each for each in (objects.image_version(one, "discovery") for one in found.istiod) if each]
    into.section(
        "istio",
        mesh.ClusterIstio,
        {
            "enabled": True,
            "version": versions[0] if versions else None,
            "mode": mesh.Mode.AMBIENT if found.ztunnel else mesh.Mode.SIDECAR,
            "trust_domain": text.get("trustDomain"),
            "mesh_id": objects.dig(text, "defaultConfig", "meshId"),
            "network": objects.dig(found.istio_home, "metadata", "labels", NETWORK),
        },
        f"ConfigMap istio-system/{first}" if first else "Deployment istio-system/istiod",
    )
    if len(named) > 1 or len(set(versions)) > 1:
        into.say(
            "several-revisions",
            f"Istio has several revisions here ({', '.join(named or versions)}); the first was read",
            "finish the upgrade, or write what differs by hand",
        )
