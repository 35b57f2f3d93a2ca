"""What one change would do is what the matrix after it says, and nothing else changes."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as some

from isthmus.policy import labels, ports, rule, world
from isthmus.policy.reach import matrix, whatif
from tests.policy.matrix import choices

Pairs = dict[tuple[int, int], ports.Ports]


def pairs(made: matrix.Matrix) -> Pairs:
    return {
        (source, destination): held
        for block in made.blocks()
        for source in block.sources
        for held, there in block.destinations.items()
        for destination in labels.places(there)
    }


@settings(max_examples=100, deadline=None)
@given(
    some.lists(choices.endpoints(), min_size=1, max_size=6),
    some.tuples(choices.books, choices.books, choices.books),
    choices.enforcers,
    some.booleans(),
)
def test_a_change_is_the_difference_of_two_whole_matrices(
    pods: list[world.Endpoint],
    held: tuple[rule.Rules, rule.Rules, rule.Rules],
    mode: world.Settings,
    loses: bool,
) -> None:
    each = {name: dataclasses.replace(mode, cluster=name) for name in choices.CLUSTERS}
    known = world.World(each, tuple(pods))
    stays, goes, comes = (
        choices.renamed(one, name) for one, name in zip(held, ("stay", "go", "come"), strict=True)
    )
    other = choices.renamed(held[1], "other")
    old = matrix.Matrix(known, {"east": stays + goes, "west": other}, beside=[comes])
    kept = stays if loses else stays + goes
    new = matrix.Matrix(known, {"east": kept + comes, "west": other}, beside=[goes])
    before, after = pairs(old), pairs(new)
    expected = {
        ends: (before.get(ends, ports.NONE), after.get(ends, ports.NONE))
        for ends in before.keys() | after.keys()
        if before.get(ends) != after.get(ends)
    }
    without = [choices.origin("go")] if loses else []
    found = {}
    for shift in whatif.shifts(old, "east", without=without, added=comes):
        for source in labels.places(shift.sources):
            for destination in labels.places(shift.destinations):
                assert (source, destination) not in found
                found[source, destination] = (shift.before, shift.after)
    assert found == expected
