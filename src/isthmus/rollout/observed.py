"""What a plan is made from: what the chart renders for each cluster, and what each cluster answered.

Values only; `engine` asks the clusters and runs helm, `plan` decides.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.rollout import health

if TYPE_CHECKING:
    from isthmus.model import plan
    from isthmus.rollout import release

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendered:
    """What the chart gives for one cluster, rendered twice, and the digest of chart and values."""

    bundle: str
    first: tuple[Json, ...] = dataclasses.field(repr=False)
    second: tuple[Json, ...] = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed:
    """What one cluster answered.

    `error` is set when it did not answer, or `answers` and refuses; `exists` says whether the App's
    namespace is there. `pairs` holds live objects beside the server's dry run of the wanted ones;
    `refused` the dry runs that the server denied, `stuck` the dry runs of the present manifest that
    it denied: those could not be taken back. `secrets` are the strings that nothing may show.
    """

    cluster: str
    error: str = ""
    answers: bool = True
    remedy: str = ""
    history: tuple[release.Release, ...] = ()
    exists: bool = True
    terminating: bool = False
    fenced: bool = True
    account: bool = True
    pairs: tuple[tuple[Json | None, Json], ...] = dataclasses.field(default=(), repr=False)
    more: tuple[plan.Change, ...] = ()
    """What the parts of the step change."""
    refused: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    secrets: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    @property
    def latest(self) -> release.Release | None:
        """The newest revision of the release, in whatever state; None when it is gone or was never there."""
        if not self.history or self.history[-1].status == "uninstalled":
            return None
        return self.history[-1]

    @property
    def base(self) -> release.Release | None:
        """The revision to go back to: the newest that was deployed, else none."""
        for found in reversed(self.history):
            if found.status == "uninstalled":
                return None
            if found.status in {"deployed", "superseded"}:
                return found
        return None

    @property
    def revision(self) -> int | None:
        """The number of the revision to go back to, None where the release is not installed."""
        return self.base.revision if self.latest is not None and self.base is not None else None

    @property
    def waits(self) -> str:
        """What the live workloads still wait for, empty when they are ready."""
        live = [
            (f"{body['kind']} {body['metadata']['name']}", body)
            for body, _ in self.pairs
            if body is not None and body.get("kind") in health.WORKLOADS
        ]
        return health.judge(live).waits_for

    def at(self, revision: int | None) -> release.Release | None:
        """Return one revision, None when Helm's history does not hold it."""
        return next((one for one in self.history if one.revision == revision), None)
