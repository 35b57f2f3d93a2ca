"""The authority of each istiod below the offline root: issued, judged, kept where it is good."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import os
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification

from isthmus.mesh.trust import authority, intermediate, leaves, secrets
from isthmus.model import errors

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
ROOT = authority.create("istio root", random=os.urandom, now=NOW, below=1)
OTHER = authority.create("istio root", random=os.urandom, now=NOW, below=1)
NAME = intermediate.name("shop", "west")


def settle(secret: dict[str, Any] | None, root: authority.Authority = ROOT, **more: Any) -> secrets.Trust:
    """Settle the authority of west at a moment."""
    return intermediate.settle(NAME, secret, root=root, random=os.urandom, **{"now": NOW, **more})


def made(root: authority.Authority = ROOT) -> dict[str, Any]:
    """Return a good Secret."""
    return dict(settle(None, root).objects[0])


def changed(field: str, text: bytes) -> dict[str, Any]:
    """Return a good Secret with another text in one field."""
    found = made()
    return {**found, "data": {**found["data"], field: base64.b64encode(text).decode()}}


def field(secret: dict[str, Any], name: str) -> bytes:
    """Return the text of a field."""
    return base64.b64decode(secret["data"][name])


def test_a_good_authority_is_kept() -> None:
    trust = settle(made())

    assert trust.objects == ()
    assert trust.certificates[0].is_good


def test_a_workload_certificate_of_it_is_trusted_by_the_root_that_clusters_have() -> None:
    secret = made()
    below = authority.load(
        field(secret, "ca-cert.pem"), field(secret, "ca-key.pem"), where="cacerts", now=NOW
    )
    leaf = leaves.Leaf(secret="-", common_name="x", dns=("x.example",), server=True, client=True)

    issued = authority.issue(below, leaf, random=os.urandom, now=NOW)

    root = x509.load_pem_x509_certificate(field(secret, "root-cert.pem"))
    chain = x509.load_pem_x509_certificates(field(secret, "cert-chain.pem"))
    policy = verification.PolicyBuilder().store(verification.Store([root])).time(NOW)
    verifier = policy.build_server_verifier(x509.DNSName("x.example"))
    assert len(verifier.verify(x509.load_pem_x509_certificate(issued.certificate), chain)) == 3


@pytest.mark.parametrize(("days", "anew"), [(0, False), (639, False), (641, True), (731, True)], ids=str)
def test_it_is_issued_anew_ninety_days_before_it_ends(days: int, anew: bool) -> None:
    assert bool(settle(made(), now=NOW + dt.timedelta(days=days)).objects) is anew


LEAF = leaves.Leaf(secret="-", common_name=NAME, server=True)
SHORT = authority.issue(ROOT, LEAF, random=os.urandom, now=NOW)


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        pytest.param(made(OTHER), f"it was signed by another root ({OTHER.key_id[:16]})", id="another root"),
        (changed("root-cert.pem", OTHER.pem), "its root-cert.pem names other roots"),
        (changed("ca-key.pem", OTHER.key_pem), "its key is not that of the certificate"),
        (changed("cert-chain.pem", ROOT.pem), "its cert-chain.pem does not begin with the authority itself"),
        (changed("ca-cert.pem", SHORT.certificate), "basicConstraints is not CA with pathlen 0"),
        (changed("ca-cert.pem", SHORT.certificate), "its key usage does not allow to sign certificates"),
        (changed("ca-cert.pem", SHORT.certificate), "it may not sign for both servers and clients"),
        (changed("ca-cert.pem", b"no certificate"), "it holds no authority that can be read"),
        (None, "absent"),
    ],
)
def test_what_is_wrong_is_named_and_issued_anew(secret: dict[str, Any] | None, problem: str) -> None:
    trust = settle(secret)

    assert any(problem in each for each in trust.certificates[0].problems)
    assert settle(dict(trust.objects[0])).objects == ()
    assert len(trust.before) == (secret is not None)


def test_each_cluster_has_an_authority_of_its_own() -> None:
    east = intermediate.settle(
        intermediate.name("shop", "east"), made(), root=ROOT, random=os.urandom, now=NOW
    )

    assert "made out to 'isthmus shop istio west'" in east.certificates[0].problems[0]


def test_a_root_that_may_have_no_authority_below_is_refused() -> None:
    flat = authority.create("mesh", random=os.urandom, now=NOW)

    with pytest.raises(errors.InputError) as caught:
        authority.load(flat.pem, flat.key_pem, where="trust/istio", now=NOW, below=1)

    assert "no authority below itself" in caught.value.why


def test_its_key_is_hidden_and_in_no_repr() -> None:
    trust = settle(None)
    key = field(dict(trust.objects[0]), "ca-key.pem").decode()

    assert key in secrets.keys(trust.objects)
    assert key not in repr(trust)
    assert not [each for each in dataclasses.asdict(trust.certificates[0]).values() if key in str(each)]


def test_the_mark_changes_with_root_and_authority_alone() -> None:
    secret = made()
    kept = intermediate.mark(settle(secret), secret, [ROOT.certificate])

    assert kept == intermediate.mark(settle(secret), secret, [ROOT.certificate])
    assert kept != intermediate.mark(settle(None), None, [ROOT.certificate])
    assert kept.partition(".")[0] == ROOT.key_id[:16]
