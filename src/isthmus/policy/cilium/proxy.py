"""What Cilium's proxies say of a request that rules on addresses and ports let through; authentication too.

Envoy asks all rules of the port, those on every port too, and one that fits is enough (`pkg/envoy/model.go`,
cilium/proxy `PortNetworkPolicyRules`). Rules of one peer selector and one entry of ports merge before that
(`mergePortProto`, pkg/policy/rule.go): one without L7 opens the others, but not a demand for a server name.
The DNS proxy knows nothing but the entry itself (`CheckAllowed`, pkg/fqdn/dnsproxy): a wider allow helps not.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from isthmus.policy import http, labels, ports, rule
from isthmus.policy.cilium import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isthmus.policy import decide, layer7, world

OPENS_DNS: Final = (1, 18)
"""Since then DNS rules filter nothing where no rule of the direction isolates (`ensureWildcard`, l4.go). For
Envoy that was so before: the allow of everything that Cilium adds there is one more rule to fit."""
FAILING: Final = "test-always-fail"


class Kind(StrEnum):
    """What was asked above the port."""

    HTTP = "http"
    DNS = "dns"
    NAME = "sni"
    AUTHENTICATION = "authentication"
    NOTHING = "nothing"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What is said above the port: by which rules; `unknown` is what the question does not tell.

    `rules` are those that let the request through, or all that it failed; empty when nothing is demanded.
    `unknown` lists demands that nothing was said about: the verdict holds for requests that meet them.
    """

    is_allowed: bool
    kind: Kind = Kind.NOTHING
    rules: tuple[rule.Rule, ...] = ()
    unknown: tuple[str, ...] = ()


def answer(
    decision: decide.Decision,
    ask: decide.Ask,
    request: layer7.Request | None,
    *,
    settings: world.Settings,
    is_isolated: bool,
) -> Answer:
    """Return what a side that lets a connection through says of the request on it.

    `decision` is that side's, allowed, with the rules that let it through; `is_isolated` says whether
    anything isolates the subject in that direction.
    """
    found = decision.rules
    if not decision.is_allowed or not any(each.layer7 for each in found) or _is_kubelet(decision, ask):
        return Answer(is_allowed=decision.is_allowed)
    demanded = _authentication(found, ask)
    if demanded == FAILING:
        failing = tuple(each for each in found if each.layer7 and each.layer7.authentication == FAILING)
        return Answer(is_allowed=False, kind=Kind.AUTHENTICATION, rules=failing)
    is_open = not is_isolated and settings.default_mode != "always"
    said = _proxied(found, ask, request, version=settings.cilium, is_open=is_open)
    if demanded == "required" and said.is_allowed:
        return dataclasses.replace(said, unknown=(*said.unknown, "mutual authentication"))
    return said


def _is_kubelet(decision: decide.Decision, ask: decide.Ask) -> bool:
    """Say whether a node calls a pod it runs: nothing is asked of it (TestAllowingLocalhostShadowsL7)."""
    is_way_in = decision.direction is rule.Direction.INGRESS
    return is_way_in and f"{labels.RESERVED}host" in ask.source.labels and not ask.destination.is_node


def _proxied(
    found: Sequence[rule.Rule],
    ask: decide.Ask,
    request: layer7.Request | None,
    *,
    version: names.Version,
    is_open: bool,
) -> Answer:
    narrowed = [each.layer7 for each in found if each.layer7]
    if any(each.dns for each in narrowed):
        is_free = is_open and version >= OPENS_DNS
        return Answer(is_allowed=True) if is_free else _dns(found, ask, request, version)
    if not any(each.http or each.names or each.other for each in narrowed):
        return Answer(is_allowed=True)
    if is_open and not any(each.other for each in narrowed):
        # Envoy is on the way all the same, and what it cannot parse does not pass.
        kind = Kind.HTTP if any(each.http for each in narrowed) else Kind.NAME
        return Answer(is_allowed=True, kind=kind, rules=tuple(found))
    groups = _merged(found, ask)
    free = next((group for group in groups if _is_free(group)), None)
    if free is not None:
        return Answer(is_allowed=True, kind=Kind.HTTP, rules=tuple(free))
    judged = [_group(group, request, version) for group in groups]
    allowed = [each for each in judged if each.is_allowed]
    # What meets every demand is told before what may meet one.
    sure = sorted(allowed, key=lambda each: len(each.unknown))
    if sure:
        return sure[0]
    kinds = [each.kind for each in judged]
    kind = Kind.HTTP if Kind.HTTP in kinds else kinds[0]
    return Answer(is_allowed=False, kind=kind, rules=tuple(found))


