"""Every layer on every hop of one call: network policies of both sides, then Istio where it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from isthmus.policy import answer, decide, hops, ports, sentences
from isthmus.policy.istio import attach, authorize
from isthmus.policy.istio import decide as istio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from isthmus.policy.istio import model

More = TypeVar("More")
WORDS = {
    authorize.Verdict.ALLOW: answer.Word.ALLOW,
    authorize.Verdict.DENY: answer.Word.DENY,
    authorize.Verdict.ASK: answer.Word.ASK,
}


def layers(
    call: hops.Call,
    policies: Mapping[str, model.Policies],
    served: tuple[attach.Served, ...],
    network: Callable[[hops.Hop, More], Iterator[answer.Layer]],
    more: More,
) -> Iterator[answer.Layer]:
    """Yield what each layer says of a call; `network` asks the network policies of one hop."""
    is_carried = call.protocol is ports.Protocol.TCP
    asked = _meant(call, served)
    is_mutual = is_carried and istio.speech(asked, policies).is_mutual
    waypoint = attach.waypoint(call.destination) if istio.passes_waypoint(asked) else None
    for hop in hops.hops(call, is_mutual=is_mutual, waypoint=waypoint):
        yield from network(hop, more)
    if is_carried and call.destination.is_pod:
        found = istio.decide(asked, policies)
        if found.point is not None or not found.is_allowed:
            yield _layer(found, call)


def _meant(call: hops.Call, served: tuple[attach.Served, ...]) -> istio.Call:
    request = call.request
    is_http = request is not None and any((request.method, request.path, request.host, request.headers))
    return istio.Call(
        source=call.source,
        destination=call.destination,
        port=call.port,
        is_http=is_http,
        request=request,
        served=served,
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
