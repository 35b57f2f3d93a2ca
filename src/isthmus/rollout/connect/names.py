"""What each cluster's CoreDNS is told of the others: stub zones, and names of the clusterset, as parts.

Pure: the ConfigMaps come in as facts. Only CoreDNS is told; for others `plan render dns` writes files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import corefile, dns, settings
from isthmus.model import errors, finding
from isthmus.rollout import part as parts
from isthmus.rollout.connect import system

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import app as apps
    from isthmus.model import fleet, folder
    from isthmus.rollout.connect import facts as asked

Json = dict[str, Any]

CONFIG: Final = "coredns"
CUSTOM: Final = "coredns-custom"
KEY: Final = "Corefile"
OWN: Final = "isthmus.server"
ROLE: Final = "isthmus-coredns-clusterset"
LIMITS: Final = (
    "stub zones are whole namespaces: no failover, no health, no merging of Services; a ClusterIP of another "
    "cluster is not reached, so headless Services are what they are for; the addresses of DNS servers "
    "stay as written, and questions go over plain TCP"
)


def namespaces(known: fleet.Fleet, apps: Sequence[apps.App]) -> dict[str, tuple[str, ...]]:
    """Return the namespaces of Apps in each cluster."""
    found: dict[str, set[str]] = {each.name: set() for each in known.clusters}
    for app in apps:
        for cluster in app.spec.clusters:
            found.setdefault(cluster, set()).add(app.namespace)
    return {cluster: tuple(sorted(names)) for cluster, names in found.items()}


def zones(source: folder.Folder, cluster: str) -> dns.Stubs:
    """Return the stub zones of a cluster; InputError where they cannot be told apart or addressed."""
    known = source.fleet
    if known.spec.dns is None or not known.spec.dns.stubs:
        return {}
    servers = {each.name: each.dns or () for each in known.clusters}
    return dns.stubs(cluster, namespaces(known, source.apps), servers)


def of(source: folder.Folder, cluster: str, seen: asked.Facts) -> tuple[parts.Part, ...]:
    """Return what is written into the DNS of one cluster, and what stood there before.

    Raises InputError where it cannot be written.
    """
    old = text_of(seen)
    if old is None:
        return ()
    wanted, is_set = zones(source, cluster), settings.has_clusterset(source.fleet)
    by_import = corefile.imports(old)
    new = corefile.with_stubs(corefile.without(old), {} if by_import else wanted)
    if is_set:
        new = corefile.with_clusterset(new)
    was_set = corefile.MARK in old
    found = _rights(is_set=corefile.MARK in new, was_set=was_set)
    if new != old or corefile.is_ours(new):
        found.append(_config(CONFIG, {KEY: new}, {KEY: old}))
    return (*found, *_custom(seen, wanted if by_import else {}))


def out(seen: asked.Facts) -> tuple[parts.Part, ...]:
    """Return what takes everything of ours out of the DNS of one cluster."""
    old = text_of(seen) or ""
    found = _rights(is_set=False, was_set=corefile.MARK in old)
    if corefile.is_ours(old):
        found.append(_config(CONFIG, {KEY: corefile.without(old)}, {KEY: old}))
    return (*found, *_custom(seen, {}))


def text_of(seen: asked.Facts) -> str | None:
    """Return the Corefile of a cluster, None where it has none."""
    found = ((seen.dns.get(CONFIG) or {}).get("data") or {}).get(KEY)
    return str(found) if found is not None else None


def findings(source: folder.Folder, cluster: str, seen: asked.Facts) -> Iterator[finding.Finding]:
    """Yield what stands against it in one cluster, and what is to know of it."""
    stubs = source.fleet.spec.dns is not None and source.fleet.spec.dns.stubs
    if not stubs and not settings.has_clusterset(source.fleet):
        return
    old = text_of(seen)
    if old is None:
        yield _about(
            "dns-no-coredns",
            f"ConfigMap {system.NAMESPACE}/{CONFIG} has no Corefile, and only CoreDNS is told of others",
            "write its configuration by `isthmus plan render dns`, and leave `dns` out of the Fleet",
            cluster,
        )
        return
    try:
        wanted = zones(source, cluster)
        of(source, cluster, seen)
    except errors.InputError as error:
        yield _about("dns-not-told", error.brief, _remedy(error), cluster)
        return
    yield from _stubs(cluster, old, wanted)


def limits(source: folder.Folder) -> Iterator[finding.Finding]:
    """Yield what stub zones are not."""
    if source.fleet.spec.dns is not None and source.fleet.spec.dns.stubs:
        yield finding.Finding(
            code="dns-limits",
            severity=finding.Severity.INFO,
            message=LIMITS,
            remedy="where that is too little: `services` of an App with `global: true` or `export: true`",
            kind="Fleet",
            name=source.fleet.name,
        )


def _stubs(cluster: str, old: str, wanted: dns.Stubs) -> Iterator[finding.Finding]:
    there = sorted(set(wanted) & set(corefile.zones(corefile.without(old))))
    if there:
        yield _about(
            "dns-zone-there",
            f"its Corefile answers {there[0]} already, by a block that is not ours",
            "take that block out, or leave `dns` out of the Fleet",
            cluster,
        )
    if not corefile.reloads(old):
        yield _about(
            "dns-no-reload",
            "its Corefile has no `reload`: CoreDNS reads the change when it starts again",
            f"kubectl -n {system.NAMESPACE} rollout restart deployment {CONFIG}",
            cluster,
            finding.Severity.WARNING,
        )


def _remedy(error: errors.InputError) -> str:
    if "--at" in error.remedy:  # of `plan render`, which has no field to write them in
        return "write them in the Fleet, as the others reach them: `dns: [ADDRESS:PORT]` of each cluster"
    return error.remedy


def _config(name: str, data: Json, before: Json | None) -> parts.Part:
    return parts.Part(
        api_version="v1",
        kind="ConfigMap",
        namespace=system.NAMESPACE,
        name=name,
        body={"data": data},
        before=None if before is None else {"data": before},
        only_on=name == CONFIG,
        guarded=True,
    )


def _custom(seen: asked.Facts, wanted: dns.Stubs) -> list[parts.Part]:
    """Return our own key of ConfigMap coredns-custom."""
    there = seen.dns.get(CUSTOM)
    held = ((there or {}).get("data") or {}).get(OWN)
    if not wanted and held is None:
        return []
    before = None if there is None else ({OWN: held} if held is not None else {})
    return [_config(CUSTOM, {OWN: dns.corefile(wanted)} if wanted else {}, before)]


def _rights(*, is_set: bool, was_set: bool) -> list[parts.Part]:
    """Return the role that lets CoreDNS read ServiceImports: without it, it answers nothing of them."""
    if not (is_set or was_set):
        return []
    rules = [
        {"apiGroups": ["multicluster.x-k8s.io"], "resources": ["serviceimports"], "verbs": ["list", "watch"]}
    ]
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": CONFIG, "namespace": system.NAMESPACE}
    role: Json = {"rules": rules}
    binding: Json = {
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": ROLE},
        "subjects": [subject],
    }
    return [
        parts.Part(
            api_version=f"{group}/v1",
            kind=kind,
            namespace=None,
            name=ROLE,
            body=body if is_set else None,
            before=body if was_set else None,
        )
        for kind, body in (("ClusterRole", role), ("ClusterRoleBinding", binding))
    ]


def _about(
    code: str,
    message: str,
    remedy: str,
    cluster: str,
    severity: finding.Severity = finding.Severity.ERROR,
) -> finding.Finding:
    return finding.Finding(code=code, severity=severity, message=message, remedy=remedy, cluster=cluster)
