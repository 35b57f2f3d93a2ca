"""Finds what a question names in a world, or says what there is instead."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING

from isthmus.model import errors
from isthmus.policy import labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.policy import world
    from isthmus.policy.verdict import question


class Directory:
    """Endpoints of a world by name and by address."""

    def __init__(self, known: world.World) -> None:
        self._clusters = tuple(known.settings)
        self._names: dict[tuple[str, str], list[world.Endpoint]] = {}
        self._addresses: dict[int, world.Endpoint] = {}
        self._moves: dict[tuple[world.Endpoint, str], world.Endpoint] = {}
        for each in known.endpoints:
            if each.namespace is not None:
                for name in dict.fromkeys((each.name, *each.pods)):
                    self._names.setdefault((each.namespace, name), []).append(each)
            for address in each.addresses:
                self._addresses.setdefault(address, each)

    def workload(self, wanted: question.Workload) -> tuple[world.Endpoint, ...]:
        """Return the endpoints of the one workload or pod that a question names.

        They are several where pods of one workload carry different labels. InputError when nothing or more
        than one workload has the name.
        """
        named = self._names.get((wanted.namespace, wanted.name), [])
        found = [each for each in named if wanted.kind in {None, each.kind} or _is_pod(wanted, each)]
        if wanted.cluster is not None and wanted.cluster not in self._clusters and len(self._clusters) == 1:
            # Manifests without clusters say nothing against the cluster that the question gives.
            found = [self._moved(each, wanted.cluster) for each in found]
        here = [each for each in found if wanted.cluster in {None, each.cluster}]
        if len({(each.cluster, each.name, each.kind) for each in here}) > 1:
            raise _ambiguous(wanted, here)
        if not here:
            raise self._unknown(wanted)
        return tuple(here)

    def _moved(self, each: world.Endpoint, cluster: str) -> world.Endpoint:
        """Return an endpoint as one of another cluster, the same each time: what guards it is kept."""
        known = self._moves.get((each, cluster))
        if known is None:
            labelled = {**each.labels, labels.CLUSTER: cluster}
            known = dataclasses.replace(each, cluster=cluster, labels=labelled)
            self._moves[each, cluster] = known
        return known

    def at(self, place: int) -> world.Endpoint | None:
        """Return the endpoint with an address, if the manifests or the cluster tell of one."""
        return self._addresses.get(place)

    def _unknown(self, wanted: question.Workload) -> errors.InputError:
        titles = [f"{namespace}/{name}" for namespace, name in self._names]
        close = difflib.get_close_matches(f"{wanted.namespace}/{wanted.name}", titles, n=3, cutoff=0.5)
        some = close or sorted(titles)[:3]
        return errors.InputError(
            f"no pod or workload is {wanted}",
            why=f"the manifests name {len(titles)} others" if titles else "the manifests have none",
            remedy=f"did you mean {' or '.join(some)}?" if some else "give the manifests of workloads too",
        )


def _is_pod(wanted: question.Workload, each: world.Endpoint) -> bool:
    return wanted.kind == "Pod" and wanted.name in each.pods


def _ambiguous(wanted: question.Workload, here: Sequence[world.Endpoint]) -> errors.InputError:
    clusters = {each.cluster for each in here}
    shown = sorted({f"{each.cluster}:{each.title}" if len(clusters) > 1 else each.title for each in here})
    return errors.InputError(
        f"{wanted} names several", why=", ".join(shown), remedy=f"write one of them: {shown[0]}"
    )
