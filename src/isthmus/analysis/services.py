"""Trouble 9: global services whose backends the other clusters do not get.

A global service is a Service of the same name and namespace in each cluster, all of them annotated. What the
datapath has made of them is not read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from isthmus.analysis import report
from isthmus.analysis.snapshot import Json, Missing, Site, Snapshot, kubectl

TROUBLE: Final = 9
GLOBAL: Final = ("service.cilium.io/global", "io.cilium/global-service")
SHARED: Final = ("service.cilium.io/shared", "io.cilium/shared-service")
AFFINITY: Final = ("service.cilium.io/affinity", "io.cilium/service-affinity")
"""Annotations with their older names (Cilium 1.20 pkg/annotation/k8s.go)."""
NAMESPACE: Final = "clustermesh.cilium.io/global"
AFFINITIES: Final = ("", "none", "local", "remote")

Key = str
"""NAMESPACE/NAME."""


def key(body: Mapping[str, Any]) -> Key:
    """Return NAMESPACE/NAME of an object."""
    return f"{body['metadata'].get('namespace')}/{body['metadata']['name']}"


def note(body: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the value of an annotation under the first of its names that is there, in lower case."""
    has = body["metadata"].get("annotations") or {}
    return next((str(has[name]).strip().lower() for name in names if name in has), "")


def is_global(body: Mapping[str, Any]) -> bool:
    """Say whether a Service is annotated as global."""
    return note(body, GLOBAL) == "true"


