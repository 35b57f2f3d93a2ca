"""One authority takes the place of another in three operations; a run that stopped is gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from isthmus.mesh.trust import authority, judge
from isthmus.rollout.connect import rotation

if TYPE_CHECKING:
    from tests.connect import meshes


def certificate(signer: str, *trusts: str) -> judge.Certificate:
    """Return a certificate as it is seen in a cluster."""
    return judge.Certificate(secret="one", authority=signer, trusts=trusts)


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ([("old", "old"), ("old", "old")], 3),
        ([("old", "old", "new"), ("old", "old")], 3),
        ([("old", "old", "new"), ("old", "old", "new")], 2),
        ([("new", "old", "new"), ("old", "old", "new")], 2),
        ([("new", "old", "new"), ("new", "old", "new")], 1),
        ([("new", "new"), ("new", "old", "new")], 1),
        ([("new", "new")], 1),
        ([], 3),
    ],
    ids=[
        "not begun",
        "half trusts",
        "all trust",
        "half issued",
        "all issued",
        "half dropped",
        "done",
        "none",
    ],
)
def test_what_is_left_is_read_from_the_certificates(found: list[tuple[str, ...]], left: int) -> None:
    seen = [certificate(*each) for each in found]

    assert rotation.remaining(seen, old="old", new="new") == rotation.STAGES[-left:]


@pytest.mark.lab
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("connect")
def test_after_three_operations_the_new_authority_signs_and_nobody_trusts_the_old(
    net: meshes.Net,
) -> None:
    net.run("up")
    old = (net.folder / "trust" / "ca.crt").read_bytes()

    done = net.run("rotate", "--yes", "--settle", "0.1")

    told = [line for line in done.err.splitlines() if " of 3: " in line]
    assert told == list(rotation.SAID.values())
    new = (net.folder / "trust" / "ca.crt").read_bytes()
    assert new != old
    assert not (net.folder / "trust" / "next").exists()
    assert [one["outcome"] for one in net.run("history", "-o", "json").json()["operations"]] == [
        "succeeded"
    ] * 4
    key = authority.key_id(x509.load_pem_x509_certificate(new))
    status = net.run("status", "-o", "json").json()
    assert {
        (each["authority"], *each["trusts"]) for row in status["clusters"] for each in row["certificates"]
    } == {(key, key)}
    assert "nothing to do" in net.run("up").err


@pytest.mark.lab
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("connect")
def test_a_rotation_that_fails_stops_with_both_trusted_and_the_next_run_goes_on(net: meshes.Net) -> None:
    net.run("up")
    net.own["central"] = {"values": {"podAnnotations": {"lab.isthmus.dev/ready": "never"}}}
    net.write(rollout={"timeout": "8s"})

    net.run("rotate", "--yes", "--settle", "0.1", code=1)
    refused = net.run("up", code=1)
    net.own.clear()
    net.write(rollout={"timeout": "60s"})
    net.run("rotate", "--yes", "--settle", "0.1")

    assert "rotation-unfinished" in refused.said
    assert "nothing to do" in net.run("up").err
