"""What holds of every set of policies: order means nothing, an allow closes nothing, a deny opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
from hypothesis import strategies

from isthmus.policy import layer7, ports, world
from isthmus.policy.cilium import entities, sanitize, translate
from tests.policy.cilium import ground

if TYPE_CHECKING:
    from collections.abc import Sequence

APPS = ("web", "api", "db")
PODS = tuple(ground.pod(app, {"app": app}, address=f"10.0.0.{place}") for place, app in enumerate(APPS, 1))
OTHERS = (
    ground.outside("192.0.2.7"),
    ground.outside("198.51.100.9"),
    entities.named("host", cluster=ground.LOCAL),
    entities.named("kube-apiserver", cluster=ground.LOCAL),
    ground.pod("api", {"app": "api"}, cluster="remote"),
)
ENDS = [
    (one, other)
    for one in (*PODS, *OTHERS)
    for other in (*PODS, *OTHERS)
    if one is not other and {one, other} & {*PODS}
]
NUMBERS = (53, 80, 443)
ASKED = (None, layer7.Request(method="GET", path="/"), layer7.Request(method="POST", path="/"))

labels_ = strategies.sampled_from([{"matchLabels": {"app": app}} for app in APPS] + [{}])
peers: strategies.SearchStrategy[dict[str, Any]] = strategies.one_of(
    strategies.fixed_dictionaries({"Endpoints": strategies.lists(labels_, max_size=2)}),
    strategies.fixed_dictionaries(
        {
            "Entities": strategies.lists(
                strategies.sampled_from(["all", "world", "cluster", "host"]), max_size=2
            )
        }
    ),
    strategies.fixed_dictionaries(
        {"CIDR": strategies.lists(strategies.sampled_from(["192.0.2.0/24", "0.0.0.0/0"]), max_size=2)}
    ),
    strategies.just({}),
)
number = strategies.sampled_from([
    {"port": "80", "protocol": "TCP"}, {"port": "0"}, {"port": "80", "endPort": 90, "protocol": "TCP"},
    {"port": "53"},
])  # fmt: skip
http = strategies.sampled_from([
    {"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"method": "GET"}]}},
    {"ports": [{"port": "80", "endPort": 443, "protocol": "TCP"}], "rules": {"http": [{"path": "/.*"}]}},
])  # fmt: skip
plain = strategies.fixed_dictionaries({"ports": strategies.lists(number, min_size=1, max_size=2)})


@strategies.composite
def rules(draw: strategies.DrawFn, *, side: str, has_http: bool) -> dict[str, Any]:
    """Return one rule of a direction: peers, and ports that may demand something of HTTP."""
    found: dict[str, Any] = {f"{side}{key}": value for key, value in draw(peers).items()}
    parts = strategies.one_of(plain, http) if has_http else plain
    if listed := draw(strategies.lists(parts, max_size=2)):
        found["toPorts"] = listed
    return found


@strategies.composite
def policies(
    draw: strategies.DrawFn, *, name: str = "p", only: Sequence[str] = sanitize.LISTS,
    default: bool | None = None,
) -> world.Object:  # fmt: skip
    """Return a policy with some of the lists of rules; `default` says whether it denies by default."""
    spec: dict[str, Any] = {"endpointSelector": draw(labels_)}
    for key in draw(strategies.lists(strategies.sampled_from(only), min_size=1, max_size=2, unique=True)):
        side = "from" if key.startswith("ingress") else "to"
        one = rules(side=side, has_http=not key.endswith("Deny"))
        spec[key] = draw(strategies.lists(one, min_size=1, max_size=2))
    told = draw(strategies.sampled_from([None, None, False])) if default is None else default
    if told is not None:
        spec["enableDefaultDeny"] = {"ingress": told, "egress": told}
    return world.Object({
        "apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name, "namespace": "shop"}, "spec": spec,
    })  # fmt: skip


several = strategies.lists(policies(), max_size=3)
allowing = policies(name="more", only=("ingress", "egress"), default=False)
denying = policies(name="more", only=("ingressDeny", "egressDeny"))
bound = hypothesis.settings(max_examples=40, deadline=None)


def _open(objects: Sequence[world.Object], version: tuple[int, int] = ground.LATEST) -> set[tuple[Any, ...]]:
    """Return every connection and request that passes; a policy that is refused would make the test empty."""
    assert not [one for each in objects for one in translate.refusals(each, version)]
    using = ground.settings(version)
    found = translate.translate(objects, settings=using)
    return {
        (place, port, request)
        for place, ends in enumerate(ENDS)
        for port in NUMBERS
        for request in ASKED
        if ground.ask(found, ends, port, using=using, request=request).verdict == "allow"
    }


@bound
@hypothesis.given(several, strategies.randoms(use_true_random=False))
def test_the_order_of_documents_means_nothing(objects: list[world.Object], chance: Any) -> None:
    shuffled = list(objects)
    chance.shuffle(shuffled)
    assert _open(objects) == _open(shuffled)


@bound
@hypothesis.given(several, allowing)
def test_another_allow_that_isolates_nobody_closes_nothing(
    objects: list[world.Object], more: world.Object
) -> None:
    assert _open(objects) <= _open([*objects, more])


@bound
@hypothesis.given(several, denying)
def test_another_deny_opens_nothing(objects: list[world.Object], more: world.Object) -> None:
    assert _open([*objects, more]) <= _open(objects)


@bound
@hypothesis.given(several)
def test_in_one_cluster_the_change_of_1_19_means_nothing(objects: list[world.Object]) -> None:
    late, early = _open(objects), _open(objects, (1, 18))
    away = {place for place, ends in enumerate(ENDS) if "remote" in {each.cluster for each in ends}}
    assert {each for each in late ^ early if each[0] not in away} == set()


@bound
@hypothesis.given(several)
def test_who_no_policy_selects_is_open(objects: list[world.Object]) -> None:
    elsewhere = ground.pod("other", {"app": "web"}, namespace="other")
    using = ground.settings()
    found = translate.translate(objects, settings=using)
    for peer in OTHERS:
        said = ground.ask(found, (elsewhere, peer), 80, using=using, protocol=ports.Protocol.UDP)
        assert said.verdict == "allow"
