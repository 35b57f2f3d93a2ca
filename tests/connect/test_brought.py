"""Authorities of Istio and leaves of Apps that somebody signed elsewhere, judged before they are written."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import os
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from isthmus.mesh.trust import authority, brought, intermediate, judge, leaves, managed, signers, sources
from isthmus.model import trust as trusts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import finding

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
ROOT = authority.create("root", random=os.urandom, now=NOW, below=2)
OTHER = authority.create("root", random=os.urandom, now=NOW, below=1)
FLAT = authority.create("flat", random=os.urandom, now=NOW)
KEY = authority.new_key(os.urandom)
LEAF = leaves.Leaf(secret="db-tls", namespace="data", common_name="db", dns=("db.data.svc",), server=True)
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def signed(
    by: authority.Authority = ROOT,
    *,
    key: authority.PrivateKey = KEY,
    depth: int | None = 0,
    days: int = 700,
    begins: int = 0,
    signer: bytes | None = None,
    more: Sequence[x509.ExtensionType] = (),
    ca: bool = True,
) -> authority.Authority:
    """Return an authority below another one, as somebody's own tools may have made it."""
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "their west")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + dt.timedelta(days=begins))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=depth if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier(signer or bytes.fromhex(by.key_id), None, None), critical=False
        )
    )
    for each in more:
        builder = builder.add_extension(each, critical=False)
    return authority.Authority(builder.sign(by.key, hashes.SHA256()), key)


def back(*chain: authority.Authority, key: authority.PrivateKey | None = KEY) -> brought.Brought:
    """Return what came back, as it is read from a file."""
    text = b"".join(each.pem for each in chain)
    return brought.parse(text, [ROOT.certificate], authority.key_pem(key) if key is not None else None)


def source(one: brought.Brought | None, **more: brought.Brought) -> sources.Elsewhere:
    """Return a source with what came back for west."""
    found = {**({"west": one} if one is not None else {}), **more}
    return sources.Elsewhere(roots=(ROOT.certificate,), brought=found, where="pki")


def told(by: sources.Elsewhere, secret: dict[str, Any] | None = None) -> list[finding.Finding]:
    """Return what is said of west."""
    return list(sources.findings(by, "west", secret, now=NOW))


