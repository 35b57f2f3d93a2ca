"""Proves a mesh from inside: probes in every cluster, every question at once, everything gone at the end.

One broken cluster hides no other: what it keeps from being asked is told as not proved.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.engine import world as worlds
from isthmus.engine.connect import asking, probes
from isthmus.model import errors
from isthmus.rollout.connect.proof import answers, judge, objects, questions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

Proofs = dict[str, judge.Proof]

AT_ONCE: Final = 8
"""Commands that run in one cluster at the same time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a run has found."""

    cells: tuple[judge.Cell, ...]
    pairs: Mapping[str, probes.Pair]
    absent: Mapping[str, errors.IsthmusError]
    """Why a cluster has no probes."""
    left: Mapping[str, str]
    """What could not be removed, by cluster."""

    @property
    def exit(self) -> errors.Exit:
        """3 where a cluster could not be reached, 1 where anything is not ok, else 0."""
        if any(isinstance(each, errors.UnreachableError) for each in self.absent.values()):
            return errors.Exit.UNREACHABLE
        whole = all(cell.state is judge.State.OK for cell in self.cells)
        return errors.Exit.DONE if whole and not self.absent and not self.left else errors.Exit.FAILED


async def verify(
    world: worlds.World,
    wanted: objects.Probes,
    asked: Sequence[questions.Question],
    *,
    say: Callable[[str, str], None],
    keep: bool = False,
    patience: asking.Patience | None = None,
) -> Report:
    """Bring the probes, ask, and remove them, also when it is cancelled; `say` hears (cluster, words)."""
    sites = {name: _site(world, wanted, name, say) for name in wanted.clusters}
    left: dict[str, str] = {}
    try:
        found = await worlds.each(wanted.clusters, lambda name: probes.bring(sites[name]))
        failed = {name: each for name, each in found.items() if isinstance(each, errors.IsthmusError)}
        for name, error in failed.items():
            say(name, str(error.brief))
        pairs = {name: each for name, each in found.items() if name not in failed}
        asker = asking.Asker(
            servers=world.clusters, pairs=pairs, clock=world.clock, patience=patience or asking.Patience()
        )
        proofs = await Round(asker, failed, sites).all(asked)
    finally:
        if not keep:
            left = await _removed(sites)
            for name, words in left.items():
                say(name, words)
    return Report(cells=judge.cells(asked, proofs), pairs=pairs, absent=failed, left=left)


class Round:
    """One round of questions, with at most `AT_ONCE` commands in each cluster."""

    def __init__(
        self,
        asker: asking.Asker,
        failed: Mapping[str, errors.IsthmusError],
        sites: Mapping[str, probes.Site],
    ) -> None:
        self._asker = asker
        self._failed = failed
        self._sites = sites
        self._room = {name: asyncio.Semaphore(AT_ONCE) for name in asker.pairs}

    async def all(self, asked: Sequence[questions.Question]) -> list[Proofs]:
        """Ask all at once, and what is doubtful again; then streams, then the policy: it shuts a port."""
        apart = (questions.Leg.POLICY, questions.Leg.THROUGHPUT)
        open_ones = [each for each in asked if each.leg not in apart]
        last = [each for each in asked if each.leg is questions.Leg.POLICY]
        found = await self._each(open_ones)
        found |= await self._each(judge.doubtful(open_ones, [found[each] for each in open_ones]))
        for alone in (each for each in asked if each.leg is questions.Leg.THROUGHPUT):
            found[alone] = await self._one(alone)  # streams would only measure one another
        if last:
            found.update(zip(last, await self._policies(last), strict=True))
        return [found[each] for each in asked]

    async def _each(self, asked: Sequence[questions.Question]) -> dict[questions.Question, Proofs]:
        return dict(zip(asked, await asyncio.gather(*map(self._one, asked)), strict=True))

    async def _one(self, question: questions.Question) -> Proofs:
        return await self._known(question, self._asker.ask)

    async def _known(
        self, question: questions.Question, ask: Callable[[questions.Question], Awaitable[Proofs]]
    ) -> Proofs:
        """Ask of clusters that have probes; the others, and what cannot be asked, are not proved."""
        if question.source in self._failed:
            return judge.unproved(question, self._absent(question.source))
        missing = [name for name in question.targets if name in self._failed]
        known: Proofs = {}
        for name in missing:
            known.update(judge.unproved(dataclasses.replace(question, targets=(name,)), self._absent(name)))
        able = dataclasses.replace(
            question, targets=tuple(name for name in question.targets if name not in missing)
        )
        if not able.targets:
            return known
        async with self._room[question.source]:
            try:
                return {**known, **(await ask(able))}
            except errors.IsthmusError as error:
                return {**known, **judge.unproved(able, f"it could not be asked: {error.brief}")}

    def _absent(self, name: str) -> str:
        return f"no probe in {name}: {self._failed[name].brief}"

    async def _policies(self, asked: Sequence[questions.Question]) -> list[Proofs]:
        """Ask while the port is open, deny it everywhere, and ask again."""
        before: dict[questions.Question, Sequence[answers.Try]] = {}

        async def first(question: questions.Question) -> Proofs:
            before[question] = await asking.before(self._asker, question)
            return {}

        early = await asyncio.gather(*(self._known(each, first) for each in asked))
        denied = await worlds.each(tuple(self._asker.pairs), lambda name: probes.deny(self._sites[name]))
        refused = {name: each for name, each in denied.items() if isinstance(each, errors.IsthmusError)}

        async def then(question: questions.Question) -> Proofs:
            if question.target in refused:
                return judge.unproved(question, refused[question.target].brief)
            return await asking.policed(self._asker, question, before[question])

        async def one(question: questions.Question, known: Proofs) -> Proofs:
            return known or await self._known(question, then)

        return list(await asyncio.gather(*map(one, asked, early)))


def _site(
    world: worlds.World, wanted: objects.Probes, name: str, say: Callable[[str, str], None]
) -> probes.Site:
    def told(words: str) -> None:
        say(name, words)

    return probes.Site(server=world.cluster(name), probes=wanted, clock=world.clock, say=told)


async def _removed(sites: Mapping[str, probes.Site]) -> dict[str, str]:
    """Remove the probes of every cluster; a second cancellation ends the wait, not the removal begun."""
    work = asyncio.ensure_future(worlds.each(tuple(sites), lambda name: probes.take(sites[name])))
    try:
        found = await asyncio.shield(work)
    except asyncio.CancelledError:
        with contextlib.suppress(errors.IsthmusError):
            await work
        raise
    left = {name: each.brief for name, each in found.items() if isinstance(each, errors.IsthmusError)}
    left |= {name: "another run has taken the probes over" for name, each in found.items() if each is False}
    return left
