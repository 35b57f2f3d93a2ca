"""Mutual TLS of a call: what the client's side speaks, and what the server's side accepts.

PeerAuthentication: mesh, then namespace, then workload, UNSET inherits, the oldest of a level wins
(ComposePeerAuthentication in `pilot/pkg/security/authn/policy_applier.go`). ztunnel has the same
inheritance by another road, with corners of its own (`pilot/pkg/serviceregistry/ambient/authorization.go`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.policy.istio import model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.policy import rule, world
    from isthmus.policy.istio import attach

Mode = model.Mode
OPEN: Final = frozenset({Mode.PERMISSIVE, Mode.DISABLE})


class Levels(NamedTuple):
    """The one PeerAuthentication of each level that counts for a workload."""

    mesh: model.Peer | None = None
    namespace: model.Peer | None = None
    workload: model.Peer | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """What a port accepts, and the objects that say so; PERMISSIVE without any."""

    mode: model.Mode
    because: tuple[rule.Origin, ...] = ()


def levels(each: world.Endpoint, policies: model.Policies) -> Levels:
    """Return the policies that count for a workload; one with a selector in the root namespace never does."""
    root = policies.settings.root_namespace
    mesh = [one for one in policies.peers if one.origin.namespace == root and not one.selection]
    own = [one for one in policies.peers if one.origin.namespace == each.namespace != root]
    spaces = [one for one in own if not one.selection]
    workloads = [one for one in own if one.selection and model.selects(one.selection, each.labels)]
    return Levels(_oldest(mesh), _oldest(spaces), _oldest(workloads))


def _oldest(found: Sequence[model.Peer]) -> model.Peer | None:
    return found[0] if found else None  # they are read oldest first


def accepted(found: Levels, port: int) -> Accepted:
    """Return what the sidecar of a workload accepts on one of its ports."""
    mode, origin = Mode.PERMISSIVE, None
    for each in found:
        if each is not None and each.mode is not Mode.UNSET:
            mode, origin = each.mode, each.origin
    own = dict(found.workload.ports).get(port) if found.workload else None
    if own is not None and found.workload is not None and own is not Mode.UNSET:
        mode, origin = own, found.workload.origin
    return Accepted(mode, (origin,) if origin else ())


def tunnelled(found: Levels, port: int) -> Accepted:
    """Return what ztunnel accepts on a port of a workload: STRICT or PERMISSIVE, DISABLE is unknown to it.

    convertedSelectorPeerAuthentications says which of its two policies a workload gets: the static one that
    is strict on all ports, or the converted one of the workload.
    """
    is_strict, origin = _inherited(found)
    own = found.workload
    if own is None:
        return _strict(is_strict, origin)
    if own.mode is not Mode.UNSET:
        is_strict, origin = own.mode is Mode.STRICT, own.origin
    modes = {mode for _, mode in own.ports}
    if own.mode is Mode.STRICT:
        refers = bool(modes & OPEN)
    elif own.mode is Mode.UNSET and is_strict:
        refers = Mode.PERMISSIVE in modes  # a port with DISABLE alone opens nothing
    else:
        refers = Mode.STRICT in modes
    if not refers:
        return _strict(is_strict, origin)
    return _strict(_converted(found, own, port), own.origin)


def _strict(is_strict: bool, origin: rule.Origin | None) -> Accepted:  # noqa: FBT001  # a private pair
    return Accepted(Mode.STRICT if is_strict else Mode.PERMISSIVE, (origin,) if origin else ())


def _inherited(found: Levels) -> tuple[bool, rule.Origin | None]:
    mode, origin = Mode.UNSET, None
    for each in (found.mesh, found.namespace):
        if each is not None and each.mode is not Mode.UNSET:
            mode, origin = each.mode, each.origin
    return mode is Mode.STRICT, origin


def _converted(found: Levels, own: model.Peer, port: int) -> bool:
    """Say whether the converted policy of a workload refuses plaintext (convertPeerAuthentication)."""
    space = found.namespace.mode if found.namespace else None
    mesh = found.mesh.mode if found.mesh else None
    is_strict_above = space is Mode.STRICT or (space in {None, Mode.UNSET} and mesh is Mode.STRICT)
    is_strict = own.mode is Mode.STRICT or (own.mode is Mode.UNSET and is_strict_above)
    # A namespace's policy that is UNSET counts as open here, although the mesh's may be STRICT.
    is_open_above = space is not Mode.STRICT if space is not None else mesh is not Mode.STRICT
    is_open = own.mode in OPEN or (own.mode is Mode.UNSET and is_open_above)
    closed = {each for each, mode in own.ports if mode is Mode.STRICT and not is_strict}
    opened = {each for each, mode in own.ports if mode in OPEN and not is_open}
    if port in closed:
        return True
    # Without an opened port there is nothing to except: all ports strict is the static policy's business.
    return bool(opened) and port not in opened


class Spoken(NamedTuple):
    """What a client's proxy speaks: mutual TLS of the mesh, TLS of its own, or plaintext, and who says so."""

    is_mutual: bool
    is_other_tls: bool = False
    because: tuple[rule.Origin, ...] = ()


def spoken(
    source: world.Endpoint, policies: model.Policies, served: Sequence[attach.Served], port: int
) -> Spoken | None:
    """Return what the DestinationRule of a client's sidecar makes it speak; None where none says.

    `policies` are those of the client's cluster, `port` the Service's.
    """
    for each in served:
        found = _rule(source, policies, each)
        mode = (dict(found.ports).get(port) or found.mode) if found else None
        if found is not None and mode is not None:
            return Spoken(mode == "ISTIO_MUTUAL", mode in {"SIMPLE", "MUTUAL"}, (found.origin,))
    return None


def _rule(source: world.Endpoint, policies: model.Policies, served: attach.Served) -> model.Client | None:
    """Return the rule of a host: of the client's namespace, the service's, the root (destinationRule)."""
    root = policies.settings.root_namespace
    spaces = [source.namespace, served.namespace, root]
    if source.namespace == root:
        # The root's rules are for everyone; only those it keeps to itself come first.
        spaces = [served.namespace, root]
        own = [each for each in policies.clients if each.exports == (".",)]
        if found := _specific([each for each in own if each.origin.namespace == root], served):
            return found
    for space in dict.fromkeys(spaces):
        here = [each for each in policies.clients if each.origin.namespace == space]
        known = [each for each in here if _reaches(each, source) and _selected(each, source)]
        if found := _specific(known, served):
            return found
    return None


def _selected(each: model.Client, source: world.Endpoint) -> bool:
    return not each.selection or (
        each.origin.namespace == source.namespace and model.selects(each.selection, source.labels)
    )


def _reaches(each: model.Client, source: world.Endpoint) -> bool:
    if not each.exports or "*" in each.exports or each.origin.namespace == source.namespace:
        return True
    return source.namespace in each.exports


def _specific(known: Sequence[model.Client], served: attach.Served) -> model.Client | None:
    """Return the rule with the most specific host (MostSpecificHostMatch), one with a selector first."""
    name = (
        served.name
        if served.kind == "ServiceEntry"
        else f"{served.name}.{served.namespace}.svc.cluster.local"
    )
    exact = [each for each in known if each.host == name]
    wild = [each for each in known if each.host.startswith("*") and name.endswith(each.host[1:])]
    wild.sort(key=lambda each: -len(each.host))
    found = exact or wild
    return next((each for each in found if each.selection), found[0] if found else None)
