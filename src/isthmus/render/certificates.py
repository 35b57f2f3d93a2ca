"""Certificates of a cluster as rows of a table, in `connect status` and in `deploy status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER: Final = ("CLUSTER", "CERTIFICATE", "DAYS", "AUTHORITY", "STATE")


def rows(one: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row for each certificate of a cluster, of its public form."""
    return [
        (
            one["cluster"],
            each["secret"],
            "-" if each["days"] is None else str(each["days"]),
            each["authority"][:16] or "-",
            "; ".join(each["problems"]) or "good",
        )
        for each in one["certificates"]
    ]
