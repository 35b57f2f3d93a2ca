"""Trouble 7: ids and names of clusters, and how many there may be, that clash.

A plan forbids these; here they are read from what runs, so also in clusters that no plan knows.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final

from isthmus.analysis import report
from isthmus.analysis.snapshot import Missing, Site, Snapshot
from isthmus.mesh import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

TROUBLE: Final = 7
MARKED: Final = frozenset({"eni", "alibabacloud"})
CONFIG: Final = "cilium-config"
WARNING: Final = (
    "workloads of that cluster have to be restarted afterwards, since their identities hold the id: "
    "one cluster at a time"
)


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield what clashes."""
    sites = []
    for site in seen.meshed:
        if isinstance(site.config, Missing):
            yield report.unchecked(TROUBLE, site, "cluster id and name", site.config)
        else:
            sites.append(site)
            yield from _alone(seen, site)
    yield from _shared(seen, sites, "cluster-id", "cluster-id-shared")
    yield from _shared(seen, sites, "cluster-name", "cluster-name-shared")
    most = {site.setting("max-connected-clusters") or str(limits.DEFAULT_MAX) for site in sites}
    if len(most) > 1:
        words = ", ".join(f"{site.cluster} {_most(site)}" for site in sites)
        yield report.found(
            TROUBLE,
            "max-connected-clusters-differ",
            None,
            f"maxConnectedClusters is not the same everywhere ({words}): agents refuse such a peer",
            "it cannot be changed in a live cluster: rebuild those that differ, or leave them out of "
            "the mesh",
            evidence=(words,),
        )


def _alone(seen: Snapshot, site: Site) -> Iterator[report.Diagnosis]:
    text = site.setting("cluster-id", "0")
    number = int(text) if text.isdigit() else 0
    if number == 0:
        yield _told(site, "cluster-id-unset", "cluster-id is 0, which no member of a mesh may have", seen.up)
    marked = site.setting("ipam") in MARKED or site.setting("cni-chaining-mode") == "aws-cni"
    if limits.clashes(number) and marked:
        yield _told(
            site,
            "cluster-id-clashes",
            f"id {number} has the bit that {site.setting('ipam')} or aws-cni marks packets with: "
            "agents refuse to start (cilium#21330)",
            "give it an id below 128: `id:` in the Fleet, then isthmus connect up; " + WARNING,
        )
    wanted = seen.planned.ids.get(site.cluster) if seen.planned else None
    if wanted is not None and number not in {0, wanted}:
        yield _told(
            site,
            "cluster-id-changed",
            f"cluster-id is {number}, the Fleet says {wanted}",
            f"{seen.up}; {WARNING}",
        )
    yield from _remembered(seen, site)


def _remembered(seen: Snapshot, site: Site) -> Iterator[report.Diagnosis]:
    """Compare the id that others have read of a peer with the one that its own ConfigMap has now."""
    if isinstance(site.agents, Missing):
        return
    for agent in site.agents:
        told = {} if isinstance(agent.status, Missing) else agent.status.get("cluster-mesh") or {}
        for one in told.get("clusters") or ():
            other = seen.named(str(one.get("name")))
            known = (one.get("config") or {}).get("cluster-id")
            now = other.setting("cluster-id") if other is not None else ""
            if other is not None and known and now and str(known) != now:
                yield _told(
                    other,
                    "cluster-id-not-applied",
                    f"cluster-id is {now} here, and agents of {site.cluster} read {known} from its "
                    "mesh server: it was changed under running agents",
                    f"set it back to {known}, or: {seen.up}; {WARNING}",
                )
                return


def _shared(seen: Snapshot, sites: list[Site], key: str, code: str) -> Iterator[report.Diagnosis]:
    users = collections.defaultdict[str, list[Site]](list)
    for site in sites:
        if site.setting(key) not in {"", "0"}:
            users[site.setting(key)].append(site)
    for value, same in users.items():
        if len(same) > 1:
            names = ", ".join(each.cluster for each in same)
            yield _told(
                same[-1],
                code,
                f"{key} {value} is that of {names}: the agents of each refuse the other",
                f"give each its own (`{'id' if key == 'cluster-id' else 'name'}:` in the Fleet), "
                f"then: {seen.up}; " + WARNING,
                explains=frozenset(
                    (one.cluster, other.cluster) for one in same for other in same if one is not other
                ),
            )


def _most(site: Site) -> str:
    return site.setting("max-connected-clusters") or str(limits.DEFAULT_MAX)


def _told(
    site: Site,
    code: str,
    message: str,
    remedy: str,
    *,
    explains: frozenset[tuple[str, str]] = frozenset(),
) -> report.Diagnosis:
    words = f"{CONFIG} cluster-id: {site.setting('cluster-id')}, cluster-name: {site.setting('cluster-name')}"
    return report.found(
        TROUBLE,
        code,
        site,
        message,
        remedy,
        kind="ConfigMap",
        name=CONFIG,
        evidence=(words,),
        explains=explains,
    )
