"""The address map as values: nothing is lost, nothing is told twice, whatever the ranges are."""

from __future__ import annotations

import itertools

import hypothesis
import pytest
from hypothesis import strategies as st

from isthmus.address import prefix, space
from isthmus.network.ipam import ranges
from isthmus.render.plan import bars, shares, strips
from tests.render import fleets

SUPERNET = prefix.parse("10.0.0.0/12")


def supernet(blocks: list[shares.Block], closed: space.Space) -> shares.Supernet:
    found = shares.merged(blocks)
    own = space.of(each.where for each in found)
    return shares.Supernet(
        role=ranges.Role.PODS,
        where=SUPERNET,
        stated=True,
        blocks=tuple(found),
        closed=(closed & space.of([SUPERNET])) - own,
    )


def block(where: prefix.Prefix, number: int = 1, *, used: float = 0.5, grown: float = 0.75) -> shares.Block:
    return shares.Block(
        where=where,
        owners=(f"c{number}",),
        number=number,
        used=int(where.size * used),
        grown=int(where.size * grown),
        pinned=False,
    )


def prefixes() -> st.SearchStrategy[prefix.Prefix]:
    lengths = st.integers(13, 28)
    return lengths.flatmap(
        lambda length: st.integers(0, (1 << (length - 12)) - 1).map(
            lambda index: prefix.block(SUPERNET, length, index)
        )
    )


worlds = st.builds(
    lambda wheres, closed: supernet(
        [block(where, number) for number, where in enumerate(wheres, 1)], space.of(closed)
    ),
    st.lists(prefixes(), max_size=20),
    st.lists(prefixes(), max_size=3),
)


@hypothesis.given(worlds)
def test_runs_fill_a_supernet_from_end_to_end(world: shares.Supernet) -> None:
    found = list(strips.runs(world))

    assert found[0].first == SUPERNET.first
    assert found[-1].end == SUPERNET.end
    assert all(one.end == other.first for one, other in itertools.pairwise(found))


@hypothesis.given(worlds)
def test_rows_hold_every_address_once_and_no_block_is_cut(world: shares.Supernet) -> None:
    rows = strips.rows(world)

    step = rows[0].where.size
    assert sum(row.alike for row in rows) * step == SUPERNET.size
    for row in rows:
        assert [piece.start for piece in row.pieces] == [0, *(piece.end for piece in row.pieces[:-1])]
        assert row.pieces[-1].end == 1
    drawn = [piece.run.block for row in rows for piece in row.pieces if piece.run.block]
    assert drawn == list(world.blocks)


@hypothesis.given(worlds)
def test_there_are_few_rows_however_empty_a_supernet_is(world: shares.Supernet) -> None:
    things = len(world.blocks) + len(world.closed.intervals)

    assert len(strips.rows(world)) <= 4 * things + 1


@hypothesis.given(worlds)
def test_shares_add_up(world: shares.Supernet) -> None:
    closed = world.closed.size / SUPERNET.size

    assert world.used <= world.grown <= world.given <= 1
    assert world.free + world.given + closed == pytest.approx(1)


@hypothesis.given(worlds, st.integers(8, 200))
def test_a_bar_has_its_width_and_shows_every_kind_that_is_there(world: shares.Supernet, width: int) -> None:
    line = bars.bar(SUPERNET, world, width)

    assert sum(len(text) for text, _ in line) == width
    if world.blocks:
        assert bars.Tone.USED in {tone for _, tone in line}


def test_equal_and_nested_ranges_are_one_block_with_all_owners() -> None:
    found = shares.merged(
        [
            block(prefix.parse("10.1.0.0/16"), 1),
            block(prefix.parse("10.1.4.0/24"), 2),
            block(prefix.parse("10.1.0.0/16"), 3),
            block(prefix.parse("10.2.0.0/16"), 4),
        ]
    )

    assert [(str(each.where), each.owners) for each in found] == [
        ("10.1.0.0/16", ("c1", "c3", "c2")),
        ("10.2.0.0/16", ("c4",)),
    ]


def test_use_follows_from_nodes_growth_and_the_providers_blocks() -> None:
    plan, source = fleets.planned(fleets.SHOP)
    pods, services, nodes = shares.supernets(source.fleet, plan.addresses.clusters)

    told = [(each.owners, each.used, each.grown, each.where.size) for each in pods.blocks]
    assert told == [
        (("west",), 30 * 256, 90 * 256, 128 * 256),
        (("paris",), 12 * 256, 24 * 256, 32 * 256),
        (("east",), 30 * 256, 30 * 256, 256 * 256),
    ]
    assert [each.used for each in nodes.blocks] == [30 + 4, 30 + 4, 12 + 4]
    assert services.used == services.grown == services.given
    assert [str(each) for each in pods.closed.prefixes()] == ["10.2.0.0/16"]


def test_ranges_in_no_supernet_are_drawn_apart_when_they_lie_far_apart() -> None:
    plan, source = fleets.planned(
        "apiVersion: isthmus.dev/v1alpha1\nkind: Fleet\nmetadata: {name: shop}\nspec:\n  clusters:\n"
        "  - {name: a, id: 1, nodes: 3, pods: 10.1.0.0/16}\n"
        "  - {name: b, id: 2, nodes: 3, pods: 10.2.0.0/16}\n"
        "  - {name: c, id: 3, nodes: 3, pods: 192.168.0.0/16}\n"
    )

    found = shares.supernets(source.fleet, plan.addresses.clusters)

    assert [(str(each.where), each.stated) for each in found] == [
        ("10.0.0.0/14", False),
        ("192.168.0.0/16", False),
    ]
