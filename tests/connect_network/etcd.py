"""Asks a mesh etcd from where nodes are: `python -m tests.connect_network.etcd HOST:PORT NAME FOLDER KEY`.

FOLDER holds root.pem and one PAIR.pem for each certificate; prints `{PAIR: {"put": bool, "read": bool}}`. The
calls are etcd's own gRPC (v3 rpc.proto). It writes one small key, and only where it may.
"""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path

import httpx2

REFUSED = {"put": False, "read": False}


def main(address: str, name: str, folder: str, key: str) -> None:
    """Try every certificate of the folder, and print what each may do."""
    pairs = sorted(Path(folder).glob("*.pem"))
    found = {pair.stem: _ask(address, name, pair, key.encode()) for pair in pairs if pair.stem != "root"}
    sys.stdout.write(json.dumps(found))


def _ask(address: str, name: str, pair: Path, key: bytes) -> dict[str, bool]:
    context = ssl.create_default_context(cafile=str(pair.with_name("root.pem")))
    context.load_cert_chain(pair)
    with httpx2.Client(http1=False, http2=True, verify=context, timeout=10, trust_env=False) as http:
        try:
            return {
                "read": _call(http, address, name, "KV/Range", _field(1, key)),
                "put": _call(http, address, name, "KV/Put", _field(1, key) + _field(2, b"value")),
            }
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            # With TLS 1.3 a server refuses a certificate after the handshake, by hanging up. A server that
            # is not there is a ConnectError, and no answer.
            return REFUSED


def _call(http: httpx2.Client, address: str, name: str, method: str, body: bytes) -> bool:
    reply = http.post(
        f"https://{address}/etcdserverpb.{method}",
        content=b"\0" + len(body).to_bytes(4, "big") + body,
        headers={"content-type": "application/grpc", "te": "trailers"},
        extensions={"sni_hostname": name},
    )
    # A message in the body is the answer; a refusal has none, and its code stands in trailers.
    return reply.status_code == 200 and reply.content != b""


def _field(number: int, value: bytes) -> bytes:
    assert len(value) < 128, "one byte of length is enough"
    return bytes([number << 3 | 2, len(value)]) + value


if __name__ == "__main__":
    main(*sys.argv[1:])
