from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.network.consent import shorthand

NAMES = st.sampled_from(["a", "b", "c", "d", shorthand.OUTSIDE])
PAIRS = st.sets(st.tuples(NAMES, NAMES))


@pytest.mark.parametrize(
    ("pairs", "lines"),
    [
        ("ab ba ac ca bc cb", ["a, b, c each to the others of a, b, c"]),
        ("aa ab ba bb", ["a, b to a, b"]),
        ("aa bb", ["a, b each to itself"]),
        ("ac bc", ["a, b to c"]),
        ("-a -b", ["- to a, b"]),
        ("ab", ["a to b"]),
    ],
)
def test_pairs_become_sentences(pairs: str, lines: list[str]) -> None:
    assert shorthand.lines((each[0], each[1]) for each in pairs.split()) == lines


@given(PAIRS)
def test_the_sentences_hold_every_pair_and_no_other_in_whatever_order(
    pairs: set[tuple[str, str]],
) -> None:
    lines = shorthand.lines(pairs)

    assert lines == shorthand.lines(sorted(pairs, reverse=True))
    assert {pair for line in lines for pair in spelled(line)} == pairs


def spelled(line: str) -> list[tuple[str, str]]:
    found = re.fullmatch(r"(.+?) (each to itself|each to the others of|to)(?: (.+))?", line)
    assert found is not None
    senders = found[1].split(", ")
    if found[2] == "each to itself":
        return [(each, each) for each in senders]
    receivers = found[3].split(", ")
    is_others = found[2] != "to"
    return [(one, two) for one in senders for two in receivers if not (is_others and one == two)]
