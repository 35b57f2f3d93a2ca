"""Signatures against the real ssh-keygen: what we sign it verifies, what it signs we verify."""

from __future__ import annotations

import base64
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.clients import signature, signer
from isthmus.model import errors
from isthmus.network.consent import keys, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = "isthmus plan, format 1\nfleet: shop\n"
KINDS = {
    "ed25519": ["-t", "ed25519"],
    "rsa": ["-t", "rsa", "-b", "2048"],
    "p256": ["-t", "ecdsa", "-b", "256"],
    "p384": ["-t", "ecdsa", "-b", "384"],
    "p521": ["-t", "ecdsa", "-b", "521"],
}


def keygen(path: Path, *words: str, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-C", "me", "-f", path, *words], check=True)
    return path


def ssh_sign(key: Path, text: str, *, namespace: str = seal.NAMESPACE, words: tuple[str, ...] = ()) -> str:
    command: list[str | Path] = ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace, *words]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout


def ssh_verifies(folder: Path, public: str, armored: str, text: str, namespace: str = seal.NAMESPACE) -> bool:
    (folder / "allowed").write_text(f"team {public}\n")
    (folder / "text.sig").write_text(armored)
    command: list[str | Path] = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        folder / "allowed",
        "-I",
        "team",
        "-n",
        namespace,
    ]
    command += ["-s", folder / "text.sig"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.returncode == 0


def public(key: Path) -> str:
    return keys.canonical(key.with_name(key.name + ".pub").read_text().strip())


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("keys") / "id", *KINDS["ed25519"])


@pytest.mark.parametrize("kind", KINDS)
async def test_what_we_sign_ssh_keygen_verifies(kind: str, tmp_path: Path) -> None:
    own = signer.read(keygen(tmp_path / "id", *KINDS[kind]))

    armored = await own.sign(TEXT)

    assert own.private is not None
    assert ssh_verifies(tmp_path, own.public, armored, TEXT)
    assert not ssh_verifies(tmp_path, own.public, armored, TEXT + " ")
    assert not ssh_verifies(tmp_path, own.public, armored, TEXT, namespace="file")


@pytest.mark.parametrize("hashed", ["sha512", "sha256"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_ssh_keygen_signs_we_verify(kind: str, hashed: str, tmp_path: Path) -> None:
    made = keygen(tmp_path / "id", *KINDS[kind])
    armored = ssh_sign(made, TEXT, words=("-O", f"hashalg={hashed}"))

    assert signature.verify(armored, TEXT) == seal.Seal(public(made))
    assert signature.verify(armored, TEXT + "x").fault is seal.Fault.FORGED


def test_a_signature_for_another_purpose_says_so(key: Path) -> None:
    found = signature.verify(ssh_sign(key, TEXT, namespace="git"), TEXT)

    assert (found.fault, found.why) == (seal.Fault.PURPOSE, "it was made for 'git'")


def test_the_key_inside_a_signature_cannot_be_exchanged(key: Path, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other", *KINDS["ed25519"])
    blob = base64.b64decode("".join(ssh_sign(key, TEXT).splitlines()[1:-1]))
    swapped = blob.replace(raw(public(key)), raw(public(other)))
    armored = f"{signature.BEGIN}\n{base64.b64encode(swapped).decode()}\n{signature.END}\n"

    assert swapped != blob
    assert signature.verify(armored, TEXT).fault is seal.Fault.FORGED


def raw(text: str) -> bytes:
    return base64.b64decode(text.split()[1])


@given(data=st.data())
def test_one_changed_byte_never_verifies_and_never_raises(key: Path, data: st.DataObject) -> None:
    blob = bytearray(base64.b64decode("".join(ssh_sign_once(key).splitlines()[1:-1])))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    armored = f"{signature.BEGIN}\n{base64.b64encode(bytes(blob)).decode()}\n{signature.END}"

    found = signature.verify(armored, TEXT)

    # The field that the format reserves is ignored, as ssh-keygen ignores it; it cannot grow by one byte.
    assert found.fault is not None


MADE: dict[Path, str] = {}


def ssh_sign_once(key: Path) -> str:
    if key not in MADE:
        MADE[key] = ssh_sign(key, TEXT)
    return MADE[key]


@given(st.one_of(st.text(), st.binary().map(lambda each: base64.b64encode(signature.MAGIC + each).decode())))
def test_no_text_between_the_marks_raises(body: str) -> None:
    found = signature.verify(f"{signature.BEGIN}\n{body}\n{signature.END}\n", TEXT)

    assert found.fault is seal.Fault.UNREADABLE


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ssh-ed25519 AAAA", "cut or damaged"),
        ("ssh-ed25519 AAA", "cut or damaged"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAQE=", "32 bytes"),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQE=", "2048 bits"),
        ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAAQE=", "holds no ssh-rsa key"),
    ],
)
def test_a_damaged_key_says_what_is_wrong(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        keys.canonical(line)


def test_a_fingerprint_is_the_one_of_ssh_keygen(key: Path) -> None:
    told = subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, text=True, check=True).stdout

    assert keys.fingerprint(public(key)) == told.split()[1]


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    socket = tmp_path / "agent"
    started = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    with started.stdout:
        started.stdout.readline()  # the socket stands when it says where
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield socket
        started.terminate()
        started.wait(10)


def held(made: Path, tmp_path: Path) -> Path:
    ask = tmp_path / "ask"
    ask.write_text("#!/bin/sh\necho planted\n")
    ask.chmod(0o700)
    env = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", made], env=env, check=True, stdin=subprocess.DEVNULL)
    return made


async def test_an_encrypted_key_signs_through_the_agent(agent: Path, tmp_path: Path) -> None:
    made = held(keygen(tmp_path / "id", *KINDS["ed25519"], passphrase="planted"), tmp_path)

    armored = await signer.read(made).sign(TEXT)

    assert signature.verify(armored, TEXT).key == public(made)
    assert ssh_verifies(tmp_path, public(made), armored, TEXT)


async def test_an_agent_without_the_key_is_told_with_the_way_out(agent: Path, tmp_path: Path) -> None:
    made = keygen(tmp_path / "id", *KINDS["ed25519"], passphrase="planted")

    with pytest.raises(errors.ToolError, match="did not sign") as caught:
        await signer.read(made).sign(TEXT)

    assert f"ssh-add {made}" in caught.value.remedy
    assert "planted" not in str(caught.value)


def test_a_file_that_is_no_key_is_refused_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nplanted\n")

    with pytest.raises(errors.InputError, match="no private key") as caught:
        signer.read(tmp_path / "id")

    assert "planted" not in str(caught.value) + caught.value.remedy
