"""Whatever stands in a policy, it is read or refused: never a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
from hypothesis import strategies

from isthmus.policy import world
from isthmus.policy.cilium import lint, shape, translate
from tests.policy.cilium import ground

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS = strategies.sampled_from([
    "", "80", "0", "-1", "010", "http", "TCP", "ANY", "GRE", "ICMP", "10.0.0.0/8", "10.0.0.1", "::/0",
    "all", "world", "nobody",
    "*", "**.a.org", "a.org", "(", "In", "Exists", "app", "k8s:app", "a:b:c", "IPv6",
    "GET",    "EchoRequest", "required", "reserved:host", "$",
])  # fmt: skip
JUNK = strategies.one_of(
    strategies.none(), strategies.booleans(), strategies.integers(-1, 70000), TEXTS, strategies.just([]),
    strategies.just({}), strategies.lists(TEXTS, max_size=2),
)  # fmt: skip


GOOD: Mapping[str, tuple[str, ...]] = {
    "port": ("80", "0", "443", "http", "0x50"),
    "protocol": ("TCP", "UDP", "ANY", "sctp"),
    "operator": ("In", "Exists", "DoesNotExist", "NotIn"),
    "key": ("app", "k8s:app", "reserved:host", "io.kubernetes.pod.namespace"),
    "cidr": ("10.0.0.0/8", "::/0"),
    "method": ("GET", "PUT|POST"),
    "path": ("/", "/a.*"),
    "matchName": ("a.org", "b.a.org."),
    "matchPattern": ("*", "**.org"),
    "family": ("IPv4", "IPv6"),
    "type": ("EchoRequest", "8"),
    "mode": ("required", "test-always-fail"),
}


def _value(name: str, field: shape.Field, depth: int) -> strategies.SearchStrategy[Any]:
    """Return what a field may hold: mostly what it should, now and then something else."""
    if isinstance(field.holds, list):
        good: strategies.SearchStrategy[Any] = strategies.lists(_map(field.holds[0], depth - 1), max_size=2)
    elif isinstance(field.holds, shape.Leaf):
        good = {
            shape.Leaf.FLAG: strategies.booleans(),
            shape.Leaf.NUMBER: strategies.integers(0, 70000),
            shape.Leaf.TEXTS: strategies.lists(TEXTS, max_size=2),
            shape.Leaf.MAP: strategies.dictionaries(TEXTS, TEXTS, max_size=2),
        }.get(field.holds, strategies.sampled_from(GOOD[name]) if name in GOOD else TEXTS)
    else:
        good = _map(field.holds, depth - 1)
    return strategies.integers(0, 60).flatmap(lambda chance: JUNK if chance == 0 else good)


def _map(fields: Mapping[str, shape.Field], depth: int) -> strategies.SearchStrategy[Any]:
    if depth <= 0:
        return strategies.just({})

    def chosen(keys: list[str]) -> strategies.SearchStrategy[dict[str, Any]]:
        return strategies.fixed_dictionaries({key: _value(key, fields[key], depth) for key in keys})

    some = strategies.lists(strategies.sampled_from(sorted(fields)), min_size=1, max_size=3, unique=True)
    return some.flatmap(chosen)


kinds = strategies.sampled_from(translate.KINDS)
known = world.World(
    {ground.LOCAL: ground.settings()},
    (ground.pod("web", {"app": "web"}, address="10.0.0.1"), ground.pod("api", {"app": "api"})),
)


@hypothesis.settings(max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(
    kinds, _map(shape.POLICY, 7), _map(shape.GROUP, 3), strategies.sampled_from(ground.VERSIONS)
)
def test_nothing_that_is_written_breaks_the_reading(
    kind: str, written: dict[str, Any], group: dict[str, Any], version: tuple[int, int]
) -> None:
    if isinstance(written.get("spec"), dict) and kind == translate.NAMESPACED:
        written["spec"].setdefault("endpointSelector", {})
    head = {"apiVersion": "cilium.io/v2", "metadata": {"name": "p", "labels": {"app": "web"}}}
    objects = (
        world.Object({**head, "kind": kind, **written}),
        world.Object({**head, "kind": "CiliumCIDRGroup", **group}),
    )
    using = ground.settings(version, answers={"a.org": (1,)})
    found = translate.translate(objects, settings=using)
    said = lint.check(objects, settings=using, known=known)
    refused = translate.refusals(objects[0], version)
    assert not (refused and (found.rules or found.isolations))
    assert bool(refused) == any(
        each.code in {"CIL-2", "CIL-18"} and each.severity == "error" and each.kind == kind for each in said
    )
    for one in known.endpoints:
        ground.ask(found, (one, known.endpoints[0]), 80, using=using)