def settle(by: sources.Elsewhere, secret: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Return Secret `cacerts` as it is written, None where nothing is."""
    trust = sources.settle(by, "shop", "west", secret, random=os.urandom, now=NOW)
    return dict(trust.objects[0]) if trust.objects else None


BETWEEN = signed(depth=1, key=authority.new_key(os.urandom))
EXPIRED = signed(depth=1, days=-1, begins=-9, key=authority.new_key(os.urandom))
FULL = signed(depth=0, key=authority.new_key(os.urandom))
NARROW = signed(depth=1, key=authority.new_key(os.urandom), more=[SERVER])


@pytest.mark.parametrize(
    ("one", "codes", "said"),
    [
        pytest.param(back(signed()), [], "", id="good"),
        pytest.param(back(signed(BETWEEN), BETWEEN), [], "", id="good with one between"),
        pytest.param(back(signed(BETWEEN), BETWEEN, ROOT), [], "", id="the root at the end is left out"),
        pytest.param(back(signed(BETWEEN)), ["chain"], "no way leads from it to a root", id="a gap"),
        pytest.param(back(signed(OTHER)), ["chain"], OTHER.key_id[:16], id="another root"),
        pytest.param(back(signed(signer=b"x" * 20)), ["key-id"], ROOT.key_id[:16], id="another key id"),
        pytest.param(back(signed(depth=1)), ["path"], "ask for pathlen 0", id="may have some below"),
        pytest.param(back(signed(depth=None)), ["path"], "ask for pathlen 0", id="no limit"),
        pytest.param(back(signed(ca=False)), ["path"], "it may sign nothing", id="no authority"),
        pytest.param(
            back(signed(FULL), FULL), ["path"], "may have 0 authorities below itself and has 1", id="too deep"
        ),
        pytest.param(
            back(signed(more=[SERVER])), ["purpose"], "for both servers and clients", id="servers alone"
        ),
        pytest.param(
            back(signed(NARROW), NARROW), ["purpose"], "'their west' above it", id="narrow one above"
        ),
        pytest.param(back(signed(days=-1, begins=-9)), ["time"], "it ended at 2026-11-27", id="ended"),
        pytest.param(back(signed(begins=2)), ["time"], "not good before", id="not begun"),
        pytest.param(back(signed(EXPIRED), EXPIRED), ["time"], "above it: it ended", id="one above ended"),
        pytest.param(back(signed(days=80)), ["ending"], "ends at 2027-02-16", id="soon"),
        pytest.param(back(signed(), key=None), ["key"], "neither in the folder nor in", id="no key"),
        pytest.param(back(signed(), key=authority.new_key(os.urandom)), ["key"], "neither", id="another key"),
        pytest.param(None, ["absent"], "nothing came back", id="absent"),
    ],
)
def test_what_is_wrong_with_what_came_back_is_named(
    one: brought.Brought | None, codes: list[str], said: str
) -> None:
    found = told(source(one))

    assert [each.code for each in found] == [f"intermediate-{code}" for code in codes]
    assert all(said in each.message for each in found)
    assert all("csr" in each.remedy for each in found)


def test_two_clusters_with_one_key_are_told() -> None:
    both = source(back(signed()), east=back(signed()))

    assert [each.code for each in told(both)] == ["intermediate-shared"]


def test_what_came_back_is_written_once_and_its_key_stays_in_the_cluster() -> None:
    by = source(back(signed(BETWEEN), BETWEEN))
    secret = settle(by)
    assert secret is not None
    without = source(back(signed(BETWEEN), BETWEEN, key=None))

    texts = {name: base64.b64decode(text) for name, text in secret["data"].items()}
    assert texts["root-cert.pem"] == ROOT.pem
    assert len(x509.load_pem_x509_certificates(texts["cert-chain.pem"])) == 2
    assert settle(by, secret) is None
    assert told(by, secret) == []
    assert told(without, secret) == []
    renewed = settle(without, secret)
    assert renewed is not None
    assert renewed["data"]["ca-key.pem"] == secret["data"]["ca-key.pem"]
    assert renewed["data"]["ca-cert.pem"] != secret["data"]["ca-cert.pem"]


def test_the_root_that_signed_comes_first_and_each_certificate_restarts_istiod() -> None:
    roots = (OTHER.certificate, ROOT.certificate)
    one, two = (
        sources.Elsewhere(roots=roots, brought={"west": back(signed(), key=KEY)}, where="pki")
        for _ in range(2)
    )
    trusts = [sources.settle(each, "shop", "west", None, random=os.urandom, now=NOW) for each in (one, two)]
    marks = {sources.mark(one, trust, None) for trust in trusts}
    secret = dict(trusts[0].objects[0])

    assert base64.b64decode(secret["data"]["root-cert.pem"]) == ROOT.pem + OTHER.pem
    assert len(marks) == 2
    kept = sources.settle(one, "shop", "west", secret, random=os.urandom, now=NOW)
    assert kept.objects == ()
    assert sources.mark(one, kept, secret) in marks


def test_a_secret_of_type_tls_keeps_its_form() -> None:
    issued = authority.Issued(signed(OTHER).pem, authority.key_pem(KEY))
    old = intermediate.body(issued, [OTHER.certificate], is_tls=True) | {"type": "kubernetes.io/tls"}

    secret = settle(source(back(signed())), old)

    assert secret is not None
    assert (secret["type"], sorted(secret["data"])) == ("kubernetes.io/tls", ["ca.crt", "tls.crt", "tls.key"])
    assert settle(source(back(signed())), secret) is not None, "another certificate came back"


def test_its_key_is_in_no_repr() -> None:
    by = source(back(signed()))

    assert "PRIVATE" not in repr(by)


# --- requests ---------------------------------------------------------------------------------------


def test_an_authority_that_sees_a_request_alone_issues_what_it_asks_for() -> None:
    request = authority.ask_for(KEY, LEAF)
    made = x509.load_pem_x509_certificate(authority.certify(FLAT, request, random=os.urandom, now=NOW))

    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["db.data.svc"]
    assert b"PRIVATE" not in request
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    made.verify_directly_issued_by(FLAT.certificate)


def test_a_request_gets_no_name_of_another_kind_and_no_right_to_sign() -> None:
    more = x509.SubjectAlternativeName(
        [x509.DNSName("db"), x509.UniformResourceIdentifier("spiffe://shop.local/ns/x/sa/y")]
    )
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.CLIENT_AUTH])
    request = authority.ask(KEY, "db", more, purposes, signs=True)

    made = x509.load_pem_x509_certificate(authority.certify(FLAT, request, random=os.urandom, now=NOW))

    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("db")]
    assert authority.depth(made) == -1
    found = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(found) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_request_that_its_key_did_not_sign_is_refused() -> None:
    one, two = (authority.ask_for(authority.new_key(os.urandom), LEAF) for _ in range(2))
    asked, other = (x509.load_pem_x509_csr(each) for each in (one, two))
    forged = asked.public_bytes(serialization.Encoding.DER).replace(asked.signature, other.signature)
    text = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(forged)
    with pytest.raises(ValueError):  # noqa: PT011 - the reader's words differ with the length of the signature
        authority.certify(FLAT, text + b"-----END CERTIFICATE REQUEST-----\n", random=os.urandom, now=NOW)


def test_a_key_of_a_curve_that_somebody_chose_is_taken() -> None:
    key = ec.generate_private_key(ec.SECP384R1())

    made = authority.certify(FLAT, authority.ask_for(key, LEAF), random=os.urandom, now=NOW)

    assert x509.load_pem_x509_certificate(made).public_key() == key.public_key()


# --- leaves -----------------------------------------------------------------------------------------


def leaf_source(made: bytes | None, key: authority.PrivateKey | None = KEY) -> signers.Elsewhere:
    """Return a signer with what came back for db-tls of west."""
    text = authority.key_pem(key) if key is not None else None
    found = {"west.data.db-tls": brought.parse(made, [FLAT.certificate], text)} if made else {}
    return signers.Elsewhere(roots=(FLAT.certificate,), brought=found, where="pki")


def certified(leaf: leaves.Leaf = LEAF) -> bytes:
    """Return a leaf, signed from its request."""
    return authority.certify(FLAT, authority.ask_for(KEY, leaf), random=os.urandom, now=NOW)


@pytest.mark.parametrize(
    ("by", "codes"),
    [
        pytest.param(leaf_source(certified()), [], id="good"),
        pytest.param(leaf_source(None), ["leaf-absent"], id="absent"),
        pytest.param(leaf_source(certified(), None), ["leaf-key"], id="no key"),
        pytest.param(
            leaf_source(certified(leaves.Leaf(secret="-", common_name="db", dns=("other",), server=True))),
            ["leaf-other"],
            id="another name",
        ),
        pytest.param(
            leaf_source(
                certified(leaves.Leaf(secret="-", common_name="db", dns=("db.data.svc",), client=True))
            ),
            ["leaf-other"],
            id="another purpose",
        ),
    ],
)
def test_what_is_wrong_with_a_leaf_is_named(by: signers.Elsewhere, codes: list[str]) -> None:
    found = list(signers.findings(by, "west", [LEAF], {}, now=NOW))

    assert [each.code for each in found] == codes


def test_a_leaf_that_came_back_is_written_once() -> None:
    by = leaf_source(certified())

    def write(live: dict[str, Any]) -> list[Any]:
        trust = signers.settle(by, "west", [LEAF], live, labels={"a": "b"}, random=os.urandom, now=NOW)
        return list(trust.objects)

    (secret,) = write({})

    assert secret["metadata"]["labels"]["a"] == "b"
    assert base64.b64decode(secret["data"]["ca.crt"]) == FLAT.pem
    assert write({"db-tls": secret}) == []


# --- cert-manager -----------------------------------------------------------------------------------

BY = managed.Managed(issuer=trusts.Issuer(name="apps", root="-"), roots=(FLAT.certificate,))


def standing(status: list[dict[str, Any]], generation: int = 2) -> dict[str, Any]:
    """Return what asks cert-manager for db-tls, as an API server has it."""
    body = managed.leaf(BY, LEAF, {"a": "b"})
    body["metadata"] = {**body["metadata"], "generation": generation, "uid": "1"}
    return {**body, "status": {"conditions": status}}


def test_what_is_asked_of_cert_manager_is_written_when_it_differs() -> None:
    wanted = managed.leaf(BY, LEAF, {"a": "b"})
    other = managed.leaf(BY, dataclasses.replace(LEAF, dns=("db.other",)), {"a": "b"})
    found = judge.Certificate(secret="db-tls", is_ending=True)

    assert managed.settle(wanted, None, found).objects == (wanted,)
    assert managed.settle(wanted, standing([]), found).objects == ()
    changed = managed.settle(other, standing([]), found)
    assert (changed.objects, changed.before) == ((other,), (wanted,))
    assert wanted["spec"]["usages"] == ["digital signature", "key encipherment", "server auth"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "it is gone"),
        (standing([]), "cert-manager has not looked at it yet"),
        (
            standing([{"type": "Ready", "status": "True", "observedGeneration": 1}]),
            "cert-manager has not looked at it yet",
        ),
        (
            standing([{"type": "Ready", "status": "False", "observedGeneration": 2, "message": "no"}]),
            "no",
        ),
        (standing([{"type": "Ready", "status": "True", "observedGeneration": 2}]), ""),
    ],
)
def test_a_certificate_is_issued_when_its_own_revision_is(body: dict[str, Any] | None, said: str) -> None:
    assert managed.progress(body) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [(FLAT.pem, ""), (OTHER.pem, "below another root"), (b"", "no ca.crt"), (b"x", "no ca.crt")],
)
def test_what_was_issued_is_held_to_the_root_of_the_fleet(text: bytes, said: str) -> None:
    secret = {"data": {"ca.crt": base64.b64encode(text).decode()}}

    found = managed.misplaced(standing([]), secret)

    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.parametrize(
    ("secret", "known", "codes"),
    [
        (None, {}, []),
        (None, None, ["no-cert-manager"]),
        ({"metadata": {"annotations": {managed.NAMED: "db-tls"}}}, {"db-tls": standing([])}, []),
        ({"metadata": {}}, {}, ["issued-otherwise"]),
        (None, {"db-tls": {"metadata": {"labels": {}}}}, ["foreign-certificate"]),
    ],
)
def test_what_stands_in_the_way_of_an_issuer_is_named(
    secret: dict[str, Any] | None, known: dict[str, Any] | None, codes: list[str]
) -> None:
    live = {"db-tls": secret} if secret is not None else {}

    found = signers.findings(BY, "west", [LEAF], live, standing=known, now=NOW)

    assert [each.code for each in found] == codes


def test_the_newest_request_tells_why_an_issuer_does_not_answer() -> None:
    def request(name: str, day: int, message: str) -> dict[str, Any]:
        meta = {"annotations": {managed.NAMED: name}, "creationTimestamp": f"2026-11-{day}T00:00:00Z"}
        return {"metadata": meta, "status": {"conditions": [{"type": "Ready", "message": message}]}}

    found = [request("db-tls", 27, "old"), request("db-tls", 28, "not found"), request("other", 29, "x")]

    assert managed.answer(found, "db-tls") == "not found"
    assert managed.answer([], "db-tls") == ""
