"""Istio's root is replaced in three operations, and no operation counts on a proxy that is not there yet."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from isthmus.engine.connect import proxies as asking
from isthmus.mesh.trust import authority, intermediate, leaves, proxies, secrets
from isthmus.rollout.connect import rotation

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
OLD = authority.create("istio root", random=os.urandom, now=NOW, below=1)
NEW = authority.create("istio root", random=os.urandom, now=NOW, below=1)
OTHER = authority.create("istio root", random=os.urandom, now=NOW, below=1)
NAME = intermediate.name("shop", "west")
LEAF = leaves.Leaf(secret="-", common_name="-", dns=("x.example",), server=True, client=True)
TRUST, ISSUE, DROP = rotation.STAGES


def settle(
    secret: dict[str, Any] | None, root: authority.Authority, *also: authority.Authority
) -> secrets.Trust:
    """Settle the authority of west below a root, with further roots trusted."""
    roots = [each.certificate for each in also]
    return intermediate.settle(NAME, secret, root=root, also=roots, random=os.urandom, now=NOW)


def texts(trust: secrets.Trust) -> dict[str, bytes]:
    """Return what the Secret holds that is to be written."""
    return {field: base64.b64decode(text) for field, text in trust.objects[0]["data"].items()}


def test_only_the_roots_change_first_then_who_signs_then_the_old_root_goes() -> None:
    steps = [settle(None, OLD)]
    for root, also in ((OLD, (NEW,)), (NEW, (OLD,)), (NEW, ())):
        steps.append(settle(dict(steps[-1].objects[0]), root, *also))

    before, both, issued, dropped = map(texts, steps)
    assert [each["root-cert.pem"] for each in (before, both, issued, dropped)] == [
        OLD.pem,
        OLD.pem + NEW.pem,
        NEW.pem + OLD.pem,
        NEW.pem,
    ]
    assert {field: before[field] for field in ("ca-cert.pem", "ca-key.pem", "cert-chain.pem")} == {
        field: both[field] for field in ("ca-cert.pem", "ca-key.pem", "cert-chain.pem")
    }
    assert issued["ca-cert.pem"] != before["ca-cert.pem"]
    assert issued["ca-cert.pem"] == dropped["ca-cert.pem"]


def test_each_step_restarts_istiod_and_a_second_run_of_it_does_not() -> None:
    secret: dict[str, Any] | None = None
    marks = []
    for root, also in ((OLD, ()), (OLD, (NEW,)), (NEW, (OLD,)), (NEW, ())):
        trust = settle(secret, root, *also)
        roots = [each.certificate for each in (root, *also)]
        marks.append(intermediate.mark(trust, secret, roots))
        secret = dict(trust.objects[0])
        assert settle(secret, root, *also).objects == ()
        assert intermediate.mark(settle(secret, root, *also), secret, roots) == marks[-1]

    assert len(set(marks)) == 4


@pytest.mark.parametrize(
    ("signer", "trusts", "left"),
    [
        (OLD, (OLD,), (TRUST, ISSUE, DROP)),
        (OLD, (OLD, NEW), (ISSUE, DROP)),
        (NEW, (NEW, OLD), (DROP,)),
        (NEW, (NEW,), (DROP,)),
    ],
    ids=["not begun", "both trusted", "issued", "dropped"],
)
def test_what_is_left_is_read_from_the_secret_of_each_istiod(
    signer: authority.Authority,
    trusts: Sequence[authority.Authority],
    left: tuple[rotation.Stage, ...],
) -> None:
    secret = dict(settle(None, signer, *trusts[1:]).objects[0])

    found = intermediate.judge(NAME, secret, roots=[OLD.certificate, NEW.certificate], now=NOW)

    assert rotation.remaining([found], old=OLD.key_id, new=NEW.key_id) == left


# --- what proxies hold ----------------------------------------------------------------------------


def dump(signer: authority.Authority, *roots: authority.Authority) -> str:
    """Return what Envoy says of a proxy with a certificate below one root that trusts some."""
    below = texts(settle(None, signer))
    sub = authority.load(below["ca-cert.pem"], below["ca-key.pem"], where="-", now=NOW)
    leaf = authority.issue(sub, LEAF, random=os.urandom, now=NOW)
    ends = b"".join(each.pem for each in roots)  # as istiod sends them
    chain = {"inline_bytes": base64.b64encode(leaf.certificate + below["cert-chain.pem"] + ends).decode()}
    trusted = {"inline_bytes": base64.b64encode(ends).decode()}
    found: list[dict[str, Any]] = [
        {"name": "default", "secret": {"name": "default", "tls_certificate": {"certificate_chain": chain}}},
        {"name": "ROOTCA", "secret": {"name": "ROOTCA", "validation_context": {"trusted_ca": trusted}}},
    ]
    return "2026-11-28T10:05:48Z\twarn\ta line of the agent's log\n" + json.dumps(
        {"configs": found}, indent=1
    )


def proxy(signer: authority.Authority, *roots: authority.Authority) -> rotation.Proxy:
    """Return a proxy that was asked."""
    return rotation.Proxy(
        cluster="west", namespace="shop", pod="web-0", held=proxies.parse(dump(signer, *roots))
    )


SILENT = rotation.Proxy(cluster="west", namespace="shop", pod="web-0", silent="no answer")


@pytest.mark.parametrize(
    ("stage", "one", "why"),
    [
        (TRUST, proxy(OLD, OLD, NEW), None),
        (TRUST, proxy(OLD, OLD), "does not trust the new root"),
        (TRUST, proxy(OLD, NEW), "does not trust the old root any more"),
        (ISSUE, proxy(NEW, OLD, NEW), None),
        (ISSUE, proxy(OLD, OLD, NEW), "still presents a certificate below the old root"),
        (ISSUE, proxy(OTHER, OLD, NEW), "presents a certificate below neither root"),
        (ISSUE, proxy(NEW, OLD), "does not trust the new root"),
        (DROP, proxy(NEW, NEW), None),
        (DROP, proxy(NEW, OLD, NEW), "still trusts the old root"),
        (DROP, proxy(OLD, NEW), "still presents a certificate below the old root"),
        (DROP, SILENT, "does not say what it holds (no answer)"),
    ],
)
def test_a_proxy_that_is_behind_is_named_with_the_reason(
    stage: rotation.Stage, one: rotation.Proxy, why: str | None
) -> None:
    found = rotation.behind(stage, [one], old=OLD.certificate, new=NEW.certificate)

    assert found == ((f"west: shop/web-0 {why}",) if why else ())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "it says nothing"),
        ("starting\nerror\tno such page", "error\tno such page"),
        ("{", "no list of secrets"),
        ("{}", "no certificate or no root yet"),
        ('{"configs": [{"name": "default"}]}', "no list of secrets"),
        ('{"configs": [{"name": "default", "secret": {}}]}', "no certificate or no root yet"),
    ],
)
def test_an_answer_that_says_nothing_of_secrets_is_none(said: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        proxies.parse(said)


@pytest.mark.parametrize(
    ("status", "more", "runs"),
    [
        ({"containerStatuses": [{"name": "istio-proxy", "state": {"running": {}}}]}, {}, True),
        ({"initContainerStatuses": [{"name": "istio-proxy", "state": {"running": {}}}]}, {}, True),
        ({"containerStatuses": [{"name": "istio-proxy", "state": {"terminated": {}}}]}, {}, False),
        ({"containerStatuses": [{"name": "main", "state": {"running": {}}}]}, {}, False),
        (
            {"containerStatuses": [{"name": "istio-proxy", "state": {"running": {}}}]},
            {"deletionTimestamp": "now"},
            False,
        ),
        ({}, {}, False),
    ],
    ids=["sidecar", "native sidecar", "ended", "no proxy", "going", "new"],
)
def test_a_proxy_is_asked_while_it_runs_and_stays(
    status: dict[str, Any], more: dict[str, Any], runs: bool
) -> None:
    assert proxies.runs({"metadata": {"name": "x", **more}, "status": status}) is runs


def test_a_message_names_ten_proxies_and_counts_the_rest() -> None:
    said = asking.named([f"west: shop/web-{number}" for number in range(12)])

    assert said.endswith("shop/web-9; and 2 more")
