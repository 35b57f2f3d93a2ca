"""The matrix says of every pair what the single verdict says, whatever the rules are."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as some

from isthmus.policy import decide, ports, rule, world
from isthmus.policy.reach import classes, matrix
from tests.policy.matrix import choices

PROBES = (
    (ports.Protocol.TCP, 80),
    (ports.Protocol.TCP, 443),
    (ports.Protocol.TCP, 8080),
    (ports.Protocol.UDP, 53),
    (ports.Protocol.ICMP, 8),
)


def outside(held: classes.Range) -> world.Endpoint:
    """Return one address of a range."""
    return world.Endpoint("", None, held.title, "External", held.labels, (held.first,), is_managed=False)


def single(
    judges: dict[str, decide.Book],
    ends: tuple[world.Endpoint, world.Endpoint],
    probe: tuple[ports.Protocol, int],
) -> bool:
    """Return the verdict of both sides; what is outside has no side."""
    ask = decide.Ask(*ends, *probe)
    return all(
        judges[end.cluster].decide(direction, ask).is_allowed
        for direction, end in ((rule.Direction.EGRESS, ends[0]), (rule.Direction.INGRESS, ends[1]))
        if end.cluster
    )


@settings(max_examples=100, deadline=None)
@given(
    some.lists(choices.endpoints(), min_size=1, max_size=6),
    some.tuples(choices.books, choices.books),
    some.tuples(choices.enforcers, choices.enforcers),
)
def test_every_pair_is_as_its_single_verdict(
    pods: list[world.Endpoint],
    held: tuple[rule.Rules, rule.Rules],
    modes: tuple[world.Settings, world.Settings],
) -> None:
    each = {
        name: dataclasses.replace(mode, cluster=name)
        for name, mode in zip(choices.CLUSTERS, modes, strict=True)
    }
    by_cluster = dict(zip(choices.CLUSTERS, held, strict=True))
    made = matrix.Matrix(world.World(each, tuple(pods)), by_cluster)
    judges = {name: decide.Book(each[name], by_cluster[name]) for name in choices.CLUSTERS}
    ends = [
        *((place, pod) for place, members in enumerate(made.places.members) for pod in members),
        *(
            (place, outside(found))
            for place, found in enumerate(
                (*made.places.source_ranges, *made.places.destination_ranges), len(made.places.members)
            )
        ),
    ]
    inner = len(made.places.members)
    middle = inner + len(made.places.source_ranges)
    for block in made.blocks():
        for source, one in ends:
            if source not in block.sources:
                continue
            for destination, other in ends:
                if inner <= destination < middle or (source >= inner and destination >= inner):
                    continue
                found = next(
                    (reached for reached, there in block.destinations.items() if there >> destination & 1),
                    ports.NONE,
                )
                for probe in PROBES:
                    expected = single(judges, (one, other), probe)
                    assert ports.has(found, *probe) is expected, (one, other, probe)
