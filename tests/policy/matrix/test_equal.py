"""The matrix says of every pair what the single verdict says, whatever the rules are."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as some

from isthmus.address import prefix, space
from isthmus.policy import classes, decide, labels, matrix, ports, rule, world

CLUSTERS = ("east", "west")
SPACES = ("a", "b")
APPS = ("x", "y", "z")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.1.1", "192.0.2.7", "192.0.2.200", "8.8.8.8")
BLOCKS = ("10.0.0.0/24", "10.0.0.2/32", "10.0.0.0/8", "192.0.2.0/24", "192.0.2.128/25", "0.0.0.0/0")
NAMES = tuple(ports.Named(protocol, name) for protocol in ports.TRANSPORT[:2] for name in ("http", "dns"))
PROBES = (
    (ports.Protocol.TCP, 80),
    (ports.Protocol.TCP, 443),
    (ports.Protocol.TCP, 8080),
    (ports.Protocol.UDP, 53),
    (ports.Protocol.ICMP, 8),
)

requirements = some.one_of(
    some.builds(
        labels.Requirement,
        some.just("app"),
        some.sampled_from([labels.Operator.IN, labels.Operator.NOT_IN]),
        some.frozensets(some.sampled_from(APPS), min_size=1, max_size=2),
    ),
    some.builds(
        labels.Requirement,
        some.sampled_from(["app", labels.NAMESPACE]),
        some.sampled_from([labels.Operator.EXISTS, labels.Operator.ABSENT]),
    ),
    some.builds(
        labels.Requirement,
        some.just(labels.NAMESPACE),
        some.just(labels.Operator.IN),
        some.frozensets(some.sampled_from(SPACES), min_size=1, max_size=1),
    ),
    some.builds(
        labels.Requirement,
        some.just(labels.CLUSTER),
        some.just(labels.Operator.IN),
        some.frozensets(some.sampled_from(CLUSTERS), min_size=1, max_size=1),
    ),
    some.just(labels.Requirement("reserved:world", labels.Operator.EXISTS)),
)
selectors = some.builds(labels.Selector, some.frozensets(requirements, max_size=2))
spaces = some.lists(some.sampled_from(BLOCKS), max_size=2).map(
    lambda texts: space.of(prefix.parse(text) for text in texts)
)
peers = some.builds(
    rule.Peers,
    selectors=some.frozensets(selectors, max_size=2),
    addresses=spaces,
    reaches_pods=some.booleans(),
    reaches_nodes=some.booleans(),
)
wanted = some.one_of(
    some.just(ports.EVERY),
    some.builds(
        ports.Wanted,
        some.sampled_from(
            [
                ports.NONE,
                ports.interval(ports.Protocol.TCP, 80, 80),
                ports.interval(ports.Protocol.TCP, 80, 500),
                ports.whole(ports.Protocol.UDP),
                ports.interval(ports.Protocol.ICMP, 8, 8),
            ]
        ),
        some.frozensets(some.sampled_from(NAMES), max_size=2),
    ),
)
ORIGIN = rule.Origin("Any", "a", "one", "east")
rules = some.builds(
    rule.Rule,
    origin=some.just(ORIGIN),
    place=some.just("spec"),
    direction=some.sampled_from(rule.Direction),
    action=some.sampled_from(rule.Action),
    subject=selectors,
    peers=peers,
    ports=wanted,
    tier=some.sampled_from(rule.Tier),
    priority=some.integers(0, 1),
    order=some.integers(0, 1),
)
isolations = some.builds(
    rule.Isolation, origin=some.just(ORIGIN), direction=some.sampled_from(rule.Direction), subject=selectors
)
books = some.builds(
    rule.Rules,
    some.lists(rules, max_size=5).map(tuple),
    some.lists(isolations, max_size=2).map(tuple),
)
enforcers = some.builds(
    world.Settings,
    enforcer=some.sampled_from(world.Enforcer),
    default_mode=some.sampled_from(["default", "default", "always", "never"]),
)


@some.composite
def endpoints(draw: some.DrawFn) -> world.Endpoint:
    cluster, name = draw(some.sampled_from(CLUSTERS)), draw(some.sampled_from("pqrstuv"))
    held = {labels.CLUSTER: cluster}
    if draw(some.integers(0, 4)):
        held |= {labels.NAMESPACE: draw(some.sampled_from(SPACES))}
        app = draw(some.sampled_from([*APPS, None]))
        held |= {"app": app} if app else {}
        held |= {"reserved:init": ""} if draw(some.integers(0, 9)) == 9 else {}
    else:
        held[draw(some.sampled_from(sorted(world.NODE)))] = ""
    places = draw(some.lists(some.sampled_from(ADDRESSES[:4]), max_size=2, unique=True))
    numbers = some.sampled_from([80, 443, 8080])
    return world.Endpoint(
        cluster=cluster,
        namespace="n",
        name=name,
        kind="Pod",
        labels=held,
        addresses=tuple(prefix.parse(each).first for each in places),
        names=draw(some.dictionaries(some.sampled_from(NAMES), numbers, max_size=2)),
    )


def outside(held: classes.Range) -> world.Endpoint:
    """Return one address of a range."""
    return world.Endpoint("", None, held.title, "External", held.labels, (held.first,), is_managed=False)


def single(
    judges: dict[str, decide.Book], ends: tuple[world.Endpoint, world.Endpoint], probe: tuple[ports.Protocol, int]
) -> bool:
    """Return the verdict of both sides; what is outside has no side."""
    ask = decide.Ask(*ends, *probe)
    return all(
        judges[end.cluster].decide(direction, ask).is_allowed
        for direction, end in ((rule.Direction.EGRESS, ends[0]), (rule.Direction.INGRESS, ends[1]))
        if end.cluster
    )


@settings(max_examples=400, deadline=None)
@given(some.lists(endpoints(), min_size=1, max_size=6), some.tuples(books, books), some.tuples(enforcers, enforcers))
def test_every_pair_is_as_its_single_verdict(
    pods: list[world.Endpoint],
    held: tuple[rule.Rules, rule.Rules],
    modes: tuple[world.Settings, world.Settings],
) -> None:
    each = {name: dataclasses.replace(mode, cluster=name) for name, mode in zip(CLUSTERS, modes, strict=True)}
    by_cluster = dict(zip(CLUSTERS, held, strict=True))
    made = matrix.Matrix(world.World(each, tuple(pods)), by_cluster)
    judges = {name: decide.Book(each[name], by_cluster[name]) for name in CLUSTERS}
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
