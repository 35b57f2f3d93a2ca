"""Intents on real API servers: brought, judged, changed by hand, found, and taken out again."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import shops

if TYPE_CHECKING:
    from pathlib import Path

    from tests import labs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

ACCESS = """\
---
apiVersion: isthmus.dev/v1alpha1
kind: Access
metadata: {{name: backup, namespace: {0}}}
spec:
  from: {{addresses: [192.0.2.0/24]}}
  to: {{app: db, labels: {{app: db}}}}
  allow: [{{port: 9042}}]
"""
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"


class Shop(shops.Shop):
    """A shop whose command line is that of `access`."""

    def command(self, verb: str, *args: str) -> list[str]:
        """Return the command line of a verb of `access`, or of `deploy` with that word before it."""
        own, *rest = verb.split()
        if own == "deploy":
            return super().command(*rest, *args)
        found = super().command(own, *args)
        return [*found[:3], "access", *found[4:]]

    def ask(self, *flags: str) -> None:
        """Ask for a verdict, and expect what the flags do."""
        words = [*self.command("verdict")[:-2], *flags]
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def shop(new_lab: labs.NewLab, tmp_path: Path) -> Shop:
    """An App on three servers of its own, since intents are one release in a cluster."""
    made = shops.make(new_lab(3), tmp_path, "data")
    own = Shop(**{field: getattr(made, field) for field in made.__dataclass_fields__})
    own.fleet["network"] = {"cni": "none"}
    own.write()
    with (own.folder / "shop.yaml").open("a", encoding="utf-8") as file:
        file.write(ACCESS.format("data"))
    return own


def policies(shop: Shop, cluster: str = "west") -> list[str]:
    items = shop.get(cluster, POLICIES.format("data"))["items"]
    return sorted(each["metadata"]["name"] for each in items)


def test_intents_are_one_transaction_and_every_change_by_hand_is_found(shop: Shop) -> None:
    shop.run("deploy up")
    shown = shop.run("up").out
    brought = {name: policies(shop, name) for name in shop.clusters}
    context = shop.lab.clusters["west"].context
    flags = ["--context", context, "--to", "data/db", "--port", "9042", "--expect"]
    shop.ask(*flags, "allow", "--from", "192.0.2.7")
    shop.ask(*flags, "deny", "--from", "198.51.100.7")
    clean = shop.run("drift")

    west = shop.lab.api("west")
    west.delete(POLICIES.format("data") + "/backup-ingress")
    west.ask("POST", POLICIES.format("data"), open_policy("everybody"))
    drifted = shop.run("drift", "-o", "json", code=1).json()["findings"]
    shop.run("up")
    healed = policies(shop)
    shop.run("down")

    assert list(brought.values()) == [["backup-ingress", "isthmus-default-deny"]] * 3
    assert "192.0.2.0-192.0.2.255[External] → west:data/db[StatefulSet]: closes all but TCP 9042" in shown
    assert "nothing beside it" in clean.out
    assert [(each["code"], each["cluster"], each["name"]) for each in drifted] == [
        ("access-missing", "west", "backup-ingress"),
        ("access-foreign", "west", "everybody"),
    ]
    assert healed == ["backup-ingress", "everybody", "isthmus-default-deny"]
    assert policies(shop) == ["everybody"]
    history = shop.run("history", "-o", "json").json()["operations"]
    assert [(each["plan"]["intent"], each["outcome"]) for each in history] == [
        ("up", "succeeded"),
        ("up", "succeeded"),
        ("down", "succeeded"),
    ]


def test_what_holds_nowhere_is_refused_until_it_is_accepted(shop: Shop) -> None:
    with (shop.folder / "shop.yaml").open("a", encoding="utf-8") as file:
        file.write(ACCESS.format("data").replace("backup", "orders").replace(
            "{addresses: [192.0.2.0/24]}", "{namespace: shop, labels: {app: orders}}"
        ))  # fmt: skip
    shop.run("deploy up")

    refused = shop.run("up", code=1)
    none = policies(shop)
    shop.run("up", "--accept-not-holding")

    assert "a NetworkPolicy knows no pods of other clusters" in refused.err
    assert none == []
    assert "orders-ingress" in policies(shop)


def open_policy(name: str) -> dict[str, object]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "data"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }
