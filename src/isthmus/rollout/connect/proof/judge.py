"""What answers prove: each leg of a cell is ok, failed, or not proved with the reason.

What was not asked, or was answered by somebody else, is never ok.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from isthmus.rollout.connect.proof import answers, questions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Leg = questions.Leg
Json = dict[str, Any]


class State(StrEnum):
    """What is known of a leg, or of a cell; the worst of its legs is that of a cell."""

    OK = "ok"
    NOT_PROVED = "not-proved"
    FAILED = "failed"


RANK = (State.OK, State.NOT_PROVED, State.FAILED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """What is known of one leg."""

    leg: Leg
    state: State
    why: str = ""
    remedy: str = ""
    answered_by: Mapping[str, int] = dataclasses.field(default_factory=dict)
    identity: str = ""
    """Whom the other side saw, a SPIFFE id; only for callers with a sidecar."""
    figures: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the public form."""
        return {
            "leg": self.leg.value,
            "state": self.state.value,
            "why": self.why,
            "remedy": self.remedy or None,
            "answered_by": dict(self.answered_by),
            "identity": self.identity or None,
            "figures": dict(self.figures),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packets:
    """What datagrams that must not be cut have shown: the largest that came whole, and why none larger."""

    whole: int | None
    """Bytes of the IP packet; None where none came."""
    why: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policed:
    """A port before a policy denies it and under the policy, and another one under it."""

    before: tuple[answers.Try, ...]
    denied: tuple[answers.Try, ...]
    other: tuple[answers.Try, ...]


def unproved(question: questions.Question, why: str) -> dict[str, Proof]:
    """Return that nothing is known, for each cluster the question is about."""
    proof = Proof(leg=question.leg, state=State.NOT_PROVED, why=why)
    return dict.fromkeys(question.targets, proof)


def reached(question: questions.Question, tries: Sequence[answers.Try]) -> dict[str, Proof]:
    """Judge a question that one cluster must answer."""
    seen = answers.counts(tries)
    others = sorted(name for name in seen if name != question.target)
    if others:
        return _failed(question, f"{', '.join(others)} answered instead", seen)
    if not seen:
        return _failed(question, answers.why(tries), seen)
    return {question.target: Proof(leg=question.leg, state=State.OK, answered_by=seen)}


def named(question: questions.Question, tries: Sequence[answers.Try]) -> dict[str, Proof]:
    """Judge a Service that one cluster exports, asked by its name in the clusterset."""
    found = reached(question, tries)[question.target]
    if found.state is State.OK:
        return {question.target: found}
    remedy = (
        f"is ServiceImport {questions.exported(question.target)} in {question.source} (--keep leaves it), "
        "and does its CoreDNS (1.12.2 or later) answer clusterset.local? isthmus connect up tells it"
    )
    return {question.target: dataclasses.replace(found, remedy=remedy)}


def unexported(question: questions.Question, cluster: str) -> dict[str, Proof]:
    """Return that nothing was exported, since a cluster has not the kinds for it."""
    proof = Proof(
        leg=question.leg,
        state=State.NOT_PROVED,
        why=f"{cluster} has no kind ServiceExport of multicluster.x-k8s.io/v1beta1",
        remedy="isthmus connect up turns the MCS API of Cilium on, whose operator makes the kinds",
    )
    return {question.target: proof}


def shared(question: questions.Question, tries: Sequence[answers.Try]) -> dict[str, Proof]:
    """Judge the Service that every cluster has backends of: each of them has to answer some time."""
    seen = answers.counts(tries)
    strange = sorted(set(seen) - set(question.targets))
    doubt = questions.miss(len(question.targets), len(tries)) if tries else 1.0
    silent = sum(not each.is_answered for each in tries)

    def one(target: str) -> Proof:
        if strange:
            return Proof(
                leg=question.leg, state=State.FAILED, why=f"{', '.join(strange)} answered", answered_by=seen
            )
        if target in seen:
            return Proof(leg=question.leg, state=State.OK, answered_by=seen)
        said = f"it answered none of {len(tries)} requests" + (
            f"; {silent} got no answer: {answers.why(tries)}" if silent else ""
        )
        state = State.FAILED if doubt <= questions.DOUBT or silent == len(tries) else State.NOT_PROVED
        return Proof(leg=question.leg, state=state, why=said, answered_by=seen)

    return {target: one(target) for target in question.targets}


def timed(question: questions.Question, tries: Sequence[answers.Try]) -> dict[str, Proof]:
    """Return how long requests took, each with a connection of its own; all have to be answered."""
    seen = answers.counts(tries)
    times = [each.millis for each in tries if each.is_answered]
    lost = len(tries) - len(times)
    if not times or set(seen) != {question.target}:
        return reached(question, tries)
    figures = {
        "requests": float(len(tries)),
        "p50_ms": answers.percentile(times, 0.5),
        "p99_ms": answers.percentile(times, 0.99),
    }
    state = State.FAILED if lost else State.OK
    why = f"{lost} of {len(tries)} requests got no answer: {answers.why(tries)}" if lost else ""
    proof = Proof(leg=question.leg, state=state, why=why, answered_by=seen, figures=figures)
    return {question.target: proof}


def streamed(question: questions.Question, found: answers.Stream) -> dict[str, Proof]:
    """Judge a stream: the right cluster read all of it. How fast is a figure; no plan promises one."""
    seen = {found.answer: 1} if found.answer else {}
    if found.error or not found.size:
        return _failed(question, found.error or "nothing was sent", seen)
    if found.answer != question.target:
        return _failed(question, f"{found.answer} answered instead", seen)
    figures = {
        "mbit_s": round(found.megabits, 1),
        "processors": round(max(0.0, found.during - found.before), 2),
        **({"headers": round(question.headers, 4)} if question.headers is not None else {}),
    }
    proof = Proof(leg=question.leg, state=State.OK, answered_by=seen, figures=figures)
    return {question.target: proof}


def packet(question: questions.Question, found: Packets) -> dict[str, Proof]:
    """Judge the largest packet against the plan's: it fails below the plan, and more than planned is told."""
    assert question.planned is not None
    figures: dict[str, float] = {"planned": question.planned}
    if found.whole is None:
        return _failed(question, found.why or "no datagram was answered", {}, figures)
    figures["largest"] = found.whole
    if found.whole < question.planned:
        said = found.why or "nobody answered"
        why = f"{found.whole} bytes come through, {question.planned} are planned: {said}"
        return _failed(question, why, {}, figures)
    more = "" if found.whole == question.planned else f"{found.whole} bytes come through, more than planned"
    return {question.target: Proof(leg=question.leg, state=State.OK, why=more, figures=figures)}


def policed(question: questions.Question, found: Policed) -> dict[str, Proof]:
    """Judge a policy that denies one port: answered before, silent under it, and the other port as ever."""
    name = question.target
    if name not in answers.counts(found.before):
        return unproved(
            question, f"the port was not answered without the policy: {answers.why(found.before)}"
        )
    seen = answers.counts(found.denied)
    if seen:
        return _failed(question, "the denied port still answers", seen)
    if name not in answers.counts(found.other):
        return unproved(question, f"under the policy the open port is silent too: {answers.why(found.other)}")
    return {name: Proof(leg=question.leg, state=State.OK)}


def doubtful(
    asked: Sequence[questions.Question], proofs: Sequence[Mapping[str, Proof]]
) -> list[questions.Question]:
    """Return the questions to ask once more: nobody answered, though another leg between the clusters is ok.

    A mesh that told of the pods only while their questions ran answers the late ones alone. A largest
    packet that was found is an answer.
    """
    ways = {(one, other) for one, other, proof in _each(asked, proofs) if proof.state is State.OK}
    return list(
        dict.fromkeys(
            question
            for question, known in zip(asked, proofs, strict=True)
            for target, proof in known.items()
            if proof.state is State.FAILED and "largest" not in proof.figures
            if (question.source, target) in ways
        )
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """What is known of the way from one cluster to another."""

    source: str
    target: str
    proofs: tuple[Proof, ...]

    @property
    def state(self) -> State:
        """The worst of its legs; where nothing was asked, nothing is proved."""
        return max((each.state for each in self.proofs), key=RANK.index, default=State.NOT_PROVED)

    def to_json(self) -> Json:
        """Return the public form."""
        return {
            "from": self.source,
            "to": self.target,
            "state": self.state.value,
            "proofs": [each.to_json() for each in self.proofs],
        }


def cells(asked: Sequence[questions.Question], proofs: Sequence[Mapping[str, Proof]]) -> tuple[Cell, ...]:
    """Return the cells in the order of the questions, each with its legs in the order of `Leg`."""
    found: dict[tuple[str, str], list[Proof]] = {}
    for source, target, proof in _each(asked, proofs):
        found.setdefault((source, target), []).append(proof)
    order = list(Leg)
    return tuple(
        Cell(source=source, target=target, proofs=tuple(sorted(legs, key=lambda each: order.index(each.leg))))
        for (source, target), legs in found.items()
    )


def _each(
    asked: Sequence[questions.Question], proofs: Sequence[Mapping[str, Proof]]
) -> Iterator[tuple[str, str, Proof]]:
    for question, known in zip(asked, proofs, strict=True):
        for target in question.targets:
            yield question.source, target, known[target]


def _failed(
    question: questions.Question,
    why: str,
    seen: Mapping[str, int],
    figures: Mapping[str, float] | None = None,
) -> dict[str, Proof]:
    proof = Proof(leg=question.leg, state=State.FAILED, why=why, answered_by=seen, figures=figures or {})
    return {question.target: proof}
