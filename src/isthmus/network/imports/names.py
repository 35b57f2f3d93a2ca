"""Names of clusters: what a context tells, in the letters that Cilium takes."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from isthmus.model import types

LONGEST: Final = 32
"""Characters of a cluster's name (Cilium 1.20 pkg/clustermesh/types)."""

GKE = re.compile(r"gke_(?P<account>[^_]+)_(?P<place>[^_]+)_(?P<name>[^_]+)")
EKS = re.compile(r"arn:aws[-a-z]*:eks:(?P<place>[^:]+):(?P<account>\d+):cluster/(?P<name>.+)")
ZONE = re.compile(r"(.+-.+\d)-[a-z]")


class Told(NamedTuple):
    """What the name of a context says."""

    name: str
    account: str | None = None
    region: str | None = None


def of_context(context: str) -> Told:
    """Return what a context tells: gcloud and aws write project, region and cluster into it."""
    for form in (GKE, EKS):
        found = form.fullmatch(context)
        if found:
            return Told(label(found["name"]), found["account"], region(found["place"]))
    short = re.split(r"[@/]", context)[-1]
    return Told(label(short) or label(context) or "cluster")


def region(place: str) -> str:
    """Return the region of a region or of a zone of Google's: us-west4 of us-west4-a."""
    found = ZONE.fullmatch(place)
    return found[1] if found else place


def label(text: str) -> str:
    """Return the text in the letters of a cluster's name, its end where it is too long."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[-LONGEST:].strip("-")


def is_name(text: str) -> bool:
    """Say whether Cilium takes it for a cluster's name in a mesh."""
    return text != "default" and types.CLUSTER.fullmatch(text) is not None


def unlike(name: str, taken: set[str]) -> str:
    """Return the name, or with a number behind it where it is taken."""
    found, number = name, 2
    while found in taken:
        end = f"-{number}"
        found = name[: LONGEST - len(end)].rstrip("-") + end
        number += 1
    return found
