"""Istio's decision on one call: mutual TLS first, then tokens, then authorization, at each point on the way.

Only what comes in is judged, by whoever enforces at the destination: a sidecar, a gateway, or a waypoint
and the destination's ztunnel behind it. Nothing of Istio's stops a call at its source.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.address import prefix
from isthmus.policy import world
from isthmus.policy.istio import attach, authorize, claims, facts, identity, model, mtls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.policy import layer7, rule

Point = attach.Point
Verdict = authorize.Verdict
FORWARDED: Final = "x-forwarded-for"
DENIED: Final = 403
PASSED: Final = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A connection, or a request over one, between two endpoints.

    `port` is the workload's, `service_port` the Service's where the call goes to one of `served`. `is_http`
    says what the port speaks; then `request` is what is asked, None for 'some request'. `is_mutual` overrides
    what mesh, DestinationRule and PeerAuthentication tell. `remotes` override the client's addresses that
    X-Forwarded-For tells a gateway behind `trusted_proxies` proxies. `waypoint` is that of the destination,
    which otherwise is made up from its name.
    """

    source: world.Endpoint
    destination: world.Endpoint
    port: int
    is_http: bool = False
    request: layer7.Request | None = None
    service_port: int | None = None
    served: tuple[attach.Served, ...] = ()
    is_mutual: bool | None = None
    remotes: tuple[int, ...] | None = None
    trusted_proxies: int = 0
    waypoint: world.Endpoint | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """The answer: who decided, or whose absence did, and the chain of sentences that leads there.

    `status` is what a client sees: 200, 401, 403; None for a connection that is reset or speaks no HTTP.
    `point` is who decided; None outside the mesh. `is_partial` marks an answer that differs by request where
    none was given: some pass, or none is sure to.
    """

    verdict: authorize.Verdict
    sentences: tuple[str, ...]
    because: tuple[rule.Origin, ...] = ()
    point: attach.Point | None = None
    status: int | None = None
    change: str | None = None
    is_partial: bool = False

    @property
    def is_allowed(self) -> bool:
        """Whether it passes, a provider that is asked taken to say yes."""
        return self.verdict is not Verdict.DENY


def decide(call: Call, policies: Mapping[str, model.Policies]) -> Decision:
    """Return Istio's answer to a call; `policies` by cluster, those of both ends where known."""
    here = _of(policies, call.destination.cluster)
    where = attach.point(call.destination, here)
    if where is None:
        said = speech(call, policies)
        if said.is_mutual and said.because:
            why = "the client's sidecar is told to speak mutual TLS, and the destination is not in the mesh"
            return Decision(Verdict.DENY, (why,), said.because, None, change="leave the TLS mode out")
        return Decision(Verdict.ALLOW, ("the destination is not in the mesh: nobody enforces here",))
    chain: tuple[Decision, ...] = ()
    if passes_waypoint(call):
        chain = (_waypoint(call, policies, here),)
        call = dataclasses.replace(call, source=_waypoint_of(call), is_mutual=True, remotes=None)
    if all(each.is_allowed for each in chain):
        chain = (*chain, _point(call, policies, here, where))
    return _together(chain)


def passes_waypoint(call: Call) -> bool:
    """Say whether a call goes through a waypoint: ztunnel alone sends there, sidecars and strangers do not.

    `pilot/pkg/serviceregistry/ambient/sidecar_interop.go`: only gateways that are told to know waypoints too.
    """
    has = call.waypoint is not None or bool(call.destination.waypoint)
    is_ambient = call.source.mesh is call.destination.mesh is world.Mesh.AMBIENT
    return has and is_ambient and attach.MANAGED not in call.source.labels


def _of(policies: Mapping[str, model.Policies], cluster: str) -> model.Policies:
    return policies.get(cluster) or model.Policies(world.Settings(cluster=cluster))


def _waypoint_of(call: Call) -> world.Endpoint:
    found = call.waypoint or attach.waypoint(call.destination)
    assert found is not None
    return dataclasses.replace(found, mesh=world.Mesh.AMBIENT)


def _together(chain: tuple[Decision, ...]) -> Decision:
    """Return the last decision with the sentences of all; a provider asked on the way is asked still."""
    last = chain[-1]
    asked = [each for each in chain if each.verdict is Verdict.ASK]
    deciding = asked[0] if asked and last.is_allowed else last
    because = (
        dict.fromkeys(origin for each in chain for origin in each.because)
        if last.is_allowed
        else last.because
    )
    return dataclasses.replace(
        deciding,
        sentences=tuple(sentence for each in chain for sentence in each.sentences),
        because=tuple(because),
        status=chain[0].status if last.is_allowed else last.status,
        is_partial=any(each.is_partial for each in chain),
    )


def speech(call: Call, policies: Mapping[str, model.Policies]) -> mtls.Spoken:
    """Return what the client speaks to the destination."""
    source, destination = call.source, call.destination
    if call.is_mutual is not None:
        return mtls.Spoken(call.is_mutual)
    theirs = _of(policies, source.cluster)
    is_gateway = source.namespace is not None and attach.is_gateway(source, theirs)
    if source.mesh is world.Mesh.NONE and not is_gateway:
        return mtls.Spoken(is_mutual=False)
    # A gateway is a proxy of the mesh, whether or not its manifest tells of injection.
    meshes = {world.Mesh.SIDECAR if is_gateway else source.mesh, destination.mesh}
    if world.Mesh.AMBIENT in meshes:
        # ztunnel and sidecars of an ambient mesh tunnel to each other; DestinationRules mean nothing to it.
        return mtls.Spoken(world.Mesh.NONE not in meshes)
    said = mtls.spoken(source, theirs, call.served, call.service_port or call.port)
    if said is not None:
        return said
    here = _of(policies, destination.cluster)
    if destination.mesh is world.Mesh.NONE or attach.is_gateway(destination, here):
        return mtls.Spoken(is_mutual=False)
    # Auto mTLS: checkMtlsEnabled (pilot/pkg/xds/endpoints/mtls_checker.go) asks the server's policy.
    taken = mtls.accepted(mtls.levels(destination, here), call.port)
    return mtls.Spoken(theirs.settings.auto_mtls and taken.mode is not model.Mode.DISABLE)


