"""Outside suites with their answers, read from ../shared/data; empty where that folder is missing."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from isthmus.address import prefix
from isthmus.clients import foreign
from isthmus.policy import labels, rule, world
from isthmus.policy.kubernetes import rules
from isthmus.policy.manifests import cluster, text

DATA = Path(__file__).parents[3] / "shared" / "data"
GUARD = DATA / "np-guard-netpol-analyzer"
E2E = DATA / "k8s-netpol-e2e"
API = DATA / "network-policy-api"
NAME = "here"
SETTINGS = world.Settings(cluster=NAME)


def load(file: Path) -> Any:
    """Return the data of a suite's file, or an empty mapping where it is missing."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


@functools.cache
def folder(path: Path, settings: world.Settings = SETTINGS) -> tuple[world.World, rule.Rules]:
    """Return the world of a folder of manifests and the rules of its policies."""
    texts, failed = foreign.read([path], text.SUFFIXES)
    assert not failed
    objects, _ = text.objects(texts)
    return judged(objects, settings)


def judged(
    objects: tuple[world.Object, ...] | list[world.Object], settings: world.Settings = SETTINGS
) -> tuple[world.World, rule.Rules]:
    """Return the world of some objects in one cluster and the rules of its policies."""
    known, _ = cluster.read({settings.cluster: objects}, {settings.cluster: settings})
    return known, rules.read(known.policies[settings.cluster], settings)


def outside(address: str) -> world.Endpoint:
    """Return the endpoint of an address outside the cluster."""
    place = prefix.parse(address).first
    held = {f"{labels.RESERVED}world": ""}
    return world.Endpoint(
        cluster=NAME,
        namespace=None,
        name=address,
        kind="External",
        labels=held,
        addresses=(place,),
        is_managed=False,
    )


def named(known: world.World, namespace: str, name: str, kind: str | None = None) -> list[world.Endpoint]:
    """Return the endpoints of a workload."""
    return [
        each
        for each in known.endpoints
        if (each.namespace, each.name) == (namespace, name) and kind in {None, each.kind}
    ]
