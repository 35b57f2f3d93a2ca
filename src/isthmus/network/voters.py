"""Judges the votes of a Fleet: its clusters and the witness, of which an operation locks a majority."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.model import finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import fleet
    from isthmus.network import place


def findings(known: fleet.Fleet, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what the number of voters means for operations.

    One voter is worth no warning: when it is down, so is the only cluster that an operation could change.
    """
    votes = len(known.clusters) + (known.witness is not None)
    path: place.Path = ("spec", "witness") if known.witness else ("spec", "clusters")
    if votes == 2:
        yield places.finding(
            path,
            code="two-voters",
            message="there are two voters and a majority of two is both, so one down stops operations",
            remedy="add `witness: {context: NAME}`: any API server with one namespace"
            if known.witness is None
            else "add a cluster, or leave the witness out",
        )
    elif votes % 2 == 0:
        yield places.finding(
            path,
            code="even-voters",
            message=f"{votes} voters bear the loss of {votes // 2 - 1}, as {votes - 1} would",
            remedy="add or leave out a witness, so that the number is odd",
            severity=finding.Severity.WARNING,
        )
