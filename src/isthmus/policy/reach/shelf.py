"""Rules and isolations of a cluster by the places they guard and by the object they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.policy import labels, rule

if TYPE_CHECKING:
    from isthmus.policy.reach import classes

Guard = rule.Rule | rule.Isolation


class Shelf:
    """What guards the places of one cluster, sought by a few places at a time."""

    def __init__(self, places: classes.Places, held: rule.Rules, own: int) -> None:
        self.by_origin: dict[rule.Origin, list[Guard]] = {}
        self._wide: list[tuple[int, int]] = []
        self._own: dict[int, list[int]] = {}
        self._guards: tuple[Guard, ...] = held.guards
        for number, each in enumerate(self._guards):
            self.by_origin.setdefault(each.origin, []).append(each)
            subjects = places.index.select(each.subject) & own
            if subjects.bit_count() * 4 > places.count:
                self._wide.append((number, subjects))
            else:
                for place in labels.places(subjects):
                    self._own.setdefault(place, []).append(number)

    def near(self, direction: rule.Direction, touched: int) -> list[Guard]:
        """Return what guards any of some places in a direction, in the order written."""
        found = {number for number, subjects in self._wide if subjects & touched}
        for place in labels.places(touched):
            found.update(self._own.get(place, ()))
        guards = (self._guards[number] for number in sorted(found))
        return [each for each in guards if each.direction is direction]
