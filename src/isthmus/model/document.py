"""What every document has: apiVersion, kind, metadata."""

from __future__ import annotations

from typing import Final

from isthmus.model import types

API_VERSION: Final = "isthmus.dev/v1alpha1"


class FleetMetadata(types.Value):
    """A Fleet is of no namespace."""

    name: types.Label


class Metadata(types.Value):
    """Name and namespace, as in every Kubernetes object."""

    name: types.Label
    namespace: types.Label = "default"
