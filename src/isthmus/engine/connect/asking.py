"""Puts one question to the probe of a cluster, and hands the answers to the judge.

A mesh takes a moment to tell every cluster of new pods and Services, so what fails is asked again for a
while; how long is a `Patience`. It judges nothing itself.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.mesh import corefile
from isthmus.model import errors
from isthmus.rollout.connect.proof import answers, judge, objects, questions, sidecars

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from isthmus.clients import commands, kube
    from isthmus.engine import clock as clocks
    from isthmus.engine.connect import probes

Leg = questions.Leg
Space = questions.Space
Proofs = dict[str, judge.Proof]

TIMEOUT: Final = 2.0
"""Seconds for one try of a probe."""
SPARE: Final = 15.0
"""Seconds for the API server and the kubelet, beside what all tries may take."""
SMALLEST: Final = 576
"""Bytes of the packet that every IPv4 host takes (RFC 791): the search for the largest begins there."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """How long what fails is asked again, in seconds, and the pause between."""

    seconds: float = 20.0
    pause: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asker:
    """The probes that are ready, and how to talk to those that ask."""

    servers: Mapping[str, kube.Cluster]
    pairs: Mapping[str, probes.Pair]
    clock: clocks.Clock
    patience: Patience
    meshed: Mapping[str, probes.Pair] = dataclasses.field(default_factory=dict)
    """Those with a sidecar."""

    async def ask(self, question: questions.Question) -> Proofs:
        """Ask until the answers prove it, or patience ends."""
        end = self.clock.monotonic() + self.patience.seconds
        while True:
            found = await _WAYS[question.leg](self, question)
            if _is_whole(found) or not question.is_strict or self.clock.monotonic() >= end:
                return found
            await self.clock.sleep(self.patience.pause)

    async def probe(
        self, source: str, *words: str, tries: int, seconds: float = TIMEOUT, space: Space = Space.PLAIN
    ) -> tuple[answers.Try, ...]:
        """Run the probe in the cluster that asks, and return its tries."""
        command = ("probe", words[0], f"-timeout={seconds:g}s", f"-count={tries}", *words[1:])
        done = await self._run(source, command, tries * seconds, space)
        try:
            found = answers.read(done.stdout.decode(errors="replace"))
        except ValueError as error:
            raise self._strange(source, done.stdout) from error
        if not found:
            raise self._strange(source, done.stderr or done.stdout)
        return found

    async def stream(self, source: str, target: str, seconds: float) -> answers.Stream:
        """Send from one cluster to an address of another for so long, and return what came of it."""
        command = ("probe", "stream", f"-length={seconds:g}s", target)
        done = await self._run(source, command, seconds)
        try:
            return answers.stream(done.stdout.decode(errors="replace"))
        except ValueError as error:
            raise self._strange(source, done.stderr or done.stdout) from error

    async def _run(
        self, source: str, command: Sequence[str], seconds: float, space: Space = Space.PLAIN
    ) -> commands.Done:
        return await self.servers[source].run(
            space,
            self._in(space)[source].asking.name,
            command,
            container=objects.NAME,
            seconds=seconds + SPARE,
        )

    def _in(self, space: Space) -> Mapping[str, probes.Pair]:
        return self.pairs if space is Space.PLAIN else self.meshed

    def host(self, target: str, space: Space = Space.PLAIN) -> str:
        """Return the address of the pod that answers, as URLs and sockets take it."""
        address = self._in(space)[target].answering.address
        return f"[{address}]" if ":" in address else address

    def _strange(self, source: str, output: bytes) -> errors.ToolError:
        said = output.decode(errors="replace").strip()[:200]
        return errors.ToolError(
            "the probe says what no probe says",
            where=source,
            why=said or "nothing",
            remedy="docs/connect.md says how to build the image; --image names it",
        )


async def _tcp(asker: Asker, question: questions.Question) -> Proofs:
    target = f"{asker.host(question.target)}:{questions.TCP}"
    return judge.reached(
        question, await asker.probe(question.source, "tcp", "-size=1", target, tries=question.tries)
    )


async def _udp(asker: Asker, question: questions.Question) -> Proofs:
    target = f"{asker.host(question.target)}:{questions.UDP}"
    return judge.reached(question, await asker.probe(question.source, "udp", target, tries=question.tries))


async def _remote(asker: Asker, question: questions.Question) -> Proofs:
    url = _url(questions.name_of(question.target))
    return judge.reached(question, await asker.probe(question.source, "http", url, tries=question.tries))


async def _named(asker: Asker, question: questions.Question) -> Proofs:
    missing = [one for one in (question.source, question.target) if not asker.pairs[one].exports]
    if missing:
        return judge.unexported(question, missing[0])
    url = (
        f"http://{questions.exported(question.target)}.{Space.PLAIN}.svc.{corefile.DOMAIN}:{questions.HTTP}/"
    )
    return judge.named(question, await asker.probe(question.source, "http", url, tries=question.tries))


async def _shared(asker: Asker, question: questions.Question) -> Proofs:
    return await _often(asker, question, Space.PLAIN, judge.shared)


async def _meshed_local(asker: Asker, question: questions.Question) -> Proofs:
    return await _often(asker, question, Space.MESHED, sidecars.local)


async def _often(
    asker: Asker,
    question: questions.Question,
    space: Space,
    judged: Callable[[questions.Question, Sequence[answers.Try]], Proofs],
) -> Proofs:
    """Ask until each cluster has answered, chance is ruled out, or patience ends; all tries count."""
    end, tries = asker.clock.monotonic() + asker.patience.seconds, list[answers.Try]()
    url = _url(questions.SERVICE, space)
    while True:
        count = min(questions.MOST, question.tries - len(tries))
        tries += await asker.probe(question.source, "http", url, tries=count, space=space)
        found = judged(question, tries)
        if _is_whole(found) or len(tries) >= question.tries or asker.clock.monotonic() >= end:
            return found


async def _meshed_remote(asker: Asker, question: questions.Question) -> Proofs:
    return sidecars.remote(question, await _from_sidecar(asker, question))


async def _refused(asker: Asker, question: questions.Question) -> Proofs:
    """Ask a pod with a sidecar from one without, and from one with: only then is a refusal one."""
    url = f"http://{asker.host(question.target, Space.MESHED)}:{questions.HTTP}/"
    plain = await asker.probe(question.source, "http", url, tries=question.tries)
    return sidecars.refused(question, plain, await _from_sidecar(asker, question))


async def _from_sidecar(asker: Asker, question: questions.Question) -> tuple[answers.Try, ...]:
    url = _url(questions.name_of(question.target), Space.MESHED)
    return await asker.probe(question.source, "http", url, tries=question.tries, space=Space.MESHED)


async def _latency(asker: Asker, question: questions.Question) -> Proofs:
    url = f"http://{asker.host(question.target)}:{questions.HTTP}/"
    first = await asker.probe(question.source, "http", url, tries=questions.SEVERAL)
    if not answers.counts(first):
        return judge.timed(question, first)  # fifty more would only take their time to fail
    return judge.timed(question, await asker.probe(question.source, "http", url, tries=question.tries))


async def _throughput(asker: Asker, question: questions.Question) -> Proofs:
    target = f"{asker.host(question.target)}:{questions.TCP}"
    return judge.streamed(question, await asker.stream(question.source, target, question.seconds))


async def _packet(asker: Asker, question: questions.Question) -> Proofs:
    assert question.planned is not None
    if ":" in asker.host(question.target):
        return judge.unproved(question, "the probe sends datagrams over IPv4 alone")
    passes = _Passes(asker, question)
    whole = await search(passes.at, question.planned)
    return judge.packet(question, judge.Packets(whole=whole, why=passes.why))


class _Passes:
    """Whether a packet of some size comes through whole, and the last reason why one did not."""

    def __init__(self, asker: Asker, question: questions.Question) -> None:
        self._asker = asker
        self._question = question
        self.why = ""

    async def at(self, size: int) -> bool:
        data = size - questions.HEADERS
        target = f"{self._asker.host(self._question.target)}:{questions.UDP}"
        tries = await self._asker.probe(
            self._question.source, "udp", f"-size={data}", target, tries=questions.SEVERAL, seconds=1.0
        )
        whole = any(each.is_answered and each.size == data for each in tries)
        if not whole:
            self.why = answers.why(tries)
        return whole


async def search(passes: Callable[[int], Awaitable[bool]], planned: int) -> int | None:
    """Return the largest size that passes, None where none does, beginning with what is planned.

    Where the plan holds to the byte this takes two questions.
    """
    if await passes(planned):
        low, high = planned, planned + 1
        if not await passes(high):
            return low
        low, high = high, questions.LARGEST + questions.HEADERS + 1
    else:
        low, high = SMALLEST, planned
        if planned <= SMALLEST or not await passes(low):
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if await passes(middle) else (low, middle)
    return low


async def policed(asker: Asker, question: questions.Question, before: Sequence[answers.Try]) -> Proofs:
    """Ask under the policy; enforcement takes a moment, so a port that still answers is asked again.

    The denied port is given as many tries, and each as long, as those that have to be answered: else a slow
    path or one lost packet would pass for a policy.
    """
    end = asker.clock.monotonic() + asker.patience.seconds
    host = asker.host(question.target)
    while True:
        denied = await asker.probe(
            question.source, "tcp", "-size=1", f"{host}:{questions.TCP}", tries=questions.SEVERAL
        )
        other = await asker.probe(
            question.source, "http", f"http://{host}:{questions.HTTP}/", tries=questions.SEVERAL
        )
        found = judge.policed(question, judge.Policed(before=tuple(before), denied=denied, other=other))
        if _is_whole(found) or not answers.counts(before) or asker.clock.monotonic() >= end:
            return found
        await asker.clock.sleep(asker.patience.pause)


async def before(asker: Asker, question: questions.Question) -> tuple[answers.Try, ...]:
    """Ask the port that is to be denied while it is open: without an answer, silence proves nothing."""
    target = f"{asker.host(question.target)}:{questions.TCP}"
    return await asker.probe(question.source, "tcp", "-size=1", target, tries=questions.SEVERAL)


def _url(service: str, space: Space = Space.PLAIN) -> str:
    """Return the address of a Service by name; the resolver adds the cluster's domain."""
    return f"http://{service}.{space}.svc:{questions.HTTP}/"


def _is_whole(found: Proofs) -> bool:
    return all(each.state is judge.State.OK for each in found.values())


_WAYS: Final[dict[Leg, Callable[[Asker, questions.Question], Awaitable[Proofs]]]] = {
    Leg.POD_TCP: _tcp,
    Leg.POD_UDP: _udp,
    Leg.SERVICE_LOCAL: _shared,
    Leg.SERVICE_REMOTE: _remote,
    Leg.NAME: _named,
    Leg.MESHED_LOCAL: _meshed_local,
    Leg.MESHED_REMOTE: _meshed_remote,
    Leg.PLAIN_REFUSED: _refused,
    Leg.LATENCY: _latency,
    Leg.PACKET: _packet,
    Leg.THROUGHPUT: _throughput,
}
