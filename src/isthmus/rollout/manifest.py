"""Rendered manifests as objects: identity, digest, and the paths that never render twice the same.

Pure; the text comes from helm, the objects stay plain JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

Json = dict[str, Any]

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEPT = "helm.sh/resource-policy"


class Ref(NamedTuple):
    """What names an object in one cluster."""

    api_version: str
    kind: str
    namespace: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def split(text: str) -> tuple[Json, ...]:
    """Return the objects of a manifest, lists unfolded, empty documents dropped."""
    found: list[Json] = []
    for document in yaml.load_all(text, Loader=_LOADER):
        if isinstance(document, dict) and document.get("kind"):
            items = document.get("items")
            is_list = document["kind"].endswith("List") and isinstance(items, list)
            found.extend(items or () if is_list else (document,))
    return tuple(found)


def ref(body: Mapping[str, Any]) -> Ref:
    """Return the identity of an object as its manifest gives it."""
    metadata = body.get("metadata") or {}
    return Ref(
        str(body.get("apiVersion", "")),
        str(body["kind"]),
        metadata.get("namespace"),
        str(metadata.get("name", "")),
    )


def is_kept(body: Mapping[str, Any]) -> bool:
    """Say whether helm leaves the object behind on uninstall (annotation helm.sh/resource-policy: keep)."""
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(_KEPT, "")).lower() == "keep"


def is_own(body: Mapping[str, Any]) -> bool:
    """Say whether an object is written beside the release, and not by helm."""
    labels = (body.get("metadata") or {}).get("labels") or {}
    return bool(labels.get("app.kubernetes.io/managed-by") == "isthmus")


def owned(body: Mapping[str, Any], release: str, namespace: str) -> Json:
    """Return the object with the marks of the release that owns it, as helm writes it."""
    metadata = dict(body.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        "meta.helm.sh/release-name": release,
        "meta.helm.sh/release-namespace": namespace,
    }
    return {**body, "metadata": metadata}


def leaves(body: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a JSON value with its dotted path."""
    if isinstance(body, Mapping) and body:
        for key, value in body.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(body, list) and body:
        for number, value in enumerate(body):
            yield from leaves(value, f"{path}[{number}]")
    else:
        yield path, body


def differing(first: Any, second: Any) -> tuple[str, ...]:
    """Return the paths whose values differ between two JSON values, sorted."""
    one, two = dict(leaves(first)), dict(leaves(second))
    missing = object()
    return tuple(sorted(path for path in {**one, **two} if one.get(path, missing) != two.get(path, missing)))


def unstable(first: Sequence[Json], second: Sequence[Json]) -> tuple[str, ...]:
    """Return `Kind/name:path` of everything that two renders of the same chart and values disagree on."""
    twins = {ref(body): body for body in second}
    found: list[str] = []
    for body in first:
        twin = twins.pop(ref(body), None)
        label = _label(ref(body))
        found.extend(f"{label}:{path}" for path in differing(body, twin)) if twin else found.append(label)
    found.extend(_label(left) for left in twins)
    return tuple(sorted(found))


def digest(objects: Sequence[Json], without: Sequence[str] = ()) -> str:
    """Return the SHA-256 of what a chart renders, leaving out the unstable paths."""
    left_out = frozenset(without)
    lines: list[str] = []
    for body in objects:
        label = _label(ref(body))
        if label in left_out:
            continue
        lines.extend(
            f"{label}:{path}={json.dumps(value, sort_keys=True, default=str)}"
            for path, value in leaves(body)
            if f"{label}:{path}" not in left_out
        )
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _label(name: Ref) -> str:
    return f"{name.kind}/{name.name}"
