"""Trouble 8: policies that keep callers of other clusters out of a global service.

Since Cilium 1.19 a peer that names no cluster means the local one alone (`policy-default-local-cluster`).
Only the way in, to pods that are shared with other clusters, is judged: who calls is not known from objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from isthmus.analysis import report, services
from isthmus.analysis.snapshot import Json, Missing, Site, Snapshot
from isthmus.mesh import versions

TROUBLE: Final = 8
CLUSTER: Final = "io.cilium.k8s.policy.cluster"
"""The label that says the cluster of a peer."""
NAMESPACE: Final = "io.kubernetes.pod.namespace"
ALL: Final = frozenset({"all"})
"""Entities that pods of other clusters are: `cluster` means the local one (Cilium 1.20 policy.rst)."""
SOURCES: Final = ("fromEndpoints", "fromEntities", "fromCIDR", "fromCIDRSet", "fromRequires", "fromNodes",
                  "fromGroups")  # fmt: skip


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield global services whose pods no policy lets other clusters reach."""
    for site in seen.meshed if len(seen.meshed) > 1 else ():
        for part in (site.policies, site.services, site.backends):
            if isinstance(part, Missing):
                yield report.unchecked(TROUBLE, site, "policies before global services", part)
                break
        else:
            yield from _site(site)


def _site(site: Site) -> Iterator[report.Diagnosis]:
    assert not isinstance(site.services, Missing)
    assert not isinstance(site.policies, Missing)
    assert isinstance(site.backends, Mapping)
    for service in site.services:
        if not services.is_shared(service):
            continue
        pods = site.backends.get(services.key(service), ())
        shut = [found for pod in pods if (found := closing(pod, site.policies, is_local=is_local(site)))]
        if shut and len(shut) == len(pods):
            yield _told(site, service, shut[0], len(pods))


def is_local(site: Site) -> bool:
    """Say whether a peer that names no cluster means the local one alone."""
    agents = () if isinstance(site.agents, Missing) else site.agents
    oldest = min((each.version for each in agents if each.version), default=None)
    if oldest is not None and versions.before(oldest, 1, 19):
        return site.setting("policy-default-local-cluster") == "true"
    return site.setting("policy-default-local-cluster") != "false"


def closing(pod: Json, policies: Sequence[Json], *, is_local: bool) -> list[Json]:
    """Return the policies that together keep other clusters out of a pod; none where one lets them in."""
    shut = []
    for policy in policies:
        rules = _rules(policy, pod)
        if rules is None:
            continue
        if any(_admits(policy, rule, is_local=is_local) for rule in rules):
            return []
        shut.append(policy)
    return shut


def _rules(policy: Json, pod: Json) -> list[Json] | None:
    """Return the rules of a policy for what comes into a pod; None where it leaves that as it is."""
    if policy.get("kind") == "NetworkPolicy":
        spec = policy.get("spec") or {}
        types = spec.get("policyTypes") or ["Ingress"]
        if (
            "Ingress" not in types
            or not _is_here(policy, pod)
            or not selects(spec.get("podSelector"), _labels(pod))
        ):
            return None
        return list(spec.get("ingress") or ())
    found: list[Json] | None = None
    for spec in [policy.get("spec"), *(policy.get("specs") or ())]:
        chosen = (spec or {}).get("endpointSelector")
        if chosen is None or not _is_here(policy, pod) or not selects(chosen, _labels(pod)):
            continue
        if _is_open(spec):
            continue
        found = [*(found or ()), *(spec.get("ingress") or ())]
    return found


def _is_open(spec: Json) -> bool:
    """Say whether a Cilium rule denies nothing that it does not name."""
    if (spec.get("enableDefaultDeny") or {}).get("ingress") is False:
        return True
    return "ingress" not in spec and "ingressDeny" not in spec


def _is_here(policy: Json, pod: Json) -> bool:
    if policy.get("kind") == "CiliumClusterwideNetworkPolicy":
        return True
    return bool(policy["metadata"].get("namespace") == pod["metadata"].get("namespace"))


def _labels(pod: Json) -> dict[str, str]:
    meta = pod["metadata"]
    return {**(meta.get("labels") or {}), NAMESPACE: str(meta.get("namespace"))}


def selects(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Say whether a label selector chooses what has these labels; sources of labels (`k8s:`) are left out."""
    wanted = {_bare(name): value for name, value in ((selector or {}).get("matchLabels") or {}).items()}
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    return all(_holds(each, labels) for each in (selector or {}).get("matchExpressions") or ())


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    name, values = _bare(str(expression.get("key"))), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(name) in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case _:
            return name not in labels


def _bare(name: str) -> str:
    for source in ("k8s:", "any:", "k8s.", "any."):
        if name.startswith(source):
            return name.removeprefix(source)
    return name


def _admits(policy: Json, rule: Json, *, is_local: bool) -> bool:
    """Say whether a rule lets some pod of another cluster in."""
    if policy.get("kind") == "NetworkPolicy":
        peers = rule.get("from") or ()
        if not peers:
            return True
        return not is_local and any("ipBlock" not in each for each in peers)
    if not any(name in rule for name in SOURCES):
        return True
    if ALL & set(rule.get("fromEntities") or ()):
        return True
    return any(_names_others(each) or not is_local for each in rule.get("fromEndpoints") or ())


def _names_others(selector: Json) -> bool:
    """Say whether a selector speaks of clusters itself, which takes the place of the local one."""
    named: list[Any] = [*(selector.get("matchLabels") or ())]
    named += [each.get("key") for each in selector.get("matchExpressions") or ()]
    return any(_bare(str(name)) == CLUSTER for name in named)


def _told(site: Site, service: Json, shut: Sequence[Json], pods: int) -> report.Diagnosis:
    names = [f"{each['kind']} {services.key(each)}" for each in shut]
    first, meta = shut[0], shut[0]["metadata"]
    return report.found(
        TROUBLE,
        "policy-local-only",
        site,
        f"the pods of global service {services.key(service)} take nothing from other clusters: "
        f"{', '.join(names)} names no other cluster, and a peer without one is local",
        f"let them in: in a CiliumNetworkPolicy, under `fromEndpoints`, `matchExpressions: [{{key: "
        f"{CLUSTER}, "
        "operator: Exists}]` beside the labels of the callers (a plain NetworkPolicy cannot say it)",
        kind=str(first["kind"]),
        namespace=meta.get("namespace"),
        name=str(meta["name"]),
        evidence=(
            f"all {pods} pods of the Service are selected",
            f"policy-default-local-cluster: {site.setting('policy-default-local-cluster') or 'not set'}",
        ),
    )
