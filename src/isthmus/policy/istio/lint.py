"""Istio policies that mean something else than they seem, found against the endpoints they are for.

Codes are those of the project's list (IST-A to IST-G), and more of the same kind. What the webhook refuses is
found by `read`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.model import finding
from isthmus.policy import world
from isthmus.policy.istio import attach, model, mtls, shadow, ztunnel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.policy import rule

Severity = finding.Severity
Point = attach.Point
STREAM_SOURCES: Final = frozenset(
    {model.PRINCIPAL, model.NAMESPACE, model.ACCOUNT, model.ADDRESS, model.REMOTE}
)
"""What of a source istiod's warning counts as known to TCP (`tcpRulesInFrom`)."""


def lint(
    policies: model.Policies,
    endpoints: Sequence[world.Endpoint],
    services: Sequence[world.Service] = (),
) -> tuple[finding.Finding, ...]:
    """Return findings about the policies of one cluster; `endpoints` and `services` are those of it."""
    found = [*_authorizations(policies, endpoints), *_peers(policies, endpoints, services)]
    found += shadow.lint(policies)
    return tuple(found)


def _authorizations(
    policies: model.Policies, endpoints: Sequence[world.Endpoint]
) -> Iterator[finding.Finding]:
    spaces: dict[str | None, list[world.Endpoint]] = {}
    for each in endpoints:
        spaces.setdefault(each.namespace, []).append(each)
    root = policies.settings.root_namespace
    for policy in policies.authorizations:
        own = policy.origin.namespace
        near = endpoints if own == root else spaces.get(own, ())
        chosen = [each for each in near if each.namespace and model.selects(policy.selection, each.labels)]
        yield from _spelling(policy)
        if policy.targets:
            continue
        if policy.selection and endpoints and not chosen:
            yield unselected(policy.origin, policy.selection)
        meshed = [each for each in chosen if attach.point(each, policies) is not Point.WAYPOINT]
        yield from _by_mode(policy, meshed)
        yield from _at_waypoints(policy, chosen, policies)
        yield from _plaintext(policy, meshed, policies)


def unselected(origin: rule.Origin, selection: model.Selection) -> finding.Finding:
    """Return the finding about a selector that matches no endpoint."""
    wanted = ", ".join(f"{key}={value}" for key, value in selection)
    return about(
        origin,
        "IST-SELECTOR",
        Severity.WARNING,
        f"its selector {wanted} matches no workload, so it does nothing",
        remedy="correct the labels, or give the manifests of the workloads too",
    )


def about(
    origin: rule.Origin, code: str, severity: finding.Severity, message: str, *, remedy: str
) -> finding.Finding:
    """Return a finding about an object."""
    told = f"{origin.kind} {origin.namespace}/{origin.name}: {message}"
    return origin.told(code, severity, told, remedy=remedy)


def _spelling(policy: model.Authorization) -> Iterator[finding.Finding]:
    for each in policy.rules:
        for condition in each.conditions:
            values = (*condition.values, *condition.excluded)
            if condition.key == model.PRINCIPAL and any(value.startswith("spiffe://") for value in values):
                yield about(
                    policy.origin,
                    "IST-D",
                    Severity.ERROR,
                    f"rules[{each.place}] has a principal with `spiffe://`, which no peer ever matches",
                    remedy="write <trust domain>/ns/<namespace>/sa/<account> without the scheme",
                )


def is_wide(each: model.Rule) -> bool:
    """Say whether a DENY rule has only HTTP attributes where TCP would look (ValidateAuthorizationPolicy)."""
    has_source = any(one.key in STREAM_SOURCES for entry in each.sources for one in entry)
    has_port = any(one.key == model.PORT for entry in each.operations for one in entry)
    if each.operations:
        return not has_port
    return bool(each.sources) and not has_source


def _by_mode(policy: model.Authorization, chosen: Sequence[world.Endpoint]) -> Iterator[finding.Finding]:
    has_sidecar = any(each.mesh is world.Mesh.SIDECAR for each in chosen)
    ambient = [each for each in chosen if each.mesh is world.Mesh.AMBIENT]
    is_deny = policy.action is model.Action.DENY
    wide = [f"rules[{each.place}]" for each in policy.rules if is_wide(each)] if is_deny else []
    if wide and (has_sidecar or not ambient):
        yield about(
            policy.origin,
            "IST-A",
            Severity.WARNING,
            f"{', '.join(wide)} has HTTP attributes and no port: at a sidecar it denies all plain TCP too",
            remedy="name the HTTP ports in `to.operation.ports`",
        )
    if not ambient:
        return
    if policy.action in {model.Action.AUDIT, model.Action.CUSTOM}:
        yield about(
            policy.origin,
            "IST-C",
            Severity.WARNING if policy.action is model.Action.AUDIT else Severity.ERROR,
            f"ztunnel does not know {policy.action}: nothing of it holds for {ambient[0].title}",
            remedy="bind it to a waypoint with targetRefs",
        )
        return
    yield from _at_ztunnel(policy, ambient[0])


def _at_ztunnel(policy: model.Authorization, each: world.Endpoint) -> Iterator[finding.Finding]:
    dry = "it is in dry run, which ztunnel does not get: it does nothing, not even log"
    lost = {one.place: ztunnel.unsupported(one) for one in policy.rules if ztunnel.unsupported(one)}
    if policy.is_dry_run:
        yield about(policy.origin, "IST-C", Severity.INFO, dry, remedy="try it at a waypoint or a sidecar")
    if not lost:
        return
    keys = ", ".join(sorted({key for found in lost.values() for key in found}))
    if policy.action is model.Action.DENY:
        empty = [place for place in lost if ztunnel.is_void(policy.rules[place])]
        effect = (
            "never matches and denies nothing" if empty else "denies without them, so more than is written"
        )
    else:
        empty, effect = [], "is left out, so it allows nothing"
    rules = ", ".join(f"rules[{place}]" for place in (empty or lost))
    yield about(
        policy.origin,
        "IST-A" if policy.action is model.Action.DENY else "IST-L7",
        Severity.ERROR if empty else Severity.WARNING,
        f"ztunnel of {each.title} does not see {keys}: {rules} {effect}",
        remedy="bind it to a waypoint with targetRefs, or ask for principals and ports alone",
    )


