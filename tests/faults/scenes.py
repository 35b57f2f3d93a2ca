"""What the tests of faults share: waiting for a moment of an operation, and looking at what it left."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from isthmus.lab import labs
    from tests import shops

SYSTEM = "isthmus-system"
APISERVER = "kube-apiserver"


def until(what: str, holds: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something holds, and fail naming it."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


def runs_pods(lab: labs.Lab, cluster: str) -> None:
    """Wait until controllers, scheduler and nodes of a cluster have brought a new pod up."""
    api, pods, name = lab.api(cluster), "/api/v1/namespaces/default/pods", f"probe-{secrets.token_hex(4)}"
    body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "example/main"}]}}
    until(f"{cluster} creates pods", lambda: api.ask("POST", pods, body)[0] in {201, 409})

    def is_ready() -> bool:
        status = (api.get(f"{pods}/{name}") or {}).get("status", {})
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))

    until(f"{cluster} runs pods", is_ready)
    api.delete(f"{pods}/{name}")


def check_words(done: shops.Done, *words: str) -> None:
    """Assert that a failed run says all of this, in sentences and without a trace."""
    for word in words:
        assert word in done.said, f"{word!r} is not in:\n{done.said}"
    assert "Traceback" not in done.said, done.said
    assert "a fault in isthmus" not in done.said, done.said


def records(shop: shops.Shop, cluster: str) -> list[dict[str, Any]]:
    """Return the App's operations as one cluster's journal holds them."""
    path = f"/api/v1/namespaces/{SYSTEM}/configmaps?labelSelector=isthmus.dev%2Fapp%3D{shop.namespace}.db"
    found: list[dict[str, Any]] = []
    for item in (shop.get(cluster, path) or {"items": []})["items"]:
        found.extend(_bodies(item))
    return found


def _bodies(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for text in (item.get("data") or {}).values():
        try:
            body = json.loads(text)
        except ValueError:
            continue
        if isinstance(body, dict) and "runs" in body:
            yield body


def holder(shop: shops.Shop, cluster: str) -> str:
    """Return who holds the App's lock in one cluster's eyes, empty when nobody does."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/lock.{shop.namespace}.db"
    found = shop.get(cluster, path)
    return str((found or {}).get("spec", {}).get("holderIdentity") or "")


def check_free(shop: shops.Shop, clusters: Sequence[str] | None = None) -> None:
    """Assert that nobody holds the lock any more."""
    for name in clusters or shop.clusters:
        assert holder(shop, name) == "", name


def check_untouched(shop: shops.Shop) -> None:
    """Assert that no cluster has a release and no journal tells of an operation."""
    for name in shop.clusters:
        assert shop.releases(name) == [], name
        assert records(shop, name) == [], name
    check_free(shop)
