"""Who an intent is about: its peers with the Apps and clusters of the folder put in."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from isthmus.model import access, app

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.model import fleet

INSTANCE: Final = "app.kubernetes.io/instance"
"""The label that charts give all pods of a release (helm.sh/docs/chart_best_practices/labels)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Party:
    """One end: pods of a namespace in some clusters, or what is outside."""

    clusters: tuple[str, ...] = ()
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    account: str | None = None
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def is_outside(self) -> bool:
        """Whether it is outside of every cluster."""
        return not self.namespace


@dataclasses.dataclass(frozen=True, slots=True)
class Intent:
    """One Access with its two ends."""

    name: str
    namespace: str
    source: Party
    destination: Party
    allow: tuple[access.Rule, ...]

    @property
    def title(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    def name_in(self, namespace: str) -> str:
        """Return the name of its objects in a namespace: its own, with its namespace where that differs."""
        return self.name if namespace == self.namespace else f"{self.name}.{self.namespace}"


def read(
    known: fleet.Fleet, apps: Sequence[app.App], accesses: Sequence[access.Access]
) -> tuple[Intent, ...]:
    """Return the intents of a folder: those written, and each App's own ports between its pods.

    Apps and clusters that they name are there: `model.refer` has seen to it.
    """
    by_name = {each.name: each for each in apps}
    written = [
        Intent(
            name=each.name,
            namespace=each.metadata.namespace,
            source=_party(each.spec.source, known, by_name),
            destination=_party(each.spec.to, known, by_name),
            allow=each.spec.allow,
        )
        for each in accesses
    ]
    return (*(own for each in apps if (own := _own(each))), *written)


def _own(each: app.App) -> Intent | None:
    """Return the intent that an App's `ports` with `from: app` are: its pods reach one another."""
    rules = tuple(
        access.Rule(port=port.port, protocol=port.protocol.value)
        for port in each.spec.ports
        if port.source is app.Origin.APP
    )
    if not rules:
        return None
    party = _of_app(each, ("*",), {})
    return Intent(f"{each.name}-own", each.namespace, party, party, rules)


def _party(peer: access.Peer, known: fleet.Fleet, apps: Mapping[str, app.App]) -> Party:
    if peer.is_outside:
        return Party(addresses=peer.addresses, names=peer.names)
    if peer.app is not None:
        party = _of_app(apps[peer.app], peer.clusters, peer.labels)
    else:
        names = tuple(each.name for each in known.clusters)
        party = Party(_pick(names, peer.clusters), peer.namespace or "", tuple(sorted(peer.labels.items())))
    return dataclasses.replace(party, account=peer.service_account)


def _of_app(each: app.App, wanted: Sequence[str], own: Mapping[str, str]) -> Party:
    labels = own or {INSTANCE: each.release}
    clusters = _pick(tuple(each.spec.clusters), wanted)
    return Party(clusters, each.namespace, tuple(sorted(labels.items())))


def _pick(names: tuple[str, ...], wanted: Sequence[str]) -> tuple[str, ...]:
    return names if "*" in wanted else tuple(name for name in names if name in wanted)
