"""Fields that are designed and that nothing implements yet.

They are refused by name, since a field parsed and ignored is a promise broken in silence. Who implements
one takes its line out here and adds it to its model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Cluster": {"role": "the datacenter role of a cluster"},
    "AppSpec": {
        "budget": "how much of the App may be down over all clusters",
        "probe": "asking the application for its truth",
    },
    "ValuesFrom": {"sops": "values in SOPS files"},
    "Gate": {"probe": "asking the application for its truth", "window": "waiting for a time of day"},
}
"""Model to field to what it is for."""

OCI: Final = "a chart in an OCI registry"
REMEDY: Final = "take it out; this version would only ignore it"


def message(field: str, purpose: str) -> str:
    """Return the sentence that refuses a field."""
    return f"'{field}' is not implemented yet ({purpose})"
