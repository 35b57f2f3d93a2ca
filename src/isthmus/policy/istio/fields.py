"""The fields that security.istio.io/v1 knows, so that a misspelt one is found; from istio.io/api."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.policy.istio import model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT: Final = "text"
TEXTS: Final = "texts"
FREE: Final = "free"
"""Leaves: one text or number, a list of them, anything."""


def _both(names: Mapping[str, str]) -> dict[str, Any]:
    return {each: TEXTS for name in names for each in (name, f"not{name[0].upper()}{name[1:]}")}


SELECTOR: Final = {"matchLabels": FREE}
TARGET: Final = {"group": TEXT, "kind": TEXT, "name": TEXT, "namespace": TEXT}
ATTACHED: Final = {"selector": SELECTOR, "targetRef": TARGET, "targetRefs": [TARGET]}
MTLS: Final = {"mode": TEXT}
SHAPES: Final[dict[str, dict[str, Any]]] = {
    "AuthorizationPolicy": {
        **ATTACHED,
        "action": TEXT,
        "provider": {"name": TEXT},
        "rules": [
            {
                "from": [{"source": _both(model.SOURCE_FIELDS)}],
                "to": [{"operation": _both(model.OPERATION_FIELDS)}],
                "when": [{"key": TEXT, "values": TEXTS, "notValues": TEXTS}],
            }
        ],
    },
    "RequestAuthentication": {
        **ATTACHED,
        "jwtRules": [
            {
                **dict.fromkeys(("issuer", "jwksUri", "jwks_uri", "jwks", "outputPayloadToHeader"), TEXT),
                **dict.fromkeys(("audiences", "fromParams", "fromCookies", "spaceDelimitedClaims"), TEXTS),
                "fromHeaders": [{"name": TEXT, "prefix": TEXT}],
                "outputClaimToHeaders": [{"header": TEXT, "claim": TEXT}],
                "forwardOriginalToken": TEXT,
                "timeout": TEXT,
            }
        ],
    },
    "PeerAuthentication": {"selector": SELECTOR, "mtls": MTLS, "portLevelMtls": {"*": MTLS}},
}


TLS: Final = {"mode": TEXT}
PARTS: Final[dict[str, dict[str, Any]]] = {
    "DestinationRule": {
        "host": TEXT,
        "exportTo": TEXTS,
        "workloadSelector": SELECTOR,
        "trafficPolicy": {"tls": TLS, "portLevelSettings": [{"port": {"number": TEXT}, "tls": TLS}]},
    },
    "Gateway": {"selector": FREE},
}
"""Of kinds that are judged in part: the form of what is read, whatever else they have."""


def unknown(kind: str, spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each field of a spec that its kind does not know."""
    shape = SHAPES.get(kind)
    if shape is not None:
        for path in _unknown(spec, shape, "spec"):
            yield f"the field {path} is unknown"


def wrong(kind: str, spec: Any) -> Iterator[str]:
    """Yield a sentence for each part of a spec that has the wrong form: a text where a list belongs."""
    if not isinstance(spec, dict):
        yield "spec is no object"
        return
    shape = SHAPES.get(kind) or PARTS.get(kind)
    if shape is not None:
        yield from _wrong(spec, shape, "spec")


def _unknown(data: Any, shape: Any, path: str) -> Iterator[str]:
    if isinstance(shape, list) and isinstance(data, list):
        for place, each in enumerate(data):
            yield from _unknown(each, shape[0], f"{path}[{place}]")
    elif isinstance(shape, dict) and isinstance(data, dict):
        for key, value in data.items():
            inner = shape.get(key, shape.get("*"))
            if inner is None:
                yield f"{path}.{key}"
            else:
                yield from _unknown(value, inner, f"{path}.{key}")


def _wrong(data: Any, shape: Any, path: str) -> Iterator[str]:
    if isinstance(shape, list) and isinstance(data, list):
        for place, each in enumerate(data):
            yield from _wrong(each, shape[0], f"{path}[{place}]")
    elif isinstance(shape, dict) and isinstance(data, dict):
        for key, value in data.items():
            yield from _wrong(value, shape.get(key, shape.get("*")), f"{path}.{key}")
    elif data is not None and shape is not None:
        yield from _amiss(data, shape, path)


def _amiss(data: Any, shape: Any, path: str) -> Iterator[str]:
    if isinstance(shape, list):
        yield f"{path} is no list"
    elif isinstance(shape, dict) or (shape == FREE and not isinstance(data, dict)):
        yield f"{path} is no object"
    elif shape == TEXTS:
        if not isinstance(data, list) or not all(isinstance(each, str) for each in data):
            yield f"{path} is no list of texts (numbers need quotes)"
    elif shape == TEXT and isinstance(data, list | dict):
        yield f"{path} is no text"
