"""Selectors by index equal selectors one by one; ports are sets on a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from isthmus.policy import labels, ports

KEYS = st.sampled_from(["app", "tier", "zone"])
VALUES = st.sampled_from(["a", "b", "c"])
ROWS = st.lists(st.dictionaries(KEYS, VALUES), max_size=20)
REQUIREMENTS = st.builds(labels.Requirement, KEYS, st.sampled_from(labels.Operator), st.frozensets(VALUES))
SELECTORS = st.builds(labels.Selector, st.frozensets(REQUIREMENTS, max_size=3))


@given(ROWS, SELECTORS)
def test_an_index_answers_as_each_selector_does(
    rows: list[dict[str, str]], selector: labels.Selector
) -> None:
    found = list(labels.places(labels.Index(rows).select(selector)))

    assert found == [place for place, row in enumerate(rows) if selector.matches(row)]


def test_nothing_and_everything_are_selectors_too() -> None:
    rows: list[dict[str, str]] = [{}, {"app": "a"}]

    assert labels.Index(rows).select(labels.EVERY) == 0b11
    assert labels.Index(rows).select(labels.NONE) == 0


@given(st.integers(0, 65535), st.sampled_from(ports.TRANSPORT), st.sampled_from(ports.TRANSPORT))
def test_a_port_is_in_the_set_of_its_protocol_alone(
    port: int, protocol: ports.Protocol, other: ports.Protocol
) -> None:
    found = ports.interval(protocol, port, port)

    assert ports.has(found, other, port) is (protocol is other)
    assert ports.split(found) == {protocol: ((port, port),)}
    assert ports.has(ports.ALL, protocol, port)
