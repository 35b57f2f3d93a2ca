"""Judges questions against a world: every layer on every hop of the wire, with its reason.

allowed = network policy of the source's side and of the destination's side on each hop, and Istio's layer at
the destination (Cilium `Documentation/network/servicemesh/istio.rst`; istio.io ambient/usage/networkpolicy).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import TYPE_CHECKING, Final

from isthmus.policy import decide, rule, rulebook, world
from isthmus.policy.cilium import entities, proxy
from isthmus.policy.istio import read
from isthmus.policy.verdict import answer, hops, locate, question, sentences, wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.policy.istio import model


UNREAD: Final = "no layer reads CQL: who reaches the port may send any statement that its role may"
Answers = tuple[tuple[str, tuple[int, ...]], ...]
SECURITY: Final = "security.istio.io"
ASSUMED: Final = (
    "no manifest says how Istio carries these pods; sidecars are assumed, since there are Istio policies"
)


class Judge:
    """A world with its rules compiled when they are first asked for, ready for many questions."""

    def __init__(self, known: world.World) -> None:
        self.world = known
        self._directory = locate.Directory(known)
        self._books: dict[tuple[str, Answers], decide.Book] = {}
        self._meshes: dict[tuple[str, str | None, str | None], model.Policies] = {}

    def ask(self, asked: question.Question) -> answer.Answer:
        """Return the answer to a question; InputError when it names what is not there.

        Where pods of one workload are judged differently, one that is denied is shown.
        """
        sources, destinations = self._spot(asked.source, asked), self._spot(asked.destination, asked)
        found = [self._pair(one, other, asked) for one, other in itertools.product(sources, destinations)]
        denied = [each for each in found if each.verdict is answer.Word.DENY]
        if denied and len(denied) < len(found):
            note = (
                f"{len(denied)} of {len(found)} groups of its pods, which carry different labels, are denied"
            )
            return dataclasses.replace(denied[0], notes=(*denied[0].notes, note))
        return (denied or found)[0]

    @property
    def _is_nobodys(self) -> bool:
        """Whether the manifests are of no cluster: then each that is asked about has them."""
        return set(self.world.settings) == {world.DEFAULT_CLUSTER}

    def settings(self, cluster: str) -> world.Settings:
        """Return how a cluster enforces; one that only the question names is as the only one known."""
        known = self.world.settings
        if cluster in known or len(known) != 1:
            return known.get(cluster) or world.Settings(cluster=cluster)
        return dataclasses.replace(next(iter(known.values())), cluster=cluster)

    def book(self, cluster: str, answers: Answers = ()) -> decide.Book:
        """Return the rules of a cluster, with DNS answers that a question adds."""
        known = self._books.get((cluster, answers))
        if known is None:
            settings = self.settings(cluster)
            if answers:
                settings = dataclasses.replace(settings, answers={**settings.answers, **dict(answers)})
            known = self._books[cluster, answers] = decide.Book(settings, self._compile(settings))
        return known

    def _compile(self, settings: world.Settings) -> rule.Rules:
        return rulebook.of(self.world, settings, self._home(settings.cluster))

    def _home(self, cluster: str) -> str:
        """Return whose objects a cluster has: its own, or those of the only cluster there are any of."""
        kept = self.world.policies
        return cluster if cluster in kept or len(kept) != 1 else next(iter(kept))

    def _spot(self, spot: question.Spot, asked: question.Question) -> tuple[world.Endpoint, ...]:
        ends = (asked.source, asked.destination)
        said = [each.cluster for each in ends if isinstance(each, question.Workload) and each.cluster]
        if isinstance(spot, question.Workload):
            if spot.cluster is None and said and self._is_nobodys:
                spot = dataclasses.replace(spot, cluster=said[0])
            return self._directory.workload(spot)
        cluster = said[0] if said else next(iter(self.world.settings), world.DEFAULT_CLUSTER)
        if isinstance(spot, question.Entity):
            return (entities.named(spot.name, cluster=cluster),)
        known = self._directory.at(spot.place)
        return (known or entities.address(spot.place, cluster=cluster, name=spot.name),)

    def _pair(
        self, source: world.Endpoint, destination: world.Endpoint, asked: question.Question
    ) -> answer.Answer:
        if source is destination and source.kind == "Pod":
            return answer.Answer((), ("a pod always reaches itself",))
        notes: tuple[str, ...] = ()
        modes = asked.mesh.source, asked.mesh.destination
        if modes == (None, None) and self._is_mesh_untold:
            modes, notes = (world.Mesh.SIDECAR, world.Mesh.SIDECAR), (ASSUMED,)
        if asked.cql is not None:
            notes = (*notes, UNREAD)
        source, destination = _carried(source, modes[0]), _carried(destination, modes[1])
        call = hops.Call(source, destination, asked.protocol, asked.port, asked.request)
        policies = {name: self._istio(name, asked.mesh) for name in {source.cluster, destination.cluster}}
        layers = tuple(wire.layers(call, policies, self._front(call), self._network, _answers(asked)))
        return answer.Answer(layers, notes)

    @functools.cached_property
    def _is_mesh_untold(self) -> bool:
        """Whether there are policies of Istio, and no manifest that says how it carries any pod."""
        objects = (each for kept in self.world.policies.values() for each in kept)
        has_policies = any(each.group == SECURITY for each in objects)
        return has_policies and all(each.mesh is world.Mesh.NONE for each in self.world.endpoints)

    def _istio(self, cluster: str, told: question.Mesh) -> model.Policies:
        """Return what the istiod of a cluster knows; a question may name root namespace and trust domain."""
        key = (cluster, told.root_namespace, told.trust_domain)
        known = self._meshes.get(key)
        if known is None:
            settings = self.settings(cluster)
            settings = dataclasses.replace(
                settings,
                root_namespace=told.root_namespace or settings.root_namespace,
                trust_domain=told.trust_domain or settings.trust_domain,
            )
            objects = self.world.policies.get(self._home(cluster), ())
            known = self._meshes[key] = read.read(objects, settings)
        return known

    def _front(self, call: hops.Call) -> wire.Front:
        """Return the Services that a call may come by."""
        home = self._home(call.destination.cluster)
        return wire.front((each for each in self.world.services if each.cluster == home), call)

    def _network(self, hop: hops.Hop, answers: Answers) -> Iterator[answer.Layer]:
        """Yield what network policies say of a hop: the source's side, then the destination's."""
        for direction, subject in decide.guarded(hop.ask):
            yield _side(self.book(subject.cluster, answers), direction, hop)


def _side(book: decide.Book, direction: rule.Direction, hop: hops.Hop) -> answer.Layer:
    decision = book.decide(direction, hop.ask)
    word = answer.Word.ALLOW if decision.is_allowed else answer.Word.DENY
    found = answer.Layer(
        layer=book.settings.enforcer.value,
        verdict=word,
        because=decision.origins,
        why=sentences.why(decision, hop.ask),
        side=direction.value,
        hop=sentences.hop(hop.ask),
        change=sentences.change(decision, hop.ask),
    )
    if book.settings.enforcer is not world.Enforcer.CILIUM:
        return found
    return _above(found, decision, hop, book)


def _above(found: answer.Layer, decision: decide.Decision, hop: hops.Hop, book: decide.Book) -> answer.Layer:
    """Return the layer with what Cilium's proxy says of the request."""
    subject = hop.ask.source if decision.direction is rule.Direction.EGRESS else hop.ask.destination
    is_isolated = bool(book.side(decision.direction, subject).isolations)
    said = proxy.answer(decision, hop.ask, hop.request, settings=book.settings, is_isolated=is_isolated)
    if said.kind is proxy.Kind.NOTHING or (said.is_allowed and not said.rules):
        return found
    because = tuple(dict.fromkeys(each.origin for each in said.rules)) or found.because
    if hop.carried is not hops.Carried.PLAIN and said.kind is proxy.Kind.HTTP:
        why = f"{sentences.names(because)} reads HTTP, and what comes is {hop.carried.value}: nothing passes"
        change = "take its HTTP rules out and put them into an AuthorizationPolicy"
        return dataclasses.replace(found, verdict=answer.Word.DENY, because=because, why=why, change=change)
    if said.is_allowed:
        if not said.unknown:
            return dataclasses.replace(found, because=because)
        why = f"{found.why}, as far as it meets {', '.join(said.unknown)}"
        return dataclasses.replace(found, because=because, why=why)
    return dataclasses.replace(
        found,
        verdict=answer.Word.DENY,
        because=because,
        why=f"{sentences.names(because)} lets the port through, and no {said.kind.value} rule this request",
        change=f"a rule of {said.kind.value} that this request meets, or one without any",
    )


def _carried(each: world.Endpoint, mode: world.Mesh | None) -> world.Endpoint:
    """Return an endpoint as a question says that Istio carries it, where no manifest does."""
    if mode is None or not each.is_pod or each.mesh is not world.Mesh.NONE:
        return each
    return dataclasses.replace(each, mesh=mode)


def _answers(asked: question.Question) -> Answers:
    """Return the DNS answers that a question implies: the name by which it asks for an address."""
    spot = asked.destination
    if not isinstance(spot, question.Address):
        return ()
    request = asked.request
    names = (spot.name, request.host if request else None, request.server_name if request else None)
    return tuple((name.lower().rstrip("."), (spot.place,)) for name in names if name)
