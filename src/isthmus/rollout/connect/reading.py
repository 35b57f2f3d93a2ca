"""Whether KVStoreMesh and an agent read the other clusters of their mesh, each by its own words.

KVStoreMesh reads the other clusters' etcd into the one beside it, and agents read that: after a restart of it
an agent goes on for a while with what it had, so both are asked.

Pure: what it said comes in. Whether packets pass is not known from here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.analysis import peering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NEVER: Final = "0001-01-01"
"""How a time that never was begins in Go."""
NOT_TOLD: Final = "it has not been told of that cluster yet: a kubelet brings that in about a minute"
UNFETCHED: Final = "that cluster's configuration is required and was not found"
SHOWN: Final = 3
"""Agents named for one cluster in one sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reader:
    """An agent or a KVStoreMesh, by its pod.

    `unread` has the clusters that it does not read with the reason, `silent` why it is mute.
    """

    pod: str
    node: str
    what: str = "agent"
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)
    silent: str = ""

    @property
    def is_through(self) -> bool:
        """Say whether it reads every cluster that it was asked for."""
        return not self.unread and not self.silent

    def __str__(self) -> str:
        name = f"{self.what} {self.pod} on {self.node}"
        if self.silent:
            return f"{name} cannot be asked: {self.silent}"
        return "; ".join(f"{name} does not read {peer}: {why}" for peer, why in self.unread.items())


def of_agent(said: Any) -> Sequence[Any]:
    """Return what `cilium-dbg status -o json` says of other clusters."""
    return ((said or {}).get("cluster-mesh") or {}).get("clusters") or ()


def unread(said: Sequence[Any], peers: Sequence[str]) -> dict[str, str]:
    """Return the clusters that are not read yet, each with the reader's own words.

    What is false is left out there.
    """
    told = {str(each.get("name")): each for each in said}
    return {
        peer: "; ".join(_words(told[peer])) if peer in told else NOT_TOLD
        for peer in peers
        if not (peer in told and told[peer].get("ready"))
    }


def waits(cluster: str, found: Sequence[Reader]) -> str:
    """Return what the readers of a cluster do not read yet, a few of them named; empty when they read all."""
    late = [each for each in found if not each.is_through]
    more = len(late) - SHOWN
    said = [*map(str, late[:SHOWN]), *([f"so do {more} more"] if more > 0 else [])]
    return f"{cluster}: {'; '.join(said)}" if said else ""


def _words(one: Mapping[str, Any]) -> Iterator[str]:
    config, synced = one.get("config") or {}, one.get("synced") or {}
    if not one.get("connected"):  # else it speaks of the etcd beside it, which is not what fails
        yield str(one.get("status") or "no connection, and no word of why")
    if config.get("required") and not config.get("retrieved"):
        yield UNFETCHED
    late = [part for part in peering.PARTS if not synced.get(part)]
    if one.get("connected") and late:
        yield f"not read yet: {', '.join(late)}"
    last = str(one.get("last-failure") or NEVER)
    if one.get("num-failures") and not last.startswith(NEVER):
        yield f"{one['num-failures']} failures, the last at {last[:19]}"
