"""Proves a mesh from inside: probes in every cluster, every question at once, everything gone at the end.

One broken cluster hides no other: what it keeps from being asked is told as not proved.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.engine import world as worlds
from isthmus.engine.connect import asking, probes
from isthmus.model import errors
from isthmus.rollout.connect.proof import answers, judge, news, objects, questions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

Proofs = dict[str, judge.Proof]
Space = questions.Space
Place = tuple[Space, str]
"""Probes: the namespace and the cluster that they are in."""

AT_ONCE: Final = 8
"""Commands that run in one cluster at the same time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a run has found."""

    cells: tuple[judge.Cell, ...]
    pairs: Mapping[str, probes.Pair]
    absent: Mapping[str, errors.IsthmusError]
    """Why a cluster has no probes."""
    unmeshed: Mapping[str, errors.IsthmusError] = dataclasses.field(default_factory=dict)
    """Why a cluster has no probes with a sidecar."""
    left: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What could not be removed, by cluster."""

    @property
    def exit(self) -> errors.Exit:
        """3 where a cluster could not be reached, 1 where anything is not ok, else 0."""
        failed = (*self.absent.values(), *self.unmeshed.values())
        if any(isinstance(each, errors.UnreachableError) for each in failed):
            return errors.Exit.UNREACHABLE
        whole = all(cell.state is judge.State.OK for cell in self.cells)
        return errors.Exit.DONE if whole and not failed and not self.left else errors.Exit.FAILED


async def verify(
    world: worlds.World,
    wanted: objects.Probes,
    asked: Sequence[questions.Question],
    *,
    say: Callable[[str, str], None],
    keep: bool = False,
    patience: asking.Patience | None = None,
    hear: Callable[[news.News], None] = news.ignore,
) -> Report:
    """Bring the probes, ask, and remove them, also when it is cancelled.

    `say` hears (cluster, words), `hear` what is being asked and what is known.
    """
    sites = {
        (space, name): _site(world, wanted, name, space, say)
        for space in Space
        for name in wanted.members(space)
    }
    left: dict[str, str] = {}
    try:
        hear(news.News(phase=news.Phase.BRING))
        found = await _each(sites, probes.bring)
        failed = {place: each for place, each in found.items() if isinstance(each, errors.IsthmusError)}
        for name, words in dict.fromkeys((name, str(each.brief)) for (_, name), each in failed.items()):
            say(name, words)
        pairs = {place: each for place, each in found.items() if not isinstance(each, errors.IsthmusError)}
        asker = asking.Asker(
            servers=world.clusters,
            pairs=_in(Space.PLAIN, pairs),
            meshed=_in(Space.MESHED, pairs),
            clock=world.clock,
            patience=patience or asking.Patience(),
        )
        proofs = await Round(asker, failed, sites, hear).all(asked)
    finally:
        if not keep:
            hear(news.News(phase=news.Phase.TAKE))
            left = await _removed(sites)
            for name, words in left.items():
                say(name, words)
    return Report(
        cells=judge.cells(asked, proofs),
        pairs=_in(Space.PLAIN, pairs),
        absent=_in(Space.PLAIN, failed),
        unmeshed=_in(Space.MESHED, failed),
        left=left,
    )


