"""Helm charts out of the pinned Go modules, as folders that helm can read.

A chart is copied as it is, never changed: what the lab needs differently is a value.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.lab import place
from isthmus.lab.images import modules
from isthmus.model import errors

if TYPE_CHECKING:
    from pathlib import Path

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ISTIO = "manifests/charts"
_CHARTS = {
    "cilium": (modules.CILIUM, "install/kubernetes/cilium"),
    "istio-base": (modules.ISTIO, f"{_ISTIO}/base"),
    "istiod": (modules.ISTIO, f"{_ISTIO}/istio-control/istio-discovery"),
    "istio-gateway": (modules.ISTIO, f"{_ISTIO}/gateway"),
}

NAMES = tuple(_CHARTS)
HUB, TAG = "isthmus.dev/lab", "v1"
"""What images are called that no chart names for us."""
ISTIOD_VALUES = {
    # The chart of a branch asks for its latest build, and always anew.
    "global": {"hub": HUB, "tag": TAG, "imagePullPolicy": "IfNotPresent"},
    # A plain Envoy has none of Istio's own filters, and refuses listeners and clusters that name one.
    "pilot": {
        "env": {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"},
    },
    "telemetry": {"enabled": False},
}
"""Values with which Istio's chart `istiod` runs on the lab's images."""
# A server takes `image: auto` of the chart for a latest one, which is always pulled.
GATEWAY_VALUES = {"imagePullPolicy": "IfNotPresent"}
"""The same for its chart `gateway` (`mesh.istio.gateway.values`)."""


def folder(name: str) -> Path:
    """Return a chart's folder in our cache, copied there from its module once for each version."""
    if name not in _CHARTS:
        raise errors.InputError(
            f"the lab has no chart {name!r}", remedy=f"name one of {', '.join(sorted(_CHARTS))}"
        )
    module, inside = _CHARTS[name]
    target = place.cache("charts") / f"{name}-{modules.version(module)}"
    if not target.is_dir():
        _copy(modules.folder(module) / inside, target)
    return target


def image(chart: str, *keys: str, variant: str = "") -> str:
    """Return the name of an image as a chart asks for it by default, from its values under these keys."""
    text = (folder(chart) / "values.yaml").read_text(encoding="utf-8")
    found: Any = yaml.load(text, Loader=_LOADER)  # noqa: S506  # one of the two safe loaders
    for key in keys:
        found = found[key]
    return f"{found['repository']}{variant}{found.get('suffix', '')}:{found['tag']}"


def _copy(source: Path, target: Path) -> None:
    """Copy whole or not at all; Go's cache is read-only and the copy must not be."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    with place.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(source, draft, copy_function=shutil.copyfile)
            for path in (draft, *draft.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            if not target.is_dir():  # somebody else may have been quicker
                draft.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
