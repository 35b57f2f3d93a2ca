"""What Istio's layer lets through at all, for many sources and destinations at once, in classes.

Destinations with the same policies, sources that their conditions cannot tell apart, and ports that none of
them names are judged once, by `decide` itself: a matrix and a single verdict cannot differ.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.policy import labels, ports, world
from isthmus.policy.istio import attach, decide, facts, identity, model, mtls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

TCP: Final = ports.whole(ports.Protocol.TCP)
BEYOND: Final = ports.difference(ports.ALL, TCP)
"""What Istio does not carry: it is let through whatever the policies say."""


class Opening(NamedTuple):
    """Ports on the line of `ports`, with all that is not TCP in each.

    `tcp` lets a stream that is not HTTP through, `http` some request, `whole` both and every request.
    """

    tcp: ports.Ports
    http: ports.Ports
    whole: ports.Ports

    @property
    def any(self) -> ports.Ports:
        """Where something passes, whatever the port speaks."""
        return ports.union(self.tcp, self.http)

    @property
    def limited(self) -> ports.Ports:
        """Where some passes and some does not: it depends on what the port speaks or is asked."""
        return ports.difference(self.any, self.whole)


OPEN: Final = Opening(ports.ALL, ports.ALL, ports.ALL)


class Block(NamedTuple):
    """One opening for every pair of some sources and some destinations, as bit sets of their places."""

    sources: int
    destinations: int
    opening: Opening


def openings(
    sources: Sequence[world.Endpoint],
    destinations: Sequence[world.Endpoint],
    policies: Mapping[str, model.Policies],
    served: Callable[[world.Endpoint], tuple[attach.Served, ...]] = lambda _: (),
) -> Iterator[Block]:
    """Yield blocks that together cover every pair once; `served` gives the Services of an endpoint."""
    crowd = _Crowd(sources, policies)
    for group in _profiles(destinations, policies, served).values():
        each = destinations[group[0]]
        places = _bits(group)
        found: dict[Opening, int] = {}
        own = _Profile(each, policies, served(each))
        for members in crowd.classes(own):
            opening = own.opening(crowd.at(members))
            found[opening] = found.get(opening, 0) | members
        for opening, members in found.items():
            yield Block(crowd.widen(members), places, opening)


def _bits(places: Iterable[int]) -> int:
    found = 0
    for place in places:
        found |= 1 << place
    return found


def _profiles(
    destinations: Sequence[world.Endpoint],
    policies: Mapping[str, model.Policies],
    served: Callable[[world.Endpoint], tuple[attach.Served, ...]],
) -> dict[object, list[int]]:
    """Return the places of destinations that no policy tells apart."""
    keys = _keys(policies.values())
    has_addresses = _asks(policies.values(), model.TARGET)
    found: dict[object, list[int]] = {}
    for place, each in enumerate(destinations):
        own = tuple((key, each.labels[key]) for key in keys if key in each.labels)
        addresses = each.addresses if has_addresses else ()
        profile = (each.cluster, each.namespace, each.mesh, each.waypoint, own, addresses, served(each))
        found.setdefault(profile, []).append(place)
    return found


def _keys(policies: Iterable[model.Policies]) -> tuple[str, ...]:
    found = {attach.GATEWAY_NAME, attach.MANAGED}
    for each in policies:
        parts = (each.authorizations, each.authentications, each.peers, each.gateways, each.clients)
        selections = (one.selection for part in parts for one in part)
        found |= {key for selection in selections for key, _ in selection or ()}
    return tuple(sorted(found))


def _asks(policies: Iterable[model.Policies], *keys: str) -> bool:
    return any(
        condition.key in keys
        for each in policies
        for policy in each.authorizations
        for rule in policy.rules
        for condition in rule.conditions
    )


class _Profile:
    """A class of destinations with the policies that count for it, and none besides."""

    def __init__(
        self,
        each: world.Endpoint,
        policies: Mapping[str, model.Policies],
        served: tuple[attach.Served, ...],
    ) -> None:
        self.endpoint = each
        self._served = served
        here = policies.get(each.cluster) or model.Policies(world.Settings(cluster=each.cluster))
        self.point = attach.point(each, here)
        self._policies = {**policies, each.cluster: self._narrow(here)}
        self.authorizations = self._policies[each.cluster].authorizations
        self.settings = here.settings
        self._has_http = any(_knows_http(each) for each in self.authorizations)
        self.cut = self._cut()

    def _narrow(self, here: model.Policies) -> model.Policies:
        ends = [(self.endpoint, self.point)] if self.point else []
        if waypoint := attach.waypoint(self.endpoint):
            ends.append((waypoint, attach.Point.WAYPOINT))
        root = here.settings.root_namespace
        kept = {
            policy.origin
            for end, where in ends
            for policy in attach.attached(here.authorizations, end, where, root, self._served)
        }
        own = tuple(each for each in here.authorizations if each.origin in kept)
        peers = tuple(each for each in mtls.levels(self.endpoint, here) if each is not None)
        return dataclasses.replace(here, authorizations=own, peers=peers, authentications=())

    def _cut(self) -> tuple[int, ...]:
        """Return the ports that policies name, and one that none does."""
        here = self._policies[self.endpoint.cluster]
        named = {
            int(value)
            for policy in here.authorizations
            for rule in policy.rules
            for condition in rule.conditions
            if condition.key == model.PORT
            for value in (*condition.values, *condition.excluded)
        }
        named |= {port for each in here.peers for port, _ in each.ports}
        named |= {port for each in self._policies.values() for one in each.clients for port, _ in one.ports}
        other = next(port for port in range(1, ports.STRETCH) if port not in named)
        return (other, *sorted(named))

    def opening(self, source: world.Endpoint) -> Opening:
        """Return what a class of sources gets through, its first standing for all."""
        if self.point is None and not any(each.clients for each in self._policies.values()):
            return OPEN
        tcp, http, whole = BEYOND, BEYOND, BEYOND
        other, *named = self.cut
        for port in self.cut:
            singles = [ports.interval(ports.Protocol.TCP, each, each) for each in named]
            reach = ports.interval(ports.Protocol.TCP, port, port)
            if port == other:
                reach = TCP
                for single in singles:
                    reach = ports.difference(reach, single)
            stream = self._ask(source, port, is_http=False)
            asked = self._ask(source, port, is_http=True) if self._has_http else stream
            tcp = ports.union(tcp, reach) if stream.is_allowed else tcp
            http = ports.union(http, reach) if asked.is_allowed else http
            if _is_whole(stream) and _is_whole(asked):
                whole = ports.union(whole, reach)
        return Opening(tcp, http, whole)

    def _ask(self, source: world.Endpoint, port: int, *, is_http: bool) -> decide.Decision:
        call = decide.Call(
            source=source, destination=self.endpoint, port=port, is_http=is_http, served=self._served
        )
        return decide.decide(call, self._policies)


def _knows_http(policy: model.Authorization) -> bool:
    """Say whether a policy may judge a request in another way than a stream."""
    is_custom = policy.action is model.Action.CUSTOM
    return is_custom or any(each.is_http for rule in policy.rules for each in rule.conditions)


def _is_whole(found: decide.Decision) -> bool:
    return found.verdict is decide.Verdict.ALLOW and not found.is_partial


class _Crowd:
    """Sources by what policies may see of them, as bit sets over the distinct ones."""

    def __init__(self, sources: Sequence[world.Endpoint], policies: Mapping[str, model.Policies]) -> None:
        has_addresses = _asks(policies.values(), model.ADDRESS, model.REMOTE)
        has_clients = any(each.clients for each in policies.values())
        keys = _keys(policies.values()) if has_clients else ()
        members: dict[object, list[int]] = {}
        for place, each in enumerate(sources):
            own = tuple((key, each.labels[key]) for key in keys if key in each.labels)
            addresses = each.addresses if has_addresses else ()
            role = _role(each, policies)
            key = (each.cluster, each.namespace, each.account, each.mesh, addresses, own, role)
            members.setdefault(key, []).append(place)
        self._members = [_bits(places) for places in members.values()]
        self._distinct = [sources[places[0]] for places in members.values()]
        self._principals = self._named(policies)
        self._all = (1 << len(self._distinct)) - 1
        self._splits = self._first(keys, policies, has_clients=has_clients)
        self._known: dict[object, int] = {}

    def _first(
        self, keys: Sequence[str], policies: Mapping[str, model.Policies], *, has_clients: bool
    ) -> list[int]:
        """Return the splits that need no policy: mesh, trust domain, the namespace of DestinationRules."""
        found: dict[object, int] = {}
        for place, each in enumerate(self._distinct):
            marks: list[object] = [each.mesh, ("at", each.cluster), _role(each, policies)]
            if has_clients:
                marks.append(("in", each.cluster, each.namespace))
                marks += [(key, each.labels[key]) for key in keys if key in each.labels]
            for mark in marks:
                found[mark] = found.get(mark, 0) | 1 << place
        return list(found.values())

    def at(self, members: int) -> world.Endpoint:
        """Return one of some distinct sources."""
        return self._distinct[(members & -members).bit_length() - 1]

    def widen(self, members: int) -> int:
        """Return the places of all sources that some distinct ones stand for."""
        found = 0
        for place in labels.places(members):
            found |= self._members[place]
        return found

    def classes(self, profile: _Profile) -> list[int]:
        """Return the distinct sources in classes that a profile's conditions cannot tell apart."""
        parts = [self._all] if self._all else []
        for split in (*self._splits, *self._conditions(profile)):
            parts = [half for part in parts for half in (part & split, part & ~split) if half]
        return parts

    def _conditions(self, profile: _Profile) -> Iterator[int]:
        seen = (model.ADDRESS, model.REMOTE, *model.IDENTITY)
        for policy in profile.authorizations:
            for rule in policy.rules:
                for condition in rule.conditions:
                    if condition.key in seen:
                        yield self._meeting(condition, policy.origin.namespace or "", profile)

    def _meeting(self, condition: model.Condition, namespace: str, profile: _Profile) -> int:
        def having(values: Iterable[str]) -> int:
            found = 0
            for value in values:
                found |= self._having(condition.key, value, namespace, profile.settings)
            return found

        wanted = having(condition.values) if condition.values else self._all
        return wanted & ~having(condition.excluded)

    def _having(self, key: str, value: str, namespace: str, settings: world.Settings) -> int:
        """Return the distinct sources that a value matches at Envoy; ztunnel tells no more of them apart."""
        about = (key, value, namespace, settings.cluster)
        known = self._known.get(about)
        if known is None:
            known = self._known[about] = self._seek(key, value, namespace, settings)
        return known

    def _seek(self, key: str, value: str, namespace: str, settings: world.Settings) -> int:
        if key in {model.ADDRESS, model.REMOTE}:
            return _bits(
                place for place, each in enumerate(self._distinct) if facts.within(value, each.addresses)
            )
        if key == model.PRINCIPAL:
            values = identity.expand_principal(value, identity.domains(settings))
            exact = [self._principals.get(each, 0) for each in values if "*" not in each]
            wild = [each for each in values if "*" in each]
            if wild:
                exact.append(self._like(lambda peer: any(identity.has_principal(one, peer) for one in wild)))
            return _union(exact)
        if key == model.NAMESPACE:
            return self._like(lambda peer: identity.has_namespace(value, peer))
        if key == model.ACCOUNT:
            return self._like(lambda peer: identity.has_account(value, peer, namespace))
        domains = identity.expand_domain(value, identity.domains(settings))
        return self._like(lambda peer: any(identity.has_domain(each, peer) for each in domains))

    def _like(self, matches: Callable[[str], bool]) -> int:
        return _union(bits for peer, bits in self._principals.items() if matches(peer))

    def _named(self, policies: Mapping[str, model.Policies]) -> dict[str, int]:
        """Return the distinct sources by principal."""
        found: dict[str, int] = {}
        for place, each in enumerate(self._distinct):
            known = policies.get(each.cluster)
            if each.namespace:
                own = known.settings if known else world.Settings(cluster=each.cluster)
                peer = identity.principal(each, own)
                found[peer] = found.get(peer, 0) | 1 << place
        return found


def _role(each: world.Endpoint, policies: Mapping[str, model.Policies]) -> str:
    """Return what a source is to the mesh besides its mode: a waypoint, a gateway, neither."""
    if attach.MANAGED in each.labels:
        return "waypoint"
    known = policies.get(each.cluster) or model.Policies(world.Settings(cluster=each.cluster))
    return "gateway" if each.namespace and attach.is_gateway(each, known) else ""


def _union(parts: Iterable[int]) -> int:
    found = 0
    for each in parts:
        found |= each
    return found
