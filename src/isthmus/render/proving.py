"""The live view of `connect verify` as a value: the matrix as it fills, and what news makes of it.

Drawing it, and the time, are left to `cli`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from isthmus.render import verify
from isthmus.rollout.connect.proof import judge, news, questions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

State = judge.State
Pair = tuple[str, str]

SHOWN = 3
"""Ways that are being asked and are named; of more only the number."""


class Board:
    """What is known of each way so far, and what is being asked. It changes with each piece of news."""

    def __init__(self, clusters: Sequence[str], asked: Sequence[questions.Question]) -> None:
        """Begin with nothing known; `asked` says how much there is to know."""
        self.clusters = tuple(clusters)
        self.phase = news.Phase.BRING
        self._legs = Counter((one.source, target) for one in asked for target in one.targets)
        self._known: dict[Pair, dict[questions.Leg, State]] = {}
        self._asking: dict[questions.Question, None] = {}

    @property
    def progress(self) -> tuple[int, int]:
        """Legs that are known, and all."""
        return sum(map(len, self._known.values())), self._legs.total()

    def heard(self, told: news.News) -> None:
        """Take a piece of news in; what is asked once more counts as it was until it is answered."""
        self.phase = told.phase
        if told.phase is not news.Phase.ASK:
            self._asking.clear()
        if told.question is None:
            return
        if told.proofs is None:
            self._asking[told.question] = None
            return
        self._asking.pop(told.question, None)
        for target, proof in told.proofs.items():
            self._known.setdefault((told.question.source, target), {})[told.question.leg] = proof.state

    def cell(self, source: str, target: str) -> tuple[str, State | None]:
        """Return what to write of a way, and its state: None while all of what is known is well."""
        known, legs = self._known.get((source, target), {}), self._legs[source, target]
        worst = max(known.values(), key=judge.RANK.index, default=State.OK)
        if not legs:
            return "-", None
        if len(known) == legs:
            return verify.WORDS[worst], worst
        count = f"{len(known)}/{legs}"
        return (f"{verify.WORDS[State.FAILED]} {count}", worst) if worst is State.FAILED else (count, None)

    def asking(self) -> str:
        """Return what is being asked, in words."""
        ways = list(self._ways())
        more = len(ways) - SHOWN
        return "; ".join(ways[:SHOWN]) + (f"; and {more} more" if more > 0 else "")

    def visible(self, rows: int, columns: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the clusters whose rows and columns fit: of rows those that are not through first."""
        if len(self.clusters) <= min(rows, columns):
            return self.clusters, self.clusters
        order = sorted(self.clusters, key=self._rank)[: max(1, rows)]
        return tuple(each for each in self.clusters if each in order), self.clusters[: max(1, columns)]

    def _rank(self, source: str) -> int:
        """Return how soon a row is shown: with a failure, under way, not begun, well."""
        states = [self.cell(source, target)[1] for target in self.clusters]
        if State.FAILED in states:
            return 0
        if None in states:
            return 1 if any((source, target) in self._known for target in self.clusters) else 2
        return 3

    def _ways(self) -> Iterator[str]:
        by_leg: dict[questions.Leg, list[questions.Question]] = {}
        for each in self._asking:
            by_leg.setdefault(each.leg, []).append(each)
        for leg, found in by_leg.items():
            first = found[0]
            target = first.target if len(first.targets) == 1 else "all"
            where = f"{first.source} → {target}" if len(found) == 1 else f"{len(found)} times"
            yield f"{questions.WORDS[leg]} ({where})"
