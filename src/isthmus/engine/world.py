"""What an operation works on: every cluster as the user, helm, a clock, and ears for what happens."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from isthmus.clients import helm as helms
from isthmus.clients import kube, redactor
from isthmus.engine import clock as clocks
from isthmus.model import errors, operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = dict[str, Any]


def stamp(clock: clocks.Clock) -> str:
    """Return the time of day as the journal writes it."""
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def since(clock: clocks.Clock, moment: str) -> float:
    """Return the seconds since a moment that the journal wrote."""
    began = dt.datetime.fromisoformat(moment)
    return (clock.now() - began).total_seconds()


def ignore(_: Any) -> None:
    """Hear nothing."""


def nothing() -> None:
    """Object to nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """Clusters by name as the user sees them (voters and targets), and the tools to change them.

    `report` hears every event of an operation as it happens; `point` is told before and after each
    write of the journal, so that tests can stop the process there.
    """

    clusters: Mapping[str, kube.Cluster]
    helm: helms.Helm | None
    clock: clocks.Clock = clocks.SYSTEM
    report: Callable[[operation.Event], None] = ignore
    point: Callable[[str], None] = ignore
    user: str = ""
    lease: float = 15.0
    secrets: redactor.Redactor = dataclasses.field(default_factory=redactor.Redactor)

    @property
    def tool(self) -> helms.Helm:
        """Return helm, for verbs that render or write."""
        assert self.helm is not None, "this world was opened for reading only"
        return self.helm

    def cluster(self, name: str) -> kube.Cluster:
        """Return a cluster as the user, or refuse naming what is missing."""
        found = self.clusters.get(name)
        if found is None:
            raise errors.InputError(
                f"no context for cluster '{name}'",
                why="the plan names it, the Fleet no longer does",
                remedy="run with the folder that the operation came from, or add the context",
            )
        return found


async def each(
    names: Mapping[str, Any] | list[str] | tuple[str, ...], work: Callable[[str], Any]
) -> dict[str, Any]:
    """Run one piece of work per cluster at once; a failure is that cluster's result and stops no other.

    Only failures in the user's words are results; anything else, and losing the fence, is raised.
    """

    async def one(name: str) -> Any:
        try:
            return await work(name)
        except errors.FencedError:
            raise
        except errors.IsthmusError as error:
            return error

    found: dict[str, asyncio.Task[Any]] = {}
    try:
        async with asyncio.TaskGroup() as group:
            for name in names:
                found[name] = group.create_task(one(name), name=name)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return {name: task.result() for name, task in found.items()}
