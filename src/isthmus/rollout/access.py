"""What intents come to as an App of the system: one release in each cluster, in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.model import app as apps
from isthmus.model import document, plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.model import fleet

Json = dict[str, Any]
NAMESPACE: Final = plan.ACCESS[0]
NAME: Final = plan.ACCESS[1]
RELEASE: Final = "isthmus-access"


def app(known: fleet.Fleet, objects: Mapping[str, Sequence[Json]], *, chart: str) -> apps.App:
    """Return the App that brings objects to the clusters of a Fleet; `chart` is the path of ours.

    Rules close ways as well as open them, so one cluster goes first, as with the network.
    """
    first, *rest = (each.name for each in known.clusters)
    waves = ((first,), tuple(rest)) if rest else ((first,),)
    members = {name: apps.Member(values={"objects": list(found)}) for name, found in objects.items()}
    return apps.App(
        metadata=document.Metadata(name=NAME, namespace=NAMESPACE),
        spec=apps.AppSpec(
            chart=apps.Chart(path=chart),
            release=RELEASE,
            clusters=members,
            rollout=apps.Rollout(waves=waves),
        ),
    )
