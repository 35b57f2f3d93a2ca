"""What answers prove where Istio is on: who was reached from a sidecar, and as whom the caller was seen.

A sidecar has its endpoints from istiod, which has those of other clusters by its own Secrets: Cilium's global
Services do not help it. Words of Envoy: source/common/router (503 bodies), TLS errors of BoringSSL.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.rollout.connect.proof import answers, judge, questions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

State = judge.State

NO_BACKEND: Final = ("no healthy upstream", "no_healthy_upstream")
"""What a sidecar says that knows a Service and none of its pods."""
DISTRUST: Final = ("CERTIFICATE_VERIFY_FAILED", "UNKNOWN_CA", "unknown ca", "unknown certificate")
"""What TLS says where one side does not know the other's root; older Envoys hand it on to the caller."""
UNTOLD: Final = ("remote connection failure", "connection termination")
"""What the caller hears of newer ones (seen with 1.40), whatever kept the connection from being made."""
ELSEWHERE: Final = (
    f"see `{questions.WORDS[questions.Leg.MESHED_REMOTE]}` between the two; where that is ok, a "
    "DestinationRule or a setting of locality keeps calls in their cluster"
)
"""What to do where a Service with backends everywhere is answered by some clusters alone."""
RESETS: Final = ("reset by peer", "EOF")
"""How a sidecar that takes mTLS alone ends plain connections: it drops them at the first byte.
A time that runs out, or a port where nobody listens, is no refusal of its own."""


def remote(question: questions.Question, tries: Sequence[answers.Try]) -> dict[str, judge.Proof]:
    """Judge a Service with backends in one cluster alone: reached, and by the caller that the plan says."""
    found = judge.reached(question, tries)
    return {name: _seen(question, _helped(question, name, one), tries) for name, one in found.items()}


def local(question: questions.Question, tries: Sequence[answers.Try]) -> dict[str, judge.Proof]:
    """Judge the Service with backends everywhere: each cluster answers, and sees the caller of the plan."""
    found = judge.shared(question, tries)
    return {
        name: _seen(question, _helped(question, name, one), [each for each in tries if each.answer == name])
        for name, one in found.items()
    }


def refused(
    question: questions.Question, plain: Sequence[answers.Try], meshed: Sequence[answers.Try]
) -> dict[str, judge.Proof]:
    """Judge plain requests to a sidecar, beside requests of a sidecar to the same pod and its like."""
    name = question.target
    seen = answers.counts(plain)
    count = f"{sum(seen.values())} of {len(plain)} requests without mTLS were answered"
    if seen and not question.is_strict:
        return _told(question, State.NOT_PROVED, f"the Fleet says `mtls: permissive`, and {count}", seen)
    if seen:
        fix = (
            f"a PeerAuthentication of {name} lets plain traffic in: look at those of istio-system and of "
            f"{questions.Space.MESHED}; isthmus connect up writes that of the whole mesh"
        )
        return _told(question, State.FAILED, count, seen, fix)
    ends = [each for each in plain if any(word in each.error for word in RESETS)]
    if not ends:
        return _told(
            question, State.NOT_PROVED, f"nobody answers, and nobody refuses: {answers.why(plain)}", {}
        )
    if name not in answers.counts(meshed):
        said = f"callers with a sidecar are not answered either: {answers.why(meshed)}"
        return _told(question, State.NOT_PROVED, said, {})
    more = "" if question.is_strict else "refused, though the Fleet says `mtls: permissive`"
    return _told(question, State.OK, more, {})


def _seen(question: questions.Question, found: judge.Proof, tries: Sequence[answers.Try]) -> judge.Proof:
    """Return the proof with whom the other side saw; somebody else, or nobody, is a failure."""
    callers = answers.callers(tries)
    if not callers:
        return found
    named = next((each for each in callers if each), "")
    proof = dataclasses.replace(found, identity=named)
    if found.state is not State.OK or set(callers) == {question.identity}:
        return proof
    others = [each for each in callers if each not in {"", question.identity}]
    if others:
        return dataclasses.replace(
            proof,
            state=State.FAILED,
            identity=others[0],
            why=f"the caller was seen as {others[0]}, the plan says {question.identity}",
            remedy="compare `trustDomain` in ConfigMap istio-system/istio of both clusters with the Fleet's; "
            "isthmus connect status",
        )
    return dataclasses.replace(
        proof,
        state=State.FAILED,
        why=f"{callers['']} of {sum(callers.values())} requests came without mTLS: nobody was seen",
        remedy="is the port of a DestinationRule with `tls: DISABLE`, or does Cilium balance in sockets "
        "(`socketLB.hostNamespaceOnly: true`)? isthmus doctor",
    )


def _helped(question: questions.Question, target: str, found: judge.Proof) -> judge.Proof:
    """Return the proof with what to do, where the words of the sidecar say what is missing."""
    if found.state is State.OK:
        return found
    if question.leg is questions.Leg.MESHED_LOCAL and found.answered_by:
        return dataclasses.replace(found, remedy=ELSEWHERE)
    for words, help_ in ((DISTRUST, _roots), (NO_BACKEND, _endpoints), (UNTOLD, _handshake)):
        if any(word in found.why for word in words):
            return dataclasses.replace(found, remedy=help_(question.source, target))
    return found


def _endpoints(source: str, target: str) -> str:
    if source == target:
        return f"istiod of {source} knows none of its own cluster's pods: is it ready? isthmus connect status"
    return (
        f"istiod of {source} does not read {target}: a sidecar has endpoints from istiod alone, a global "
        f"Service of Cilium gives it none; Secret istio-system/istio-remote-secret-{target} in {source} has "
        "to be there with a token that is good: isthmus connect status says whom istiod reads, and isthmus "
        "connect up writes the Secret"
    )


def _handshake(source: str, target: str) -> str:
    way = questions.WORDS[questions.Leg.POD_TCP]
    return f"where `{way}` between the two is ok, it is TLS that fails: {_roots(source, target)}"


def _roots(source: str, target: str) -> str:
    return (
        f"do {source} and {target} trust one root? Compare `root-cert.pem` of Secret "
        "istio-system/cacerts in both; isthmus doctor names roots that differ; pods keep the root that they "
        "began with until istiod and they restart"
    )


def _told(
    question: questions.Question, state: State, why: str, seen: Mapping[str, int], remedy: str = ""
) -> dict[str, judge.Proof]:
    proof = judge.Proof(leg=question.leg, state=state, why=why, answered_by=seen, remedy=remedy)
    return {question.target: proof}
