"""Labels of an endpoint in one flat map, as Cilium flattens them, and selectors over it.

A pod's own labels keep their keys; what else a policy may ask for stands beside them under Cilium's keys
(`pkg/k8s/apis/cilium.io/const.go`): the namespace, each label of the namespace, the cluster, the account.
Kubernetes' policies are read into the same selectors, so one index answers for every layer.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NAMESPACE: Final = "io.kubernetes.pod.namespace"
NAMESPACE_LABEL: Final = "io.cilium.k8s.namespace.labels."
CLUSTER: Final = "io.cilium.k8s.policy.cluster"
ACCOUNT: Final = "io.cilium.k8s.policy.serviceaccount"
RESERVED: Final = "reserved:"
"""What begins the key of a reserved label, such as `reserved:host`; its value is empty."""


class Operator(StrEnum):
    """How a requirement compares, with the words of Kubernetes; the negative two match an absent key."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    ABSENT = "DoesNotExist"


class Requirement(NamedTuple):
    """One key and what its value must be."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels meet it."""
        found = labels.get(self.key)
        if self.operator is Operator.IN:
            return found is not None and found in self.values
        if self.operator is Operator.NOT_IN:
            return found is None or found not in self.values
        return (found is not None) is (self.operator is Operator.EXISTS)


@dataclasses.dataclass(frozen=True, slots=True)
class Selector:
    """All of some requirements; without one it selects every endpoint."""

    requirements: frozenset[Requirement] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels meet every requirement."""
        return all(each.matches(labels) for each in self.requirements)

    def __and__(self, other: Selector) -> Selector:
        return Selector(self.requirements | other.requirements)

    @property
    def keys(self) -> frozenset[str]:
        """The keys it asks for."""
        return frozenset(each.key for each in self.requirements)


EVERY: Final = Selector()
NONE: Final = Selector(frozenset({Requirement("", Operator.IN)}))
"""Selects nothing: no label has an empty key."""


def equal(key: str, *values: str) -> Selector:
    """Return the selector of one key with one of some values."""
    return Selector(frozenset({Requirement(key, Operator.IN, frozenset(values))}))


def exists(key: str) -> Selector:
    """Return the selector of a key with any value."""
    return Selector(frozenset({Requirement(key, Operator.EXISTS)}))


class Index:
    """Which of a sequence of label sets a selector matches, as a bit set: bit i stands for the i-th.

    One pass over the labels, then a few operations on long integers for each selector, whatever the number
    of endpoints; answers are kept.
    """

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self.every = (1 << len(rows)) - 1
        places: dict[str, dict[str, list[int]]] = {}
        for place, row in enumerate(rows):
            for key, value in row.items():
                places.setdefault(key, {}).setdefault(value, []).append(place)
        self._places = places
        self._width = (len(rows) + 7) // 8
        self._values: dict[tuple[str, str], int] = {}
        self._keys: dict[str, int] = {}
        self._answers: dict[Selector, int] = {}

    def select(self, selector: Selector) -> int:
        """Return the bit set of what a selector matches."""
        answer = self._answers.get(selector)
        if answer is None:
            answer = self.every
            for requirement in selector.requirements:
                answer &= self._meet(requirement)
            self._answers[selector] = answer
        return answer

    def _meet(self, requirement: Requirement) -> int:
        key, operator, values = requirement
        if operator is Operator.IN or operator is Operator.NOT_IN:
            found = 0
            for value in values:
                found |= self._having(key, value)
        else:
            found = self._with(key)
        is_negative = operator is Operator.NOT_IN or operator is Operator.ABSENT
        return self.every & ~found if is_negative else found

    def _having(self, key: str, value: str) -> int:
        known = self._values.get((key, value))
        if known is None:
            known = bits(self._places.get(key, {}).get(value, ()), self._width)
            self._values[key, value] = known
        return known

    def _with(self, key: str) -> int:
        known = self._keys.get(key)
        if known is None:
            known = 0
            for value in self._places.get(key, {}):
                known |= self._having(key, value)
            self._keys[key] = known
        return known


def bits(places: Iterable[int], width: int) -> int:
    """Return the bit set of some places, which lie below 8 * `width`."""
    marks = bytearray(width)
    for place in places:
        marks[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(marks, "little")


def places(marks: int) -> Iterator[int]:
    """Yield the places of a bit set in rising order."""
    text = f"{marks:b}"[::-1]
    place = text.find("1")
    while place >= 0:
        yield place
        place = text.find("1", place + 1)
