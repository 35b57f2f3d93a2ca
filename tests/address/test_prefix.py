from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.address import prefix

V4 = st.builds(
    lambda first, length: f"{ipaddress.IPv4Address(first)}/{length}",
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
V6 = st.builds(
    lambda first, length: f"{ipaddress.IPv6Address(first)}/{length}",
    st.integers(0, 2**128 - 1),
    st.integers(0, 128),
)
TEXTS = V4 | V6


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


@given(TEXTS)
def test_a_prefix_reads_back_as_the_standard_library_writes_it(text: str) -> None:
    read = prefix.parse(text)

    assert str(read) == str(network(text))
    assert prefix.parse(str(read)) == read
    assert read.length == network(text).prefixlen


@given(TEXTS, TEXTS)
def test_overlap_is_what_the_standard_library_says(one: str, other: str) -> None:
    assert prefix.overlap(prefix.parse(one), prefix.parse(other)) == network(one).overlaps(network(other))


@given(TEXTS, TEXTS)
def test_aligned_blocks_nest_or_are_apart(one: str, other: str) -> None:
    a, b = prefix.parse(one), prefix.parse(other)

    assert prefix.overlap(a, b) == (prefix.contains(a, b) or prefix.contains(b, a))


@given(TEXTS, st.data())
def test_a_block_knows_its_index(text: str, data: st.DataObject) -> None:
    outer = prefix.parse(text)
    length = data.draw(st.integers(outer.length, outer.bits))
    number = data.draw(st.integers(0, 2 ** (length - outer.length) - 1))

    assert prefix.index(outer, prefix.block(outer, length, number)) == number


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "10.0.0.300/8", "::/129", "x"])
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        prefix.parse(text)


@pytest.mark.parametrize(
    ("count", "size"), [(0, 1), (1, 1), (2, 2), (3, 4), (90, 128), (128, 128), (129, 256)]
)
def test_the_covering_size_is_the_next_power_of_two(count: int, size: int) -> None:
    assert prefix.covering(count) == size
