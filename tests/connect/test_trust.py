"""Certificates of the mesh: issued, judged, kept where they are good, and issued anew where they are not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.mesh.trust import authority, judge, leaves, secrets
from isthmus.model import errors, fleet

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
CLUSTER = fleet.Cluster(name="west", id=1, nodes=1)
WANTED = leaves.of(CLUSTER, is_meshed=True, hubble=True, names=("lb.example.com",))
SIGNER = authority.create("mesh", random=os.urandom, now=NOW)
OTHER = authority.create("mesh", random=os.urandom, now=NOW)


LEAF = authority.issue(SIGNER, WANTED[0], random=os.urandom, now=NOW)


def planted(seed: int) -> authority.Random:
    """Return a source that gives the same bytes for the same seed."""
    return random.Random(seed).randbytes  # noqa: S311 - the point of it is that it is no secret


def settle(live: dict[str, Any], signer: authority.Authority = SIGNER, **more: Any) -> secrets.Trust:
    """Settle the certificates of west at a moment."""
    return secrets.settle(WANTED, live, signer=signer, random=os.urandom, **{"now": NOW, **more})


def made(signer: authority.Authority = SIGNER, **more: Any) -> dict[str, Any]:
    """Return good Secrets by name."""
    return {body["metadata"]["name"]: body for body in settle({}, signer, **more).objects}


@given(seed=st.integers())
def test_the_same_random_bytes_and_time_give_the_same_certificate(seed: int) -> None:
    one, two = (authority.create("mesh", random=planted(seed), now=NOW) for _ in range(2))
    leaf = WANTED[0]
    issued = [authority.issue(each, leaf, random=planted(seed + 1), now=NOW) for each in (one, two)]

    assert (one.pem, one.key_pem) == (two.pem, two.key_pem)
    assert issued[0] == issued[1]


def test_nothing_good_is_issued_anew() -> None:
    trust = settle(made())

    assert trust.objects == ()
    assert all(each.is_good for each in trust.certificates)


@pytest.mark.parametrize(("days", "anew"), [(0, False), (274, False), (276, True), (366, True)], ids=str)
def test_a_certificate_is_issued_anew_ninety_days_before_it_ends(days: int, anew: bool) -> None:
    trust = settle(made(), now=NOW + dt.timedelta(days=days))

    assert len(trust.objects) == (len(WANTED) if anew else 0)


def test_an_authority_of_the_same_name_is_another_one() -> None:
    trust = settle(made(OTHER))

    assert {problem for each in trust.certificates for problem in each.problems} == {
        f"it was signed by another authority ({OTHER.key_id[:16]})",
        "its ca.crt names other authorities",
    }
    assert len(trust.before) == len(trust.objects) == len(WANTED)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"common_name": "admin-east"}, "it is made out to 'admin-east' and not to 'admin-west'"),
        ({"client": False, "server": True}, "it is not made for clients"),
    ],
)
def test_a_certificate_for_something_else_is_told_and_replaced(change: dict[str, Any], problem: str) -> None:
    admin = next(leaf for leaf in WANTED if leaf.secret == leaves.ADMIN)
    wrong = authority.issue(SIGNER, dataclasses.replace(admin, **change), random=os.urandom, now=NOW)
    live = made() | {leaves.ADMIN: secrets.body(admin, wrong, [SIGNER.certificate])}

    trust = settle(live)

    assert [each.problems for each in trust.certificates if not each.is_good] == [(problem,)]
    assert [body["metadata"]["name"] for body in trust.objects] == [leaves.ADMIN]


def test_a_server_certificate_that_lacks_the_load_balancers_name_is_replaced() -> None:
    plain = {leaf.secret: leaf for leaf in leaves.of(CLUSTER, is_meshed=True, hubble=False)}
    issued = authority.issue(SIGNER, plain[leaves.SERVER], random=os.urandom, now=NOW)
    live = made() | {leaves.SERVER: secrets.body(plain[leaves.SERVER], issued, [SIGNER.certificate])}

    (found,) = (each for each in settle(live).certificates if not each.is_good)

    assert found.problems == ("it does not name lb.example.com",)


def test_while_one_authority_takes_the_place_of_another_both_are_trusted() -> None:
    trust = settle(made(), OTHER, also=[SIGNER.certificate])

    fresh = {body["metadata"]["name"]: body for body in trust.objects}
    (server,) = (leaf for leaf in WANTED if leaf.secret == leaves.SERVER)
    both = judge.judge(server, fresh[leaves.SERVER], roots=[OTHER.certificate, SIGNER.certificate], now=NOW)
    assert both.is_good
    assert set(both.trusts) == {OTHER.key_id, SIGNER.key_id}


@pytest.mark.parametrize("data", [{}, {"tls.crt": "?"}, {"tls.crt": "", "tls.key": "", "ca.crt": ""}])
def test_a_secret_that_cannot_be_read_is_replaced(data: dict[str, str]) -> None:
    broken = {"metadata": {"name": leaves.ADMIN, "namespace": "kube-system"}, "type": "Opaque", "data": data}

    trust = settle(made() | {leaves.ADMIN: broken})

    (body,) = trust.objects
    assert (body["metadata"]["name"], body["type"]) == (leaves.ADMIN, "Opaque"), "a type cannot change"


def test_no_key_shows_in_a_repr() -> None:
    trust = settle(made(OTHER))
    keys = [*secrets.keys(trust.objects), SIGNER.key_pem.decode()]

    issued = authority.issue(SIGNER, WANTED[0], random=os.urandom, now=NOW)
    for text in (repr(SIGNER), repr(trust), repr(issued)):
        assert "PRIVATE" not in text
        assert not [key for key in keys if key in text]


@pytest.mark.parametrize(
    ("certificate", "key", "why"),
    [
        (SIGNER.pem, OTHER.key_pem, "the key is not that of the certificate"),
        (LEAF.certificate, LEAF.key,
         "the certificate may not sign others (basicConstraints CA is not set)"),
        (b"", b"", "it takes one certificate and its private key in PEM, the key without a passphrase"),
    ],
    ids=["other key", "a leaf", "nothing"],
)  # fmt: skip
def test_what_cannot_sign_is_no_authority(certificate: bytes, key: bytes, why: str) -> None:
    with pytest.raises(errors.InputError) as refused:
        authority.load(certificate, key, where="trust", now=NOW)

    assert refused.value.why == why
    assert "--ca" in refused.value.remedy


def test_an_authority_that_ended_signs_nothing() -> None:
    later = NOW + authority.AUTHORITY_LIFE + dt.timedelta(days=1)

    with pytest.raises(errors.InputError, match="cannot sign"):
        authority.load(SIGNER.pem, SIGNER.key_pem, where="trust", now=later)


def test_a_certificate_ends_with_its_authority_at_the_latest() -> None:
    late = NOW + authority.AUTHORITY_LIFE - dt.timedelta(days=10)

    found = judge.judge(
        WANTED[0],
        secrets.body(
            WANTED[0],
            authority.issue(SIGNER, WANTED[0], random=os.urandom, now=late),
            [SIGNER.certificate],
        ),
        roots=[SIGNER.certificate],
        now=late,
    )

    assert found.ends == SIGNER.certificate.not_valid_after_utc
