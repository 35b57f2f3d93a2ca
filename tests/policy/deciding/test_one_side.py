"""What the rules of one side say of one connection: tiers, order, isolation, names of ports, addresses."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from isthmus.policy import decide, labels, ports, rule, world
from tests.policy import worlds

ALLOW, DENY, SKIP = rule.Action.ALLOW, rule.Action.DENY, rule.Action.SKIP
ADMIN, NORMAL, BASELINE = rule.Tier.ADMIN, rule.Tier.NORMAL, rule.Tier.BASELINE
SERVER = worlds.pod("a/server", app="server")
CLIENT = worlds.pod("b/client", app="client")
CILIUM = world.Settings(enforcer=world.Enforcer.CILIUM)


def ask(source: world.Endpoint = CLIENT, port: int = 80, protocol: ports.Protocol = worlds.TCP) -> decide.Ask:
    return decide.Ask(source, SERVER, protocol, port)


def decided(
    *rules: rule.Rule,
    isolations: tuple[rule.Isolation, ...] = (),
    settings: world.Settings | None = None,
    asked: decide.Ask | None = None,
) -> decide.Decision:
    book = decide.Book(settings or world.Settings(), rule.Rules(rules, isolations))
    return book.decide(worlds.INGRESS, asked or ask())


def test_without_a_policy_everything_is_open() -> None:
    found = decided()

    assert (found.is_allowed, found.cause, found.origins) == (True, decide.Cause.OPEN, ())


def test_an_isolated_endpoint_lets_through_what_a_rule_allows_and_names_it() -> None:
    found = decided(worlds.given("web", ports=worlds.port(80)), isolations=(worlds.isolated("web"),))

    assert (found.is_allowed, found.cause) == (True, decide.Cause.RULE)
    assert [each.name for each in found.origins] == ["web"]


def test_an_isolated_endpoint_denies_the_rest_and_names_what_isolates() -> None:
    isolations = (worlds.isolated("web"), worlds.isolated("base"))
    found = decided(worlds.given("web", ports=worlds.port(443)), isolations=isolations)

    assert (found.is_allowed, found.cause) == (False, decide.Cause.ISOLATION)
    assert [each.name for each in found.origins] == ["web", "base"]


RANKS: list[tuple[str, list[tuple[rule.Tier, int, int, rule.Action]], bool]] = [
    ("a deny beats an allow of the same rank", [(NORMAL, 0, 0, ALLOW), (NORMAL, 0, 0, DENY)], False),
    ("the first in order decides", [(ADMIN, 5, 1, ALLOW), (ADMIN, 5, 2, DENY)], True),
    ("the lower priority number decides", [(ADMIN, 9, 0, ALLOW), (ADMIN, 5, 0, DENY)], False),
    ("the admin tier decides before the normal one", [(NORMAL, 0, 0, DENY), (ADMIN, 9, 9, ALLOW)], True),
    ("a pass leaves the rest of its tier out", [(ADMIN, 1, 0, SKIP), (ADMIN, 2, 0, DENY)], True),
    ("after a pass the next tier decides", [(ADMIN, 1, 0, SKIP), (BASELINE, 0, 0, DENY)], False),
    ("the baseline tier decides where nothing did", [(BASELINE, 0, 1, ALLOW), (BASELINE, 0, 2, DENY)], True),
]


@pytest.mark.parametrize(("ranks", "expected"), [case[1:] for case in RANKS], ids=[case[0] for case in RANKS])
def test_the_rank_of_rules_decides(
    ranks: list[tuple[rule.Tier, int, int, rule.Action]], expected: bool
) -> None:
    rules = [
        worlds.given(f"p{place}", action, tier=tier, priority=priority, order=order)
        for place, (tier, priority, order, action) in enumerate(ranks)
    ]

    assert decided(*rules).is_allowed is expected


def test_kubernetes_asks_no_baseline_of_an_isolated_endpoint_and_cilium_does() -> None:
    baseline = worlds.given("open", tier=BASELINE)
    isolations = (worlds.isolated("web"),)

    assert not decided(baseline, isolations=isolations).is_allowed
    assert decided(baseline, isolations=isolations, settings=CILIUM).is_allowed


def test_the_kubelet_reaches_isolated_pods_and_cilium_s_mode_always_leaves_it_out_without_a_policy() -> None:
    always = dataclasses.replace(CILIUM, default_mode="always")
    probe = ask(worlds.node())

    assert decided(isolations=(worlds.isolated("web"),), asked=probe).cause is decide.Cause.HOST
    assert decided(settings=always, asked=probe).cause is decide.Cause.MODE


def test_cilium_s_mode_never_enforces_nothing() -> None:
    never = dataclasses.replace(CILIUM, default_mode="never")

    assert decided(worlds.given("no", DENY), settings=never).is_allowed


def test_a_named_port_is_that_of_the_destination() -> None:
    named = ports.Named(worlds.TCP, "http")
    server = dataclasses.replace(SERVER, names={named: 8080})
    book = decide.Book(
        world.Settings(),
        rule.Rules(
            (worlds.given("web", ports=ports.Wanted(names=frozenset({named}))),), (worlds.isolated("web"),)
        ),
    )

    def allows(port: int) -> bool:
        asked = decide.Ask(CLIENT, server, worlds.TCP, port)
        return book.decide(worlds.INGRESS, asked).is_allowed

    assert [allows(8080), allows(80)] == [True, False]


@pytest.mark.parametrize(("reaches_pods", "address", "expected"), [
    (False, None, True),
    (False, "192.0.2.7", False),
    (True, "192.0.2.7", True),
    (True, "192.0.3.7", False),
])  # fmt: skip
def test_a_range_reaches_pods_only_where_the_rule_says_so(
    reaches_pods: bool, address: str | None, expected: bool
) -> None:
    peers = dataclasses.replace(worlds.among("192.0.2.0/24"), reaches_pods=reaches_pods)
    source = worlds.pod("b/client", address=address) if address else worlds.outside("192.0.2.9")
    found = decided(
        worlds.given("range", peers=peers), isolations=(worlds.isolated("range"),), asked=ask(source)
    )

    assert found.is_allowed is expected


ACTIONS = st.sampled_from([ALLOW, DENY])
RULES = st.builds(
    lambda action, first, extra, tier, who: worlds.given(
        "p", action, tier=tier, ports=worlds.port(first, first + extra), peers=worlds.of(who)
    ),
    ACTIONS,
    st.integers(1, 6),
    st.integers(0, 3),
    st.sampled_from([ADMIN, NORMAL, BASELINE]),
    st.sampled_from([labels.EVERY, labels.equal("app", "client"), labels.equal("app", "other")]),
)
SETTINGS = st.sampled_from([world.Settings(), CILIUM])


@generated(st.lists(RULES, max_size=6), st.booleans(), SETTINGS, st.integers(1, 9), st.randoms())
def test_the_order_of_documents_is_irrelevant(
    rules: list[rule.Rule], is_isolated: bool, settings: world.Settings, port: int, random: object
) -> None:
    isolations = (worlds.isolated("p"),) if is_isolated else ()
    turned = list(rules)
    random.shuffle(turned)  # type: ignore[attr-defined]  # hypothesis types its random as object
    asked = ask(port=port)

    one = decided(*rules, isolations=isolations, settings=settings, asked=asked)
    other = decided(*turned, isolations=isolations, settings=settings, asked=asked)

    assert one.is_allowed is other.is_allowed


@generated(st.lists(RULES, max_size=6), RULES, st.booleans(), SETTINGS, st.integers(1, 9))
def test_one_more_allow_never_closes_and_one_more_deny_never_opens(
    rules: list[rule.Rule], more: rule.Rule, is_isolated: bool, settings: world.Settings, port: int
) -> None:
    isolations = (worlds.isolated("p"),) if is_isolated else ()
    before = decided(*rules, isolations=isolations, settings=settings, asked=ask(port=port)).is_allowed
    after = decided(*rules, more, isolations=isolations, settings=settings, asked=ask(port=port)).is_allowed

    assert after >= before if more.action is ALLOW else after <= before