class Round:
    """One round of questions, with at most `AT_ONCE` commands in each cluster."""

    def __init__(
        self,
        asker: asking.Asker,
        failed: Mapping[Place, errors.IsthmusError],
        sites: Mapping[Place, probes.Site],
        hear: Callable[[news.News], None] = news.ignore,
    ) -> None:
        self._asker = asker
        self._failed = failed
        self._sites = sites
        self._hear = hear
        self._room = {name: asyncio.Semaphore(AT_ONCE) for name in (*asker.pairs, *asker.meshed)}

    async def all(self, asked: Sequence[questions.Question]) -> list[Proofs]:
        """Ask all at once, and what is doubtful again; then streams, then the policy: it shuts a port."""
        apart = (questions.Leg.POLICY, questions.Leg.THROUGHPUT)
        open_ones = [each for each in asked if each.leg not in apart]
        last = [each for each in asked if each.leg is questions.Leg.POLICY]
        found = await self._several(open_ones)
        found |= await self._several(judge.doubtful(open_ones, [found[each] for each in open_ones]))
        for alone in (each for each in asked if each.leg is questions.Leg.THROUGHPUT):
            found[alone] = await self._one(alone)  # streams would only measure one another
        if last:
            found.update(zip(last, await self._policies(last), strict=True))
        return [found[each] for each in asked]

    async def _several(self, asked: Sequence[questions.Question]) -> dict[questions.Question, Proofs]:
        return dict(zip(asked, await asyncio.gather(*map(self._one, asked)), strict=True))

    async def _one(self, question: questions.Question) -> Proofs:
        found = await self._known(question, self._asker.ask)
        self._tell(question, found)
        return found

    def _tell(self, question: questions.Question, proofs: Proofs | None = None) -> None:
        self._hear(news.News(phase=news.Phase.ASK, question=question, proofs=proofs))

    async def _known(
        self, question: questions.Question, ask: Callable[[questions.Question], Awaitable[Proofs]]
    ) -> Proofs:
        """Ask of clusters that have probes; the others, and what cannot be asked, are not proved."""
        known: Proofs = {}
        for name in question.targets:
            why = self._missing(question, name)
            if why:
                known.update(judge.unproved(dataclasses.replace(question, targets=(name,)), why))
        able = dataclasses.replace(
            question, targets=tuple(name for name in question.targets if name not in known)
        )
        if not able.targets:
            return known
        async with self._room[question.source]:
            self._tell(question)
            try:
                return {**known, **(await ask(able))}
            except errors.IsthmusError as error:
                return {**known, **judge.unproved(able, f"it could not be asked: {error.brief}")}

    def _missing(self, question: questions.Question, target: str) -> str:
        """Return why a cluster cannot be asked about: the first of the probes that it takes is not there."""
        for space, name in questions.needs(question, target):
            if (space, name) in self._failed:
                what = "probe" if space is Space.PLAIN else "probe with a sidecar"
                return f"no {what} in {name}: {self._failed[space, name].brief}"
        return ""

    async def _policies(self, asked: Sequence[questions.Question]) -> list[Proofs]:
        """Ask while the port is open, deny it everywhere, and ask again."""
        before: dict[questions.Question, Sequence[answers.Try]] = {}

        async def first(question: questions.Question) -> Proofs:
            before[question] = await asking.before(self._asker, question)
            return {}

        early = await asyncio.gather(*(self._known(each, first) for each in asked))
        denied = await worlds.each(
            tuple(self._asker.pairs), lambda name: probes.deny(self._sites[Space.PLAIN, name])
        )
        refused = {name: each for name, each in denied.items() if isinstance(each, errors.IsthmusError)}

        async def then(question: questions.Question) -> Proofs:
            if question.target in refused:
                return judge.unproved(question, refused[question.target].brief)
            return await asking.policed(self._asker, question, before[question])

        async def one(question: questions.Question, known: Proofs) -> Proofs:
            found = known or await self._known(question, then)
            self._tell(question, found)
            return found

        return list(await asyncio.gather(*map(one, asked, early)))


def _site(
    world: worlds.World, wanted: objects.Probes, name: str, space: Space, say: Callable[[str, str], None]
) -> probes.Site:
    def told(words: str) -> None:
        say(name, words)

    return probes.Site(server=world.cluster(name), probes=wanted, clock=world.clock, say=told, space=space)


async def _each(
    sites: Mapping[Place, probes.Site], work: Callable[[probes.Site], Awaitable[Any]]
) -> dict[Place, Any]:
    """Run one piece of work for all probes at once; a failure is a result and stops no other."""
    by_name = {f"{space}/{name}": (space, name) for space, name in sites}
    found = await worlds.each(tuple(by_name), lambda key: work(sites[by_name[key]]))
    return {by_name[key]: each for key, each in found.items()}


def _in(space: Space, found: Mapping[Place, Any]) -> dict[str, Any]:
    """Return what is known of the clusters' probes in one namespace."""
    return {name: each for (where, name), each in found.items() if where is space}


async def _removed(sites: Mapping[Place, probes.Site]) -> dict[str, str]:
    """Remove the probes of every cluster; a second cancellation ends the wait, not the removal begun."""
    work = asyncio.ensure_future(_each(sites, probes.take))
    try:
        found = await asyncio.shield(work)
    except asyncio.CancelledError:
        with contextlib.suppress(errors.IsthmusError):
            await work
        raise
    left: dict[str, str] = {}
    for (_, name), each in found.items():
        if isinstance(each, errors.IsthmusError):
            left[name] = "; ".join((*((left[name],) if name in left else ()), each.brief))
        elif each is False:
            left[name] = "another run has taken the probes over"
    return left
