"""What istiod's webhook refuses and warns of (`pkg/config/validation/validation.go`, `pkg/config/security`).

A refused object does not exist in a cluster; here it becomes an error finding and takes no part in
decisions.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.policy.istio import model, paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]
TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""What Go's strconv.ParseBool takes."""
URL: Final = re.compile(r"https?://(\[[0-9a-fA-F:.]+\]|[^/:?#\s]+)(:(?P<port>[0-9]{1,5}))?([/?#].*)?")
DRY_RUN: Final = "istio.io/dry-run"
LIMITS: Final = {"rules": 512, "from": 512, "to": 512, "targetRefs": 16, "serviceAccounts": 16}
"""Longest lists (the kubebuilder marks of istio.io/api security/v1beta1, and CheckServiceAccount)."""
TARGETS: Final = frozenset(
    {
        ("", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("gateway.networking.k8s.io", "GatewayClass"),
    }
)
NO_CUSTOM: Final = ("namespaces", "serviceAccounts", "trustDomains", "principals", "requestPrincipals")
NO_CUSTOM_KEYS: Final = frozenset({model.NAMESPACE, model.ACCOUNT, model.DOMAIN, model.PRINCIPAL})
REPLACED: Final = ("destination.namespace", "destination.labels", "destination.name", "destination.user")
EXACT_KEYS: Final = frozenset(
    {*model.IDENTITY, model.ADDRESS, model.REMOTE, model.SUBJECT, model.AUDIENCES, model.PRESENTER,
     model.TARGET, model.PORT, model.SNI}
)  # fmt: skip
NAMED_KEYS: Final = (model.HEADERS, model.CLAIMS, model.FILTER)


def negated(field: str) -> str:
    """Return the field that excludes: `paths` to `notPaths`."""
    return f"not{field[0].upper()}{field[1:]}"


def attachment(spec: Json) -> Iterator[str]:
    """Yield what is wrong with selector and targetRefs."""
    refs = spec.get("targetRefs") or []
    ways = [spec.get("selector") is not None, spec.get("targetRef") is not None, bool(refs)]
    if sum(ways) > 1:
        yield "only one of selector, targetRef and targetRefs can be set"
    if len(refs) > LIMITS["targetRefs"]:
        yield f"targetRefs has {len(refs)} entries, {LIMITS['targetRefs']} are allowed"
    for ref in [*refs, *([spec["targetRef"]] if spec.get("targetRef") else [])]:
        yield from _target(ref or {})
    yield from selector(spec)


def selector(spec: Json) -> Iterator[str]:
    """Yield what is wrong with the labels of a selector."""
    for key, value in ((spec.get("selector") or {}).get("matchLabels") or {}).items():
        if not key:
            yield "selector has an empty key"
        if "*" in str(key) or "*" in str(value):
            yield f"selector has a wildcard, which is not supported: {key}={value}"


def _target(ref: Json) -> Iterator[str]:
    if not ref.get("name"):
        yield "a targetRef has no name"
    if ref.get("namespace"):
        yield "a targetRef has a namespace: references across namespaces are not supported"
    group = ref.get("group") or ""
    if (group if group != "core" else "", ref.get("kind")) not in TARGETS:
        known = ", ".join(sorted(kind for _, kind in TARGETS))
        yield f"a targetRef is to {group or 'core'}/{ref.get('kind')}, not to one of {known}"


def annotated(metadata: Mapping[str, Any], action: str | None) -> Iterator[str]:
    """Yield what is wrong with the dry-run annotation; `action` is None for other kinds of object."""
    value = (metadata.get("annotations") or {}).get(DRY_RUN)
    if value is None:
        return
    if action is None:
        yield f"the annotation {DRY_RUN} is supported on AuthorizationPolicy alone"
    elif action not in {"ALLOW", "DENY"}:
        yield f"the annotation {DRY_RUN} supports ALLOW and DENY, not {action}"
    elif str(value) not in TRUE | FALSE:
        yield f"the annotation {DRY_RUN} has '{value}', which is no boolean"


def authorization(spec: Json) -> Iterator[str]:
    """Yield why an AuthorizationPolicy is refused."""
    yield from attachment(spec)
    action, rules, provider = str(spec.get("action") or "ALLOW"), spec.get("rules"), spec.get("provider")
    if action in {"CUSTOM", "DENY"} and rules is None:
        yield f"{action} without rules is never triggered: write `rules: [{{}}]` for every request"
    if action == "CUSTOM" and rules is not None and not (provider or {}).get("name"):
        yield "CUSTOM needs provider.name"
    if action != "CUSTOM" and provider is not None:
        yield f"provider stands with CUSTOM alone, not with {action}"
    if len(rules or []) > LIMITS["rules"]:
        yield f"rules has {len(rules or [])} entries, {LIMITS['rules']} are allowed"
    for place, rule in enumerate(rules or []):
        for reason in _rule(rule, action):
            yield f"rules[{place}]: {reason}"


def _rule(rule: Json | None, action: str) -> Iterator[str]:
    if rule is None:
        yield "a rule is null"
        return
    for part, inner in (("from", "source"), ("to", "operation")):
        entries = rule.get(part)
        if entries is not None and not entries:
            yield f"{part} is empty"
        if len(entries or []) > LIMITS[part]:
            yield f"{part} has {len(entries or [])} entries, {LIMITS[part]} are allowed"
        for entry in entries or []:
            body = (entry or {}).get(inner)
            if not isinstance(body, dict):
                yield f"an entry of {part} has no {inner}"
            else:
                yield from _source(body, action) if part == "from" else _operation(body)
    for condition in rule.get("when") or []:
        yield from _condition(condition or {}, action)


def _source(source: Json, action: str) -> Iterator[str]:
    if not _any(source, model.SOURCE_FIELDS):
        yield "source is empty"
    if _any(source, ("principals", "namespaces")) and _any(source, ("serviceAccounts",)):
        yield "serviceAccounts cannot be set with namespaces or principals"
    for field in model.SOURCE_FIELDS:
        for name in (field, negated(field)):
            values = source.get(name) or []
            if action == "CUSTOM" and field in NO_CUSTOM and values:
                yield f"{name} is not supported with CUSTOM"
            yield from _empty(name, values)
            if field in {"ipBlocks", "remoteIpBlocks"}:
                yield from _addresses(name, values)
            elif field == "serviceAccounts":
                yield from _accounts(name, values)
            elif field == "trustDomains":
                yield from _domains(name, values, may_have_slash=False)


def _operation(operation: Json) -> Iterator[str]:
    if not _any(operation, model.OPERATION_FIELDS):
        yield "operation is empty"
    for field in model.OPERATION_FIELDS:
        for name in (field, negated(field)):
            values = operation.get(name) or []
            yield from _empty(name, values)
            if field == "ports":
                yield from _ports(name, values)
            elif field == "paths":
                yield from (f"{name}: {reason}" for value in values for reason in paths.invalid(str(value)))


def _condition(condition: Json, action: str) -> Iterator[str]:
    key = str(condition.get("key") or "")
    values, excluded = condition.get("values") or [], condition.get("notValues") or []
    if not key:
        yield "a condition has no key"
        return
    if not values and not excluded:
        yield f"the condition {key} has neither values nor notValues"
        return
    if action == "CUSTOM" and (key in NO_CUSTOM_KEYS or key.startswith("request.auth.")):
        yield f"{key} is not supported with CUSTOM"
    yield from _key(key)
    for each in (values, excluded):
        yield from _empty(key, each)
        if key in {model.ADDRESS, model.REMOTE, model.TARGET}:
            yield from _addresses(key, each)
        elif key == model.PORT:
            yield from _ports(key, each)
        elif key == model.ACCOUNT:
            yield from _accounts(key, each)
        elif key == model.DOMAIN:
            yield from _domains(key, each, may_have_slash=True)


def _key(key: str) -> Iterator[str]:
    if key in EXACT_KEYS:
        return
    if key.startswith(NAMED_KEYS):
        opening = key.find("[")
        if not key.endswith("]") or not 0 < opening < len(key) - 2:
            yield f"the key {key} is not of the form name[part]"
    elif key.startswith(REPLACED):
        yield f"the key {key} is not supported: use the namespace and the selector of the policy"
    else:
        yield f"the key {key} is unknown"


def _any(body: Json, fields: Sequence[str] | Mapping[str, str]) -> bool:
    return any(body.get(field) or body.get(negated(field)) for field in fields)


def _empty(name: str, values: Sequence[Any]) -> Iterator[str]:
    if any(value == "" for value in values):
        yield f"{name} has an empty value"


def _addresses(name: str, values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        try:
            ipaddress.ip_network(str(value), strict=False)
        except ValueError:
            yield f"{name} has '{value}', which is neither an address nor a CIDR"


def _ports(name: str, values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        if not re.fullmatch(r"[0-9]+", str(value)) or int(str(value)) > 65535:
            yield f"{name} has '{value}', which is no port number"


def _accounts(name: str, values: Sequence[Any]) -> Iterator[str]:
    if len(values) > LIMITS["serviceAccounts"]:
        yield f"{name} has {len(values)} values, {LIMITS['serviceAccounts']} are allowed"
    for value in values:
        if "*" in value:
            yield f"{name} has '{value}': no wildcard is allowed"
        elif len(value) > 320 or not re.fullmatch(r"[^/]+(/[^/]+)?", value):
            yield f"{name} has '{value}', which is neither 'account' nor 'namespace/account'"


def _domains(name: str, values: Sequence[Any], *, may_have_slash: bool) -> Iterator[str]:
    for value in values:
        stars = str(value).count("*")
        is_inside = stars == 1 and not (value.startswith("*") or value.endswith("*"))
        if stars > 1 or is_inside:
            yield f"{name} has '{value}': one wildcard is allowed, at the start or the end"
        if "/" in value and not may_have_slash:
            yield f"{name} has '{value}': a trust domain has no slash"


def peer(spec: Json) -> Iterator[str]:
    """Yield why a PeerAuthentication is refused."""
    ports = spec.get("portLevelMtls")
    if ports and not (spec.get("selector") or {}).get("matchLabels"):
        yield "portLevelMtls needs a selector: a policy of the mesh or a namespace has none"
    if ports is not None and not ports:
        yield "portLevelMtls is empty"
    for port in ports or {}:
        if not re.fullmatch(r"[0-9]{1,5}", str(port)) or not 0 < int(port) <= 65535:
            yield f"portLevelMtls has '{port}', which is no port number"
    for where in (spec.get("mtls"), *(ports or {}).values()):
        mode = str((where or {}).get("mode") or "UNSET")
        if mode not in set(model.Mode):
            yield f"the mode '{mode}' is none of {', '.join(model.Mode)}"
    yield from selector(spec)


def authentication(spec: Json) -> Iterator[str]:
    """Yield why a RequestAuthentication is refused."""
    yield from attachment(spec)
    for place, issuer in enumerate(spec.get("jwtRules") or []):
        for reason in _issuer(issuer or {}):
            yield f"jwtRules[{place}]: {reason}"


def _is_url(text: str) -> bool:
    found = URL.fullmatch(text)
    return found is not None and (found["port"] is None or 0 < int(found["port"]) <= 65535)


def _is_json(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict)


def _issuer(issuer: Json) -> Iterator[str]:
    if not issuer.get("issuer") and not issuer.get("jwksUri"):
        yield "issuer or jwksUri must be set"
    uri, keys = issuer.get("jwksUri"), issuer.get("jwks")
    if uri and not _is_url(str(uri)):
        yield f"jwksUri '{uri}' is no URL with http or https"
    if keys and not _is_json(str(keys)):
        yield "jwks is no JSON object"
    for field in ("audiences", "fromParams", "fromCookies"):
        yield from _empty(field, issuer.get(field) or [])
    if any(not (each or {}).get("name") for each in issuer.get("fromHeaders") or []):
        yield "fromHeaders has an entry without a name"
    for each in issuer.get("outputClaimToHeaders") or []:
        if not (each or {}).get("claim") or not (each or {}).get("header"):
            yield "outputClaimToHeaders has an entry without claim or header"
        elif not re.fullmatch(r"[-_A-Za-z0-9]+", str(each["header"])):
            yield f"outputClaimToHeaders has '{each['header']}', which is no header name"
    timeout = issuer.get("timeout")
    if timeout is not None and not re.fullmatch(r"([0-9.]+(h|m|s|ms|us|ns))+", str(timeout)):
        yield f"timeout '{timeout}' is no duration"
