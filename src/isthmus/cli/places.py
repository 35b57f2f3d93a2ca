"""What a `deploy` verb is about: an App, where its votes and releases are, and the folder if there is one.

It reads the folder, and asks no cluster.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli import output
from isthmus.model import errors

if TYPE_CHECKING:
    from isthmus.model import app as apps
    from isthmus.model import fleet as fleets


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """An App, its voters as (name, context), and its clusters.

    `others` are clusters of the Fleet that the App does not name; its release may still be there.
    """

    namespace: str
    app: str
    release: str
    voters: tuple[tuple[str, str], ...]
    clusters: tuple[str, ...]
    others: tuple[str, ...] = ()
    folder: Path | None = None
    wanted: apps.App | None = None
    fleet: fleets.Fleet | None = None

    def both(self) -> tuple[apps.App, fleets.Fleet, Path]:
        """Return App, Fleet and folder, for verbs that need the folder."""
        if self.wanted is None or self.fleet is None or self.folder is None:
            raise errors.InputError("this verb needs the folder", remedy="give it with -f DIR")
        return self.wanted, self.fleet, self.folder

    def pick(self, only: str | None, *, others: bool = False) -> tuple[str, ...] | None:
        """Return the clusters that `--only` names, None without it; with `others` of the whole Fleet."""
        if only is None:
            return None
        return output.pick((*self.clusters, *(self.others if others else ())), only)


def find(folder: Path, name: str | None, contexts: Sequence[str] | None = None) -> Place:
    """Return the place of the App in a folder, or of NAMESPACE/APP on contexts alone."""
    if contexts:
        return _by_contexts(name, contexts)
    from isthmus.cli import connection
    from isthmus.rollout import plan as plans

    read = output.load_folder(folder)
    if read.fleet is None:
        raise errors.InputError(
            "the folder has no Fleet", where=str(folder), remedy="isthmus init writes one"
        )
    found = read.app(name)
    clusters = tuple(cluster for wave in found.waves for cluster in wave)
    return Place(
        namespace=found.namespace,
        app=found.name,
        release=found.release,
        voters=plans.voters(read.fleet),
        clusters=clusters,
        others=tuple(one.name for one in read.fleet.clusters if one.name not in clusters),
        folder=connection.folder_of(folder),
        wanted=found,
        fleet=read.fleet,
    )


def _by_contexts(name: str | None, contexts: Sequence[str]) -> Place:
    namespace, slash, short = (name or "").partition("/")
    if not slash or not namespace or not short:
        raise errors.InputError(
            "with --context the App is named NAMESPACE/APP",
            why=f"'{name}' has no namespace" if name else "no App was named",
            remedy="for example: isthmus deploy status data/cassandra --context west",
        )
    pairs = tuple((context, context) for context in contexts)
    return Place(namespace=namespace, app=short, release=short, voters=pairs, clusters=tuple(contexts))