def is_shared(body: Mapping[str, Any]) -> bool:
    """Say whether its own backends are given to other clusters."""
    return is_global(body) and note(body, SHARED) != "false"


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield services that are global on one side alone, or of which nothing is shared."""
    readable: dict[str, dict[Key, Json]] = {}
    for site in seen.meshed:
        if isinstance(site.services, Missing):
            yield report.unchecked(TROUBLE, site, "Services", site.services)
        else:
            readable[site.cluster] = {key(each): each for each in site.services}
    if len(readable) < 2:
        return
    names = sorted({name for each in readable.values() for name, body in each.items() if is_global(body)})
    for name in names:
        has = {cluster: each[name] for cluster, each in readable.items() if name in each}
        yield from _one(seen, name, has, tuple(readable))
    for site in seen.meshed:
        if site.cluster in readable and isinstance(site.backends, Missing):
            yield report.unchecked(TROUBLE, site, "backends of global services", site.backends)


def _one(
    seen: Snapshot, name: Key, has: Mapping[str, Json], clusters: tuple[str, ...]
) -> Iterator[report.Diagnosis]:
    is_one = {cluster: is_global(body) for cluster, body in has.items()}
    users = [cluster for cluster, yes in is_one.items() if yes]
    for cluster in clusters:
        site = seen.sites[cluster]
        if cluster not in has:
            yield _absent(site, name, users)
        elif not is_one[cluster]:
            yield _half(site, name, users)
        else:
            yield from _odd(site, name, has[cluster])
    yield from _ports(seen, name, {cluster: has[cluster] for cluster in users})
    yield from _backends(seen, name, users, has)


def _half(site: Site, name: Key, users: list[str]) -> report.Diagnosis:
    namespace, _, short = name.partition("/")
    return _told(
        site,
        "service-not-global",
        name,
        f"the Service is global in {', '.join(users)} and not here: its backends here are not shared, "
        "and callers here get no others",
        kubectl(site, f"-n {namespace} annotate service {short} {GLOBAL[0]}=true"),
        evidence=(f"{site.cluster} has no {GLOBAL[0]}: true on it",),
    )


def _absent(site: Site, name: Key, users: list[str]) -> report.Diagnosis:
    namespace, _, short = name.partition("/")
    spaces = () if isinstance(site.namespaces, Missing) else site.namespaces
    lacks = "namespace and Service are" if spaces and namespace not in _names(spaces) else "the Service is"
    return _told(
        site,
        "service-absent",
        name,
        f"it is global in {', '.join(users)}, and {lacks} not here: callers here cannot resolve its name",
        "make the same Service here if it is called from here: "
        f"{kubectl(site, f'-n {namespace} create -f FILE')} "
        f'with {GLOBAL[0]}: "true"',
        severity=report.Severity.WARNING,
        evidence=(f"no Service {short} in namespace {namespace}",),
    )


def _odd(site: Site, name: Key, body: Json) -> Iterator[report.Diagnosis]:
    namespace, _, short = name.partition("/")
    affinity = note(body, AFFINITY)
    if affinity not in AFFINITIES:
        yield _told(
            site,
            "service-affinity",
            name,
            f"affinity is '{affinity}', and Cilium knows local and remote",
            kubectl(site, f"-n {namespace} annotate service {short} {AFFINITY[0]}-"),
        )
    elif affinity == "none":
        yield _told(
            site,
            "service-affinity",
            name,
            "affinity is written out as 'none', with which Cilium 1.18.10 dropped every remote "
            "backend (cilium#46623)",
            kubectl(site, f"-n {namespace} annotate service {short} {AFFINITY[0]}-"),
            severity=report.Severity.WARNING,
        )
    if (
        isinstance(site.namespaces, Missing)
        or site.setting("clustermesh-default-global-namespace") != "false"
    ):
        return
    home = next((each for each in site.namespaces if each["metadata"]["name"] == namespace), None)
    if home is not None and note(home, (NAMESPACE,)) != "true":
        yield _told(
            site,
            "namespace-not-global",
            name,
            "namespaces are not global by default here, and this one is not annotated: its Services "
            "stay local",
            kubectl(site, f"annotate namespace {namespace} {NAMESPACE}=true"),
        )


def _ports(seen: Snapshot, name: Key, bodies: Mapping[str, Json]) -> Iterator[report.Diagnosis]:
    said = {cluster: _of_ports(body) for cluster, body in bodies.items()}
    if len(set(said.values())) < 2:
        return
    words = "; ".join(f"{cluster}: {', '.join(ports) or 'none'}" for cluster, ports in said.items())
    yield _told(
        seen.sites[max(said)],
        "service-ports-differ",
        name,
        f"the ports are not the same everywhere ({words}): Cilium merges backends by the name and "
        "number of a port",
        "give the Service the same port names, numbers and protocols in every cluster",
        evidence=(words,),
    )


def _of_ports(body: Json) -> tuple[str, ...]:
    ports = (body.get("spec") or {}).get("ports") or ()
    return tuple(
        sorted(
            f"{each.get('name') or '-'} {each.get('port')}/{each.get('protocol') or 'TCP'}" for each in ports
        )
    )


def _backends(
    seen: Snapshot, name: Key, users: list[str], has: Mapping[str, Json]
) -> Iterator[report.Diagnosis]:
    """Tell of a service that nobody answers: no cluster that shares its backends has any."""
    sites = [seen.sites[cluster] for cluster in users]
    if any(isinstance(site.backends, Missing) for site in sites) or len(users) < 2:
        return
    counts = {site.cluster: _count(site, name) for site in sites}
    given = {cluster: count for cluster, count in counts.items() if is_shared(has[cluster])}
    held = {cluster: count for cluster, count in counts.items() if cluster not in given}
    lone = [cluster for cluster, count in counts.items() if not count]
    if lone and not any(given.values()) and any(counts.values()):
        yield _told(
            seen.sites[lone[0]],
            "service-not-shared",
            name,
            f'it has no backend here, and {", ".join(held)} keeps its own ({SHARED[0]}: "false")',
            "; ".join(
                kubectl(
                    seen.sites[each],
                    f"-n {name.partition('/')[0]} annotate service {name.partition('/')[2]} {SHARED[0]}-",
                )
                for each in held
            ),
            evidence=tuple(f"{cluster}: {count} pods" for cluster, count in counts.items()),
        )
    elif not any(counts.values()):
        yield _told(
            sites[0],
            "service-without-backends",
            name,
            "no cluster has a pod behind this global service",
            "start its pods, or correct the Service's selector",
            severity=report.Severity.WARNING,
            evidence=tuple(f"{cluster}: {count} pods" for cluster, count in counts.items()),
        )


def _count(site: Site, name: Key) -> int:
    return len(site.backends.get(name, ())) if isinstance(site.backends, Mapping) else 0


def _names(bodies: tuple[Json, ...]) -> set[str]:
    return {str(each["metadata"]["name"]) for each in bodies}


def _told(
    site: Site,
    code: str,
    name: Key,
    message: str,
    remedy: str,
    *,
    severity: report.Severity = report.Severity.ERROR,
    evidence: tuple[str, ...] = (),
) -> report.Diagnosis:
    namespace, _, short = name.partition("/")
    return report.found(
        TROUBLE,
        code,
        site,
        message,
        remedy,
        severity=severity,
        kind="Service",
        namespace=namespace,
        name=short,
        evidence=evidence,
    )
