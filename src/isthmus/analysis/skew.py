"""Trouble 10: versions too far apart, upgrades that stopped half-way, users that a server lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import yaml

from isthmus.analysis import report, trust
from isthmus.analysis.snapshot import Missing, Part, Site, Snapshot, kubectl
from isthmus.mesh import versions

TROUBLE: Final = 10
USERS: Final = "clustermesh-remote-users"
UNTAGGED: Final = Missing(why="the tag of its agents' image is no version")


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield what is not of one version, and peers without a user."""
    known: list[tuple[versions.Version, Site]] = []
    for site in seen.meshed:
        assert isinstance(site.parts, Mapping)
        version = site.parts["agents"].version if "agents" in site.parts else None
        if version is None:
            yield report.unchecked(TROUBLE, site, "the version of Cilium", UNTAGGED)
        else:
            known.append((versions.parse(version), site))
            yield from _half(seen, site, site.parts, version)
        yield from _users(seen, site)
    if len(known) > 1:
        yield from _apart(known)


def _apart(known: list[tuple[versions.Version, Site]]) -> Iterator[report.Diagnosis]:
    (old, oldest), (new, newest) = (
        min(known, key=lambda each: each[0][:2]), max(known, key=lambda each: each[0][:2])
    )  # fmt: skip
    if versions.apart(old, new) > versions.SKEW:
        yield report.found(
            TROUBLE,
            "cilium-version-skew",
            oldest,
            f"Cilium is {old} here and {new} in {newest.cluster}: a mesh bears one minor version "
            "between any two",
            "upgrade this one minor version at a time: `network: {version: ...}` and the chart of "
            "that version in the Fleet, then isthmus connect up",
            kind="DaemonSet",
            name="cilium",
            evidence=tuple(f"{site.cluster}: {version}" for version, site in known),
        )


def _half(seen: Snapshot, site: Site, parts: Mapping[str, Part], version: str) -> Iterator[report.Diagnosis]:
    for name, part in parts.items():
        if part.updated < part.desired and name == "agents":
            yield report.found(
                TROUBLE,
                "cilium-half-upgraded",
                site,
                f"{part.updated} of {part.desired} agents are of the newest template: an upgrade "
                "stopped half-way",
                kubectl(site, "-n kube-system rollout status daemonset/cilium"),
                kind="DaemonSet",
                name=part.workload,
            )
        if name in {"operator", "mesh"} and part.version and part.version != version:
            yield report.found(
                TROUBLE,
                "cilium-parts-differ",
                site,
                f"{part.workload} is {part.version}, the agents are {version}: the chart was applied in part",
                seen.up,
                kind="Deployment",
                name=part.workload,
                evidence=(f"{part.workload} {part.version}", f"cilium {version}"),
            )


def _users(seen: Snapshot, site: Site) -> Iterator[report.Said]:
    """Compare the users of a mesh server with the clusters that ask it as `remote-CLUSTER`."""
    others = [each for each in seen.meshed if each is not site]
    asking = [each for each in others if _asks_as_itself(each)]
    if not asking:
        return
    if isinstance(site.users, Missing):
        yield report.unchecked(TROUBLE, site, f"ConfigMap {USERS}", site.users)
        return
    listed = users(site.users)
    for other in asking:
        if f"remote-{other.name}" not in listed:
            yield report.found(
                TROUBLE,
                "remote-user-missing",
                site,
                f"its mesh server knows no user remote-{other.name}, as which {other.cluster} asks: "
                "that cluster reads nothing from here",
                f"{seen.up} (`clustermesh.config.enabled: true` with that cluster under `clusters`)",
                kind="ConfigMap",
                name=USERS,
                evidence=(f"users: {', '.join(sorted(listed)) or 'none'}",),
                explains=frozenset({(other.cluster, site.cluster)}),
            )


def users(body: Mapping[str, object] | None) -> set[str]:
    """Return the names in ConfigMap clustermesh-remote-users."""
    data = (body or {}).get("data")
    text = data.get("users.yaml") if isinstance(data, Mapping) else None
    try:
        found = yaml.safe_load(str(text or "")) or {}
        return {str(each["name"]) for each in found.get("users") or ()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return set()


def _asks_as_itself(site: Site) -> bool:
    return trust.user(site) == f"remote-{site.name}"
