"""Authorization by Envoy's RBAC filters, as istiod writes them for sidecars, gateways and waypoints.

`pilot/pkg/security/authz/model`: a rule is any of its operations and any of its sources, each with the
conditions of `when`. On a chain for TCP an attribute of HTTP cannot be told: an ALLOW rule with one is left
out whole (narrower), any other rule goes on without it (wider); `rule.checkError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.policy.istio import claims, facts, identity, model, paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Truth = facts.Truth


def matches(policy: model.Authorization, rule: model.Rule, known: facts.Facts) -> Truth:
    """Say whether a rule of a policy matches."""
    if not known.is_http:
        if policy.action is model.Action.ALLOW and any(each.is_http for each in rule.conditions):
            return False
        rule = without_http(rule)
    namespace = policy.origin.namespace or ""
    parts = (rule.operations, rule.sources)
    some = (facts.either(_all(part, known, namespace) for part in each) for each in parts if each)
    return facts.both([_all(rule.when, known, namespace), *some])


def without_http(rule: model.Rule) -> model.Rule:
    """Return a rule without the conditions that only HTTP can tell."""

    def kept(conditions: model.Conditions) -> model.Conditions:
        return tuple(each for each in conditions if not each.is_http)

    sources, operations = map(kept, rule.sources), map(kept, rule.operations)
    return model.Rule(rule.place, tuple(sources), tuple(operations), kept(rule.when))


def _all(conditions: Iterable[model.Condition], known: facts.Facts, namespace: str) -> Truth:
    return facts.both(meets(each, known, namespace) for each in conditions)


def meets(condition: model.Condition, known: facts.Facts, namespace: str) -> Truth:
    """Say whether one condition is met: a value matches, and none of what is excluded does.

    `namespace` is the policy's, which an account without one means.
    """
    has = _chosen(condition.key)
    wanted = facts.either(has(value, known, condition.key, namespace) for value in condition.values)
    unwanted = facts.either(has(value, known, condition.key, namespace) for value in condition.excluded)
    return facts.both([wanted if condition.values else True, facts.opposite(unwanted)])


def _chosen(key: str) -> Callable[[str, facts.Facts, str, str], Truth]:
    for start, found in PREFIXES.items():
        if key.startswith(start):
            return found
    return MATCHERS[key]


def _principal(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    values = identity.expand_principal(value, identity.domains(known.settings))
    return any(identity.has_principal(each, known.principal) for each in values)


def _in_namespace(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    return identity.has_namespace(value, known.principal)


def _account(value: str, known: facts.Facts, _key: str, namespace: str) -> Truth:
    return identity.has_account(value, known.principal, namespace)


def _domain(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    values = identity.expand_domain(value, identity.domains(known.settings))
    return any(identity.has_domain(each, known.principal) for each in values)


def _peer(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    return facts.within(value, known.peers)


def _remote(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    return facts.within(value, known.remotes)


def _target(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    return facts.within(value, known.addresses)


def _port(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    return int(value) == known.port


def _server(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    name = known.request.server_name if known.request else None
    if name is None and known.principal is not None:
        return None  # the client's proxy sets one, such as `outbound_.80_._.host`
    return facts.like(value, name or "")


def _filter(_value: str, _known: facts.Facts, _key: str, _namespace: str) -> Truth:
    return None  # metadata of another filter, which no question gives


def _method(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    found = known.request.method if known.request else None
    return None if found is None else facts.like(value, found)


def _host(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    # HostMatcher ignores case; a port in the header is part of it, so `a.com` does not match `a.com:8080`.
    found = known.request.host if known.request else None
    return None if found is None else facts.like(value.lower(), found.lower())


def _path(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    found = known.path
    if found is None:
        return None
    if paths.is_template(value):
        return bool(paths.template(value).fullmatch(found))
    return facts.like(value, found)


def _header(value: str, known: facts.Facts, key: str, _namespace: str) -> Truth:
    if known.request is None:
        return None
    name = key.removeprefix(model.HEADERS).removeprefix("[").removesuffix("]").lower()
    found = [text for header, text in known.request.headers if header.lower() == name]
    if value == "*":
        return bool(found)  # a present match, even of an empty value
    return bool(found) and facts.like(value, ",".join(found))


def _subject(value: str, known: facts.Facts, _key: str, _namespace: str) -> Truth:
    return None if known.request is None else claims.has_subject(value, known.claims)


def _claim(value: str, known: facts.Facts, key: str, _namespace: str) -> Truth:
    names = {model.AUDIENCES: ("aud",), model.PRESENTER: ("azp",)}
    path = names.get(key) or claims.path(key)
    return None if known.request is None else claims.has_claim(path, (value,), known.claims)


PREFIXES: Final = {model.HEADERS: _header, model.CLAIMS: _claim, model.FILTER: _filter}
MATCHERS: Final = {
    model.PRINCIPAL: _principal,
    model.NAMESPACE: _in_namespace,
    model.ACCOUNT: _account,
    model.DOMAIN: _domain,
    model.ADDRESS: _peer,
    model.REMOTE: _remote,
    model.TARGET: _target,
    model.PORT: _port,
    model.SNI: _server,
    model.METHOD: _method,
    model.HOST: _host,
    model.PATH: _path,
    model.SUBJECT: _subject,
    model.AUDIENCES: _claim,
    model.PRESENTER: _claim,
}
