"""What a cluster's certificates open in another cluster's mesh etcd: a real etcd as the chart starts it.

Users are those of Cilium 1.20 pkg/kvstore/etcdinit/init.go and ConfigMap clustermesh-remote-users; what the
role `remote` may read is wider here than there.
Calls are etcd's own gRPC (v3 rpc.proto), since its gateway knows no users by certificate.
"""

from __future__ import annotations

import base64
import datetime as dt
import os
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING

import httpx2
import pytest

from isthmus.lab import build
from isthmus.mesh.trust import authority, leaves, secrets
from isthmus.model import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

NOW = dt.datetime.now(dt.UTC)
SIGNER = authority.create("mesh", random=os.urandom, now=NOW)
KEY = b"cilium/state/nodes/v1/west/node-1"


def certificates(name: str, number: int, signer: authority.Authority = SIGNER) -> dict[str, dict[str, bytes]]:
    """Return everything that stands in a cluster's Secrets of trust."""
    cluster = fleet.Cluster(name=name, id=number, nodes=1)
    wanted = leaves.of(cluster, is_meshed=True, hubble=True)
    made = secrets.settle(wanted, {}, signer=signer, random=os.urandom, now=NOW)
    return {
        body["metadata"]["name"]: {key: base64.b64decode(text) for key, text in body["data"].items()}
        for body in made.objects
    }


WEST, EAST = certificates("west", 1), certificates("east", 2)


class Etcd:
    """West's mesh etcd."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def call(self, client: dict[str, bytes], method: str, *fields: bytes) -> bool:
        """Call as the holder of a certificate, and say whether it was done."""
        body = b"".join(fields)
        framed = b"\0" + len(body).to_bytes(4, "big") + body
        head = {"content-type": "application/grpc", "te": "trailers"}
        context = _context(self.folder, client)
        with httpx2.Client(http1=False, http2=True, verify=context) as http:
            url = f"https://127.0.0.1:{self.port}/etcdserverpb.{method}"
            try:
                reply = http.post(url, content=framed, headers=head)
            except httpx2.HTTPError:
                return False  # the handshake failed: not even let in
        # A message in the body is the answer; a refusal has none, and its code stands in trailers.
        return reply.status_code == 200 and reply.content != b""

    def put(self, client: dict[str, bytes], key: bytes = KEY) -> bool:
        """Write a key."""
        return self.call(client, "KV/Put", _text(1, key), _text(2, b"value"))

    def read(self, client: dict[str, bytes], key: bytes = KEY) -> bool:
        """Read a key."""
        return self.call(client, "KV/Range", _text(1, key))


def _context(folder: Path, client: dict[str, bytes]) -> ssl.SSLContext:
    pair = folder / "client.pem"
    pair.write_bytes(client["tls.crt"] + client["tls.key"])
    context = ssl.create_default_context(cadata=SIGNER.pem.decode())
    context.load_cert_chain(pair)
    return context


def _text(number: int, value: bytes) -> bytes:
    assert len(value) < 128, "one byte of length is enough for the tests"
    return bytes([number << 3 | 2, len(value)]) + value


def _flag(number: int, value: int) -> bytes:
    return bytes([number << 3, value])


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """West's mesh etcd with its users: root and admin-west may all, remote-east reads what is cilium's."""
    folder = tmp_path_factory.mktemp("etcd")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, content in WEST[leaves.SERVER].items():
        (folder / name).write_bytes(content)
    client = f"https://127.0.0.1:{port}"
    binary = str(build.ensure(["etcd"])["etcd"])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary, f"--data-dir={folder / 'data'}", "--name=clustermesh-apiserver", "--client-cert-auth",
                f"--trusted-ca-file={folder / 'ca.crt'}", f"--cert-file={folder / 'tls.crt'}",
                f"--key-file={folder / 'tls.key'}", f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}", "--listen-peer-urls=http://127.0.0.1:0",
                "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                "--initial-cluster=clustermesh-apiserver=http://127.0.0.1:2380",
                "--enable-grpc-gateway=false",
            ],
            stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
    try:
        made = Etcd(folder, port)
        _until_ready(made, process)
        _add_users(made)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=20)


def _until_ready(etcd: Etcd, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, (etcd.folder / "log").read_text(encoding="utf-8")[-2000:]
        if etcd.put(WEST[leaves.ADMIN]):
            return
        time.sleep(0.1)
    raise AssertionError("etcd does not answer")


def _add_users(etcd: Etcd) -> None:
    admin = WEST[leaves.ADMIN]
    no_password = _text(3, _flag(1, 1))
    allowed = _flag(1, 0) + _text(2, b"cilium/") + _text(3, b"cilium0")  # READ, up to the next prefix
    for method, fields in (
        ("Auth/RoleAdd", [_text(1, b"remote")]),
        ("Auth/RoleGrantPermission", [_text(1, b"remote"), _text(2, allowed)]),
        ("Auth/RoleAdd", [_text(1, b"root")]),
        *(
            step
            for user, role in ((b"root", b"root"), (b"admin-west", b"root"), (b"remote-east", b"remote"))
            for step in (
                ("Auth/UserAdd", [_text(1, user), no_password]),
                ("Auth/UserGrantRole", [_text(1, user), _text(2, role)]),
            )
        ),
        ("Auth/AuthEnable", []),
    ):
        assert etcd.call(admin, method, *fields), method


def test_the_clusters_own_admin_writes(etcd: Etcd) -> None:
    assert etcd.put(WEST[leaves.ADMIN])
    assert etcd.read(WEST[leaves.ADMIN])


def test_the_other_cluster_reads_as_its_own_user_what_is_ciliums_and_nothing_else(etcd: Etcd) -> None:
    assert etcd.read(EAST[leaves.REMOTE])
    assert not etcd.read(EAST[leaves.REMOTE], b"other/key")


@pytest.mark.parametrize("name", leaves.SECRETS)
def test_with_everything_of_the_other_cluster_in_hand_nobody_writes(etcd: Etcd, name: str) -> None:
    assert not etcd.put(EAST[name])
    assert not etcd.call(EAST[name], "Auth/UserAdd", _text(1, b"mallory"), _text(3, _flag(1, 1)))


@pytest.mark.parametrize("name", sorted(set(leaves.SECRETS) - {leaves.REMOTE}))
def test_and_only_its_remote_certificate_reads(etcd: Etcd, name: str) -> None:
    assert not etcd.read(EAST[name])


def test_a_certificate_of_the_same_name_by_another_authority_is_not_even_let_in(etcd: Etcd) -> None:
    other = certificates("west", 1, authority.create("mesh", random=os.urandom, now=NOW))

    assert not etcd.put(other[leaves.ADMIN])