def _at_waypoints(
    policy: model.Authorization, chosen: Sequence[world.Endpoint], policies: model.Policies
) -> Iterator[finding.Finding]:
    waypoints = [each for each in chosen if attach.point(each, policies) is Point.WAYPOINT]
    if policy.selection and waypoints:
        yield about(
            policy.origin,
            "IST-B",
            Severity.WARNING,
            f"it selects the waypoint {waypoints[0].title}, which ignores policies with a selector",
            remedy="bind it with targetRefs to the Gateway, the Service or the ServiceEntry",
        )
    behind = [each for each in chosen if each.mesh is world.Mesh.AMBIENT and each.waypoint]
    asks = any(one.key in model.IDENTITY for each in policy.rules for one in each.conditions)
    if behind and asks and policy.action in {model.Action.ALLOW, model.Action.DENY}:
        yield about(
            policy.origin,
            "IST-B",
            Severity.WARNING,
            f"it asks who the peer is, and at {behind[0].title} that is the waypoint {behind[0].waypoint}",
            remedy="ask at the waypoint with targetRefs, and allow the waypoint's account here",
        )


def _plaintext(
    policy: model.Authorization, chosen: Sequence[world.Endpoint], policies: model.Policies
) -> Iterator[finding.Finding]:
    if policy.action is not model.Action.DENY:
        return
    asks = any(one.key in model.IDENTITY and one.values for each in policy.rules for one in each.conditions)
    meshed = [each for each in chosen if each.mesh is not world.Mesh.NONE]
    soft = [each for each in meshed if _is_soft(each, policies)] if asks else []
    if soft:
        yield about(
            policy.origin,
            "IST-E",
            Severity.WARNING,
            f"it denies by identity, and {soft[0].title} takes plaintext too, which has none and passes",
            remedy="make mutual TLS STRICT there, or deny `notPrincipals: ['*']` as well",
        )


def _is_soft(each: world.Endpoint, policies: model.Policies) -> bool:
    found = mtls.levels(each, policies)
    taken = mtls.tunnelled if each.mesh is world.Mesh.AMBIENT else mtls.accepted
    own = [port for port, _ in found.workload.ports] if found.workload else []
    return any(taken(found, port).mode is not model.Mode.STRICT for port in (0, *own))


def _peers(
    policies: model.Policies, endpoints: Sequence[world.Endpoint], services: Sequence[world.Service]
) -> Iterator[finding.Finding]:
    seen: dict[object, model.Peer] = {}
    root = policies.settings.root_namespace
    for policy in policies.peers:
        key = (policy.origin.namespace, policy.selection or ())
        first = seen.setdefault(key, policy)
        if first is not policy:
            yield _second(policy, first)
        if policy.selection and policy.origin.namespace == root:
            yield about(
                policy.origin,
                "IST-SELECTOR",
                Severity.WARNING,
                "it stands in the root namespace with a selector, and Istio ignores such a policy",
                remedy="put it into the namespace of the workloads",
            )
            continue
        here = [each for each in endpoints if each.namespace == policy.origin.namespace]
        chosen = [each for each in here if model.selects(policy.selection, each.labels)]
        if policy.selection and endpoints and not chosen:
            yield unselected(policy.origin, policy.selection)
        yield from _both(policy, chosen, policies)
        yield from _service_ports(policy, chosen, services)


def _second(policy: model.Peer, first: model.Peer) -> finding.Finding:
    return about(
        policy.origin,
        "IST-G",
        Severity.WARNING,
        f"{first.origin.namespace}/{first.origin.name} is older and of the same scope: this one does nothing",
        remedy="keep one of them",
    )


def _both(
    policy: model.Peer, chosen: Sequence[world.Endpoint], policies: model.Policies
) -> Iterator[finding.Finding]:
    """Yield a finding where an older policy with another selector has the workload already."""
    for each in chosen if policy.selection else ():
        first = mtls.levels(each, policies).workload
        if first is not None and first.origin != policy.origin and first.selection != policy.selection:
            yield _second(policy, first)
            return


def _service_ports(
    policy: model.Peer, chosen: Sequence[world.Endpoint], services: Sequence[world.Service]
) -> Iterator[finding.Finding]:
    here = [each for each in services if each.namespace == policy.origin.namespace and each.selector]
    for service in here if policy.ports else ():
        selector = service.selector
        if selector is None or not any(selector.matches(each.labels) for each in chosen):
            continue
        inner = {_number(target, chosen) for _, _, target in service.ports}
        outer = {number for _, number, _ in service.ports} - inner
        for port in sorted({port for port, _ in policy.ports} & outer):
            yield about(
                policy.origin,
                "IST-F",
                Severity.WARNING,
                f"portLevelMtls {port} is a port of Service {service.name}, not of its pods: it does nothing",
                remedy="name the port of the container, the Service's targetPort",
            )


def _number(target: int | str, chosen: Sequence[world.Endpoint]) -> int | None:
    if isinstance(target, int):
        return target
    found = (port for each in chosen for named, port in each.names.items() if named.name == target)
    return next(found, None)
