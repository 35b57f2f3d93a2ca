"""Decisions in sentences: what a side says of a hop, because of what, and what would turn it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.policy import decide, ports, rule, words, world

if TYPE_CHECKING:
    from collections.abc import Iterable


def hop(ask: decide.Ask) -> str:
    """Return a hop in words: who to whom on what."""
    return f"{title(ask.source)} → {title(ask.destination)} {port(ask)}"


def title(endpoint: world.Endpoint) -> str:
    """Return an endpoint as a question would name it."""
    is_somebodys = endpoint.namespace and endpoint.cluster != world.DEFAULT_CLUSTER
    return f"{endpoint.cluster}:{endpoint.title}" if is_somebodys else endpoint.title


def port(ask: decide.Ask) -> str:
    """Return protocol and port, or ICMP's type."""
    is_icmp = ask.protocol in {ports.Protocol.ICMP, ports.Protocol.ICMPV6}
    return f"{ask.protocol.upper()} {'type ' if is_icmp else ''}{ask.port}"


def why(decision: decide.Decision, ask: decide.Ask) -> str:
    """Return why a side decides as it does."""
    subject, peer = _ends(decision, ask)
    way = f"{decision.direction.value} of {subject}"
    if decision.cause is decide.Cause.RULE:
        verb = "allows" if decision.is_allowed else "denies"
        many = len(decision.rules) > 1
        return f"{_rules(decision.rules)} {verb[:-1] if many else verb} it"
    if decision.cause is decide.Cause.OPEN:
        return f"no policy isolates the {way}, and no rule stops it"
    if decision.cause is decide.Cause.HOST:
        return f"a node always reaches its own pods; else {names(decision.origins)} would keep {peer} out"
    if decision.cause is decide.Cause.MODE:
        return f"policyEnforcementMode isolates the {way}, and no rule allows it"
    towards = "to" if decision.direction is rule.Direction.EGRESS else "from"
    return f"{names(decision.origins)} isolates the {way}, and no rule allows {port(ask)} {towards} {peer}"


def change(decision: decide.Decision, ask: decide.Ask) -> str:
    """Return what would turn the decision."""
    subject, peer = _ends(decision, ask)
    side, towards = decision.direction.value, "to" if decision.direction is rule.Direction.EGRESS else "from"
    if decision.cause is decide.Cause.RULE and not decision.is_allowed:
        return f"without {_rules(decision.rules)} the next rule decides"
    if decision.cause is decide.Cause.RULE:
        return f"without {_rules(decision.rules)} it is denied, unless another rule allows it"
    if decision.cause is decide.Cause.OPEN:
        return f"a policy that selects {subject} for {side} denies it, unless it allows {port(ask)}"
    if decision.cause is decide.Cause.HOST:
        return "nothing: probes of the node are always let through"
    return f"an {side} rule that selects {subject} and allows {port(ask)} {towards} {peer}"


def names(origins: Iterable[rule.Origin]) -> str:
    """Return objects by kind and name, the first few and how many more."""
    return words.some(map(name, origins))


def name(origin: rule.Origin) -> str:
    """Return an object as `Kind namespace/name`."""
    return (
        f"{origin.kind} {origin.namespace}/{origin.name}"
        if origin.namespace
        else f"{origin.kind} {origin.name}"
    )


def _rules(rules: Iterable[rule.Rule]) -> str:
    return words.some(dict.fromkeys(f"{name(each.origin)} ({each.place})" for each in rules))


def _ends(decision: decide.Decision, ask: decide.Ask) -> tuple[str, str]:
    ends = (title(ask.source), title(ask.destination))
    return ends if decision.direction is rule.Direction.EGRESS else (ends[1], ends[0])
