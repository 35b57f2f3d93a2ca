"""Whether an Access names Apps and clusters that the folder has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import explain, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from isthmus.model import access, app, finding, source


def of_access(
    document: source.Document,
    value: access.Access,
    known: fleet.Fleet | None,
    apps: Mapping[str, app.App],
) -> Iterator[finding.Finding]:
    """Yield each name that is nobody's; without a Fleet clusters are not judged."""
    for side, peer in (("from", value.spec.source), ("to", value.spec.to)):
        path = ("spec", side)
        if peer.app is not None and peer.app not in apps:
            yield explain.about(
                document,
                (*path, "app"),
                code="unknown-app",
                message=f"the folder has no App '{peer.app}'",
                remedy=f"use one of: {fleet.near(peer.app, apps)}" if apps else "add a document of kind App",
            )
        elif known is not None and "*" not in peer.clusters:
            names = tuple(apps[peer.app].spec.clusters) if peer.app else tuple(known.by_name)
            whose = f"App '{peer.app}'" if peer.app else f"Fleet '{known.name}'"
            for index, name in enumerate(peer.clusters):
                if name not in names:
                    yield explain.about(
                        document,
                        (*path, "clusters", index),
                        code="unknown-cluster",
                        message=f"{whose} has no cluster '{name}'",
                        remedy=f"use some of: {fleet.near(name, names)}, or '*'",
                    )
