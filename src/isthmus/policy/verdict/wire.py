"""Every layer on every hop of one call: network policies of both sides, then Istio where it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from isthmus.policy import decide, ports
from isthmus.policy.istio import attach, authorize
from isthmus.policy.istio import decide as istio
from isthmus.policy.verdict import answer, hops, sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from isthmus.policy import world
    from isthmus.policy.istio import model

More = TypeVar("More")
WORDS = {
    authorize.Verdict.ALLOW: answer.Word.ALLOW,
    authorize.Verdict.DENY: answer.Word.DENY,
    authorize.Verdict.ASK: answer.Word.ASK,
}


class Front(NamedTuple):
    """The Services that a call may come by: which, the port of the first, and whether that speaks HTTP."""

    services: tuple[attach.Served, ...] = ()
    port: int | None = None
    speaks_http: bool | None = None


def front(services: Iterable[world.Service], call: hops.Call) -> Front:
    """Return what a call comes by among the Services of its destination."""
    chosen = [each for each in services if _serves(each, call.destination)]
    for each in chosen:
        for place, (protocol, port, target) in enumerate(each.ports):
            number = target if isinstance(target, int) else _number(call, target)
            if protocol == call.protocol and number == call.port:
                name = each.names[place] if place < len(each.names) else ""
                spoken = attach.speaks_http(port, name)
                return Front(tuple(attach.Served(one.namespace, one.name) for one in chosen), port, spoken)
    return Front(tuple(attach.Served(one.namespace, one.name) for one in chosen))


def _number(call: hops.Call, name: str) -> int | None:
    return call.destination.names.get(ports.Named(call.protocol, name))


def _serves(each: world.Service, destination: world.Endpoint) -> bool:
    if each.namespace != destination.namespace or each.selector is None:
        return False
    return each.selector.matches(destination.labels)


def layers(
    call: hops.Call,
    policies: Mapping[str, model.Policies],
    by: Front,
    network: Callable[[hops.Hop, More], Iterator[answer.Layer]],
    more: More,
) -> Iterator[answer.Layer]:
    """Yield what each layer says of a call; `network` asks the network policies of one hop."""
    is_carried = call.protocol is ports.Protocol.TCP
    asked = _meant(call, by)
    is_mutual = is_carried and istio.speech(asked, policies).is_mutual
    waypoint = attach.waypoint(call.destination) if istio.passes_waypoint(asked) else None
    for hop in hops.hops(call, is_mutual=is_mutual, waypoint=waypoint):
        yield from network(hop, more)
    if is_carried and call.destination.is_pod:
        found = istio.decide(asked, policies)
        if found.point is not None or not found.is_allowed:
            yield _layer(found, call)


def _meant(call: hops.Call, by: Front) -> istio.Call:
    request = call.request
    is_http = request is not None and any((request.method, request.path, request.host, request.headers))
    return istio.Call(
        source=call.source,
        destination=call.destination,
        port=call.port,
        is_http=is_http or (request is None and by.speaks_http is True),
        request=request,
        service_port=by.port,
        served=by.services,
    )


def _layer(found: istio.Decision, call: hops.Call) -> answer.Layer:
    ask = decide.Ask(call.source, call.destination, call.protocol, call.port)
    why = "; ".join(found.sentences)
    if found.status is not None and found.verdict is authorize.Verdict.DENY:
        why = f"{why} (HTTP {found.status})"
    if found.is_partial:
        why = f"{why}, for some requests"
    return answer.Layer(
        layer="istio",
        verdict=WORDS[found.verdict],
        because=found.because,
        why=why,
        side="ingress",
        hop=sentences.hop(ask),
        change=found.change,
    )
