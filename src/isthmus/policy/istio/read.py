"""Reads Istio's objects: values for the rest of the room, findings for what a cluster would refuse.

Objects are plain data as YAML gives them. What istiod's webhook or the API server refuses takes no part in
decisions, because it would not be in the cluster.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import finding
from isthmus.policy import rule
from isthmus.policy.istio import check, fields, model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from isthmus.policy import world

SECURITY: Final = "security.istio.io"
NETWORKING: Final = "networking.istio.io"
KINDS: Final = frozenset(
    {
        (SECURITY, "AuthorizationPolicy"),
        (SECURITY, "RequestAuthentication"),
        (SECURITY, "PeerAuthentication"),
        (NETWORKING, "DestinationRule"),
        (NETWORKING, "Gateway"),
    }
)
Json = dict[str, Any]


def read(objects: Iterable[world.Object], settings: world.Settings) -> Policies:
    """Return the policies among the objects of one cluster; other kinds are passed over."""
    book = _Book(settings)
    for each in objects:
        if (each.group, each.kind) in KINDS:
            book.add(each)
    return book.policies()


Policies = model.Policies


class _Book:
    def __init__(self, settings: world.Settings) -> None:
        self._settings = settings
        self._read: dict[str, list[Any]] = {}
        self._findings: list[finding.Finding] = []

    def add(self, each: world.Object) -> None:
        where = rule.Origin(
            each.kind, each.namespace or "default", each.name, self._settings.cluster, each.file, each.line
        )
        spec = each.data.get("spec")
        spec = {} if spec is None else spec
        shapes = list(fields.wrong(each.kind, spec))
        unknown = list(fields.unknown(each.kind, spec)) if not shapes else []
        reasons = shapes or unknown or list(_reasons(each, spec))
        for reason in reasons:
            code = "IST-FIELD" if reason in unknown else "IST-INVALID"
            self._findings.append(_refused(code, where, reason))
        if not reasons:
            made = MAKERS[each.kind](where, spec, _metadata(each))
            if made is not None:
                self._read.setdefault(each.kind, []).append(made)

    def policies(self) -> model.Policies:
        def all_of(kind: str) -> tuple[Any, ...]:
            # `configCompareByCreationTime` (pilot/pkg/model/config.go): time, then name, then namespace.
            return tuple(sorted(self._read.get(kind, ()), key=_age))

        return model.Policies(
            self._settings,
            all_of("AuthorizationPolicy"),
            all_of("RequestAuthentication"),
            all_of("PeerAuthentication"),
            all_of("DestinationRule"),
            all_of("Gateway"),
            tuple(self._findings),
        )


def _age(each: Any) -> tuple[str, str, str]:
    return getattr(each, "created", ""), each.origin.name, each.origin.namespace or ""


def _metadata(each: world.Object) -> Json:
    found = each.data.get("metadata")
    metadata = found if isinstance(found, dict) else {}
    annotations = metadata.get("annotations")
    return {**metadata, "annotations": annotations if isinstance(annotations, dict) else {}}


def _reasons(each: world.Object, spec: Json) -> Iterator[str]:
    metadata = _metadata(each)
    if each.group == SECURITY:
        is_authorization = each.kind == "AuthorizationPolicy"
        action = str(spec.get("action") or "ALLOW") if is_authorization else None
        if action is not None and action not in set(model.Action):
            yield f"action '{action}' is none of {', '.join(model.Action)}"
        yield from check.annotated(metadata, action)
    if each.kind in CHECKS:
        yield from CHECKS[each.kind](spec)


CHECKS: Final[dict[str, Callable[[Json], Iterator[str]]]] = {
    "AuthorizationPolicy": check.authorization,
    "RequestAuthentication": check.authentication,
    "PeerAuthentication": check.peer,
}


def _refused(code: str, where: rule.Origin, reason: str) -> finding.Finding:
    if code == "IST-FIELD":
        message = f"{where.kind} {where.namespace}/{where.name}: {reason}"
        remedy = "correct its name; the API server drops what it does not know, and the rest may mean more"
    else:
        message = f"{where.kind} {where.namespace}/{where.name} would be refused by Istio: {reason}"
        remedy = "correct it; until then it is left out of every verdict, as a cluster would leave it out"
    return where.told(code, finding.Severity.ERROR, message, remedy=remedy)


def _selection(spec: Json, field: str = "matchLabels") -> model.Selection | None:
    selector = spec.get("selector")
    if selector is None:
        return None
    found = selector.get(field) or {} if field else selector
    return tuple(sorted((str(key), str(value)) for key, value in found.items()))


def _targets(spec: Json) -> tuple[model.Target, ...]:
    # GetTargetRefs (pilot/pkg/model/policyattachment.go): the old single field counts without the list.
    refs = spec.get("targetRefs") or ([spec["targetRef"]] if spec.get("targetRef") else [])
    return tuple(
        model.Target(
            "" if (ref.get("group") or "") == "core" else ref.get("group") or "", ref["kind"], ref["name"]
        )
        for ref in refs
    )


def _authorization(where: rule.Origin, spec: Json, metadata: Json) -> model.Authorization:
    dry = str((metadata.get("annotations") or {}).get(check.DRY_RUN, "false"))
    return model.Authorization(
        where,
        model.Action(spec.get("action") or "ALLOW"),
        _selection(spec),
        _targets(spec),
        tuple(_rule(place, each) for place, each in enumerate(spec.get("rules") or [])),
        str((spec.get("provider") or {}).get("name") or ""),
        is_dry_run=dry in check.TRUE,
        created=str(metadata.get("creationTimestamp") or ""),
    )


def _rule(place: int, data: Json) -> model.Rule:
    return model.Rule(
        place,
        tuple(_conditions(each["source"], model.SOURCE_FIELDS) for each in data.get("from") or []),
        tuple(_conditions(each["operation"], model.OPERATION_FIELDS) for each in data.get("to") or []),
        tuple(
            model.Condition(str(each["key"]), _texts(each.get("values")), _texts(each.get("notValues")))
            for each in data.get("when") or []
        ),
    )


def _conditions(body: Json, known: dict[str, str]) -> model.Conditions:
    found = (
        model.Condition(key, _texts(body.get(field)), _texts(body.get(check.negated(field))))
        for field, key in known.items()
    )
    return tuple(each for each in found if each.values or each.excluded)


def _texts(values: Iterable[Any] | None) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())


def _authentication(where: rule.Origin, spec: Json, _: Json) -> model.Authentication:
    issuers = tuple(
        model.Issuer(
            str(each.get("issuer") or ""),
            _texts(each.get("audiences")),
            _texts(each.get("spaceDelimitedClaims")),
        )
        for each in spec.get("jwtRules") or []
    )
    return model.Authentication(where, _selection(spec), _targets(spec), issuers)


def _peer(where: rule.Origin, spec: Json, metadata: Json) -> model.Peer:
    ports = ((int(port), _mode(each)) for port, each in (spec.get("portLevelMtls") or {}).items())
    created = str(metadata.get("creationTimestamp") or "")
    return model.Peer(where, _selection(spec), _mode(spec.get("mtls")), tuple(sorted(ports)), created)


def _mode(mtls: Json | None) -> model.Mode:
    return model.Mode((mtls or {}).get("mode") or "UNSET")


def _client(where: rule.Origin, spec: Json, metadata: Json) -> model.Client | None:
    policy = spec.get("trafficPolicy") or {}
    ports = (
        (_number(each.get("port")), str(each["tls"].get("mode") or "DISABLE"))
        for each in policy.get("portLevelSettings") or []
        if each and each.get("tls")
    )
    # The first word of ClientTLSSettings.TLSmode is DISABLE, which a missing mode means.
    mode = str(policy["tls"].get("mode") or "DISABLE") if policy.get("tls") else None
    chosen = _selection({"selector": spec.get("workloadSelector")})
    exports = _texts(spec.get("exportTo"))
    created = str(metadata.get("creationTimestamp") or "")
    host = _host(str(spec.get("host") or ""), where.namespace or "default")
    return model.Client(where, host, mode, tuple(ports), exports, chosen, created)


def _number(port: Json | None) -> int:
    found = str((port or {}).get("number") or "")
    return int(found) if re.fullmatch("[0-9]{1,5}", found) else 0


def _host(name: str, namespace: str) -> str:
    """Return the full name of a host: a short one is of the rule's namespace (`ResolveShortnameToFQDN`)."""
    return name if "." in name or name.startswith("*") else f"{name}.{namespace}.svc.cluster.local"


def _gateway(where: rule.Origin, spec: Json, _: Json) -> model.Gateway | None:
    chosen = _selection(spec, "")
    return model.Gateway(where, chosen) if chosen else None


MAKERS: Final[dict[str, Callable[[rule.Origin, Json, Json], Any]]] = {
    "AuthorizationPolicy": _authorization,
    "RequestAuthentication": _authentication,
    "PeerAuthentication": _peer,
    "DestinationRule": _client,
    "Gateway": _gateway,
}