def _waypoint(call: Call, policies: Mapping[str, model.Policies], here: model.Policies) -> Decision:
    waypoint = _waypoint_of(call)
    theirs = _of(policies, call.source.cluster).settings
    at = dataclasses.replace(call, destination=waypoint, port=call.service_port or call.port)
    principal = identity.principal(call.source, theirs)
    return _judge(
        at, here, Point.WAYPOINT, principal, (f"the call goes through the waypoint {waypoint.title}",)
    )


def _point(
    call: Call, policies: Mapping[str, model.Policies], here: model.Policies, where: attach.Point
) -> Decision:
    """Return what the destination's own proxy says: of the transport first."""
    said = speech(call, policies)
    theirs = _of(policies, call.source.cluster).settings
    principal = identity.principal(call.source, theirs) if said.is_mutual and call.source.namespace else None
    closed = _closed(call, here, where, said, theirs)
    if closed is not None:
        return closed
    if said.is_other_tls:
        # Permissive chains pass TLS that is not the mesh's on as TCP (filter chain matches by ALPN).
        call = dataclasses.replace(call, is_http=False, request=None)
    told = (
        f"it comes with mutual TLS as {principal}"
        if principal
        else "it comes in plaintext, without a principal"
    )
    return _judge(call, here, where, principal, (f"{where.value} of {call.destination.title}: {told}",))


def _closed(
    call: Call, here: model.Policies, where: attach.Point, said: mtls.Spoken, theirs: world.Settings
) -> Decision | None:
    """Return the refusal of the transport: no mutual TLS where it must be, or one that fails."""
    if where in {Point.GATEWAY, Point.WAYPOINT}:
        return None  # the servers of a Gateway say what it speaks, PeerAuthentication does not
    found = mtls.levels(call.destination, here)
    taken = (mtls.tunnelled if where is Point.ZTUNNEL else mtls.accepted)(found, call.port)
    if not said.is_mutual and taken.mode is model.Mode.STRICT:
        why = f"{where.value} of {call.destination.title} takes mutual TLS alone on port {call.port} (STRICT)"
        change = "bring the source into the mesh, or make the port PERMISSIVE"
        return Decision(
            Verdict.DENY,
            (why, "the source speaks none"),
            (*taken.because, *said.because),
            where,
            None,
            change,
        )
    if not said.is_mutual:
        return None
    is_tunnelled = call.source.mesh is world.Mesh.AMBIENT
    if where is Point.SIDECAR and taken.mode is model.Mode.DISABLE and not is_tunnelled:
        why = f"{call.destination.title} takes plaintext alone on port {call.port}, and mutual TLS comes"
        because = (*taken.because, *said.because)
        return Decision(Verdict.DENY, (why,), because, where, None, "let both sides agree")
    known = identity.domains(here.settings)
    if theirs.trust_domain not in known and not here.settings.skips_trust_domain:
        # ApplyToCommonTLSContext (pilot/pkg/security/model/authentication.go) checks the peer's prefix.
        names = " nor ".join(known)
        why = f"the peer's trust domain {theirs.trust_domain} is neither {names}: the handshake fails"
        return Decision(Verdict.DENY, (why,), (), where, None, "add it to trustDomainAliases")
    return None


def _judge(
    call: Call, here: model.Policies, where: attach.Point, principal: str | None, told: tuple[str, ...]
) -> Decision:
    """Return what tokens and authorization say at a point."""
    root = here.settings.root_namespace
    is_http = call.is_http and where is not Point.ZTUNNEL
    tokens = attach.attached(here.authentications, call.destination, where, root, call.served)
    token = claims.accept(call.request, tokens) if is_http else claims.Token()
    known = facts.Facts(
        settings=here.settings,
        port=call.port,
        is_http=is_http,
        principal=principal,
        peers=call.source.addresses,
        remotes=remotes(call, where),
        addresses=call.destination.addresses,
        request=call.request if is_http or where is not Point.ZTUNNEL else None,
        claims=token.claims,
    )
    if token.status is not None:
        return Decision(Verdict.DENY, (*told, token.why), token.because, where, token.status, "a valid token")
    attached = attach.attached(here.authorizations, call.destination, where, root, call.served)
    found = authorize.authorize(attached, known, where)
    status = (DENIED if found.verdict is Verdict.DENY else PASSED) if is_http else None
    because = found.because
    return Decision(found.verdict, (*told, found.why), because, where, status, found.change, found.is_partial)


def remotes(call: Call, where: attach.Point) -> tuple[int, ...]:
    """Return the client's addresses as a proxy takes them from X-Forwarded-For.

    A gateway trusts as many hops as it is told, from the right; a sidecar and a waypoint take the rightmost
    (Envoy `use_remote_address` and `xff_num_trusted_hops`; `buildGatewayConnectionManager`).
    """
    if call.remotes is not None:
        return call.remotes
    text = dict(call.request.headers).get(FORWARDED, "") if call.request else ""
    hops = [each.strip() for each in text.split(",") if each.strip()]
    back = call.trusted_proxies if where is Point.GATEWAY else 1
    if not 0 < back <= len(hops):
        return call.source.addresses
    try:
        return (prefix.parse(hops[-back]).first,)
    except ValueError:
        return call.source.addresses