def _is_free(group: Sequence[rule.Rule]) -> bool:
    """Say whether rules that merge demand nothing: no server name, and one without L7 rules among them."""
    narrowed = [each.layer7 for each in group]
    if any(each and each.names for each in narrowed):
        return False
    return any(each is None or not (each.http or each.dns or each.other) for each in narrowed)


def _group(group: Sequence[rule.Rule], request: layer7.Request | None, version: names.Version) -> Answer:
    narrowed = [each.layer7 for each in group if each.layer7]
    rules = tuple(group)
    unknown: list[str] = []
    wanted = [name for each in narrowed for name in each.names]
    is_plain = request is not None and request.method is not None and request.server_name is None
    if wanted:
        name = request.server_name if request else None
        if is_plain or (name is not None and not any(names.server(each, name, version) for each in wanted)):
            return Answer(is_allowed=False, kind=Kind.NAME, rules=rules)
        if name is None:
            unknown.append(f"the TLS server name {' or '.join(wanted)}")
    allowing = [each for each in narrowed if each.http]
    if allowing and len(allowing) == len(group):
        if request is None or request.method is None:
            unknown.append("an HTTP request that a rule allows")
        else:
            fitting = tuple(each for each in group if each.layer7 and http.passes(each.layer7.http, request))
            if not fitting:
                return Answer(is_allowed=False, kind=Kind.HTTP, rules=rules)
            rules = fitting
    unknown += [f"what {each.other} says" for each in narrowed if each.other]
    return Answer(
        is_allowed=True, kind=Kind.NAME if wanted else Kind.HTTP, rules=rules, unknown=tuple(unknown)
    )


def _dns(
    found: Sequence[rule.Rule], ask: decide.Ask, request: layer7.Request | None, version: names.Version
) -> Answer:
    """The proxy's own table: rules of exactly this port; one without patterns allows every name."""
    entries = {_entry(each, ask) for each in found if _has_dns(each)}
    own = [each for each in found if _entry(each, ask) in entries]
    free = tuple(each for each in own if not _has_dns(each))
    if free:
        return Answer(is_allowed=True, kind=Kind.DNS, rules=free)
    asked = request.query if request else None
    if asked is None:
        every = any(names.is_every(one, version) for each in own if each.layer7 for one in each.layer7.dns)
        unknown = () if every else ("the DNS name asked for",)
        return Answer(is_allowed=True, kind=Kind.DNS, rules=tuple(own), unknown=unknown)
    fitting = tuple(
        each for each in own if each.layer7 and any(names.dns(one, asked, version) for one in each.layer7.dns)
    )
    return Answer(is_allowed=bool(fitting), kind=Kind.DNS, rules=fitting or tuple(own))


def _has_dns(each: rule.Rule) -> bool:
    return each.layer7 is not None and bool(each.layer7.dns)


def _authentication(found: Iterable[rule.Rule], ask: decide.Ask) -> str | None:
    """The mode said with the narrowest ports holds; of several, the hardest (`mapStateEntry.Merge`)."""
    hardness = ("disabled", "required", FAILING)
    said = [
        (_width(each, ask), -hardness.index(each.layer7.authentication), each.layer7.authentication)
        for each in found
        if each.layer7 and each.layer7.authentication in hardness
    ]
    return min(said)[2] if said else None


def _merged(found: Sequence[rule.Rule], ask: decide.Ask) -> list[list[rule.Rule]]:
    """Return rules in groups that Cilium makes one of: the same entry of ports, a peer selector in common."""
    groups: list[list[rule.Rule]] = []
    for each in found:
        near = [group for group in groups if any(_merges(each, other, ask) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([each, *(other for group in near for other in group)])
    return groups


def _merges(one: rule.Rule, other: rule.Rule, ask: decide.Ask) -> bool:
    if _entry(one, ask) != _entry(other, ask):
        return False
    same = one.peers.selectors & other.peers.selectors
    peer = ask.source if one.direction == "ingress" else ask.destination
    by_address = bool(one.peers.addresses.intervals) and one.peers.addresses == other.peers.addresses
    return by_address or any(selector.matches(peer.labels) for selector in same)


def _entry(each: rule.Rule, ask: decide.Ask) -> tuple[int, int] | str | None:
    """Return the entry of the ports of a rule that the connection meets: an interval, or a port's name."""
    place = ports.START[ask.protocol] + ask.port
    for first, end in each.ports.numbers.intervals:
        if first <= place < end:
            return first, end
    for named in each.ports.names:
        if named.protocol is ask.protocol and ask.destination.names.get(named) == ask.port:
            return named.name
    return None


def _width(each: rule.Rule, ask: decide.Ask) -> int:
    entry = _entry(each, ask)
    return entry[1] - entry[0] if isinstance(entry, tuple) else 1
