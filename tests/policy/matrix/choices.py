"""Random endpoints and rules for properties: few names, so that they meet often."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as some

from isthmus.address import prefix, space
from isthmus.policy import labels, ports, rule, world

CLUSTERS = ("east", "west")
SPACES = ("a", "b")
APPS = ("x", "y", "z")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.1.1", "192.0.2.7", "192.0.2.200", "8.8.8.8")
BLOCKS = ("10.0.0.0/24", "10.0.0.2/32", "10.0.0.0/8", "192.0.2.0/24", "192.0.2.128/25", "0.0.0.0/0")
NAMES = tuple(ports.Named(protocol, name) for protocol in ports.TRANSPORT[:2] for name in ("http", "dns"))
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


def origin(name: str) -> rule.Origin:
    """Return an object by its name."""
    return dataclasses.replace(ORIGIN, name=name)


def renamed(held: rule.Rules, name: str) -> rule.Rules:
    """Return rules as those of an object of another name."""
    return rule.Rules(
        tuple(dataclasses.replace(each, origin=origin(name)) for each in held.rules),
        tuple(dataclasses.replace(each, origin=origin(name)) for each in held.isolations),
    )
