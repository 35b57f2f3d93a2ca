"""TLS contexts from kubeconfig data without leaving a private key on the disk.

OpenSSL reads a client key from a file only. Lightkube writes it to /tmp, where a kill leaves it; here the
file lives in memory on Linux, and elsewhere in a private folder that is removed at once.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.clients import files
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightkube.config.kubeconfig import SingleConfig


def context(config: SingleConfig) -> ssl.SSLContext:
    """Return a context that verifies the cluster and shows the user's certificate, if there is one."""
    try:
        made = _verifying(config)
        _certify(made, config)
    except (ssl.SSLError, ValueError) as error:
        raise errors.InputError(
            f"context {config.context_name!r} has a certificate or key that cannot be used",
            why=str(error).partition(" (_ssl")[0],
            remedy="Correct the kubeconfig: certificates and keys are PEM, keys without a password.",
        ) from error
    return made


def authority(config: SingleConfig) -> bytes:
    """Return the certificates that a cluster is held to, PEM; empty where they are this machine's own."""
    cluster = config.cluster
    found = _pem(config, "certificate authority", cluster.certificate_auth_data, cluster.certificate_auth)
    return found or b""


def _verifying(config: SingleConfig) -> ssl.SSLContext:
    import httpx2  # noqa: PLC0415 - only the open connection needs it

    trusted = authority(config)
    if not trusted:
        return httpx2.create_ssl_context(verify=not config.cluster.insecure)
    made = ssl.create_default_context(cadata=trusted.decode("ascii"))
    # Python 3.13 made strict X.509 the default; CAs of older kubeadm clusters lack a key identifier,
    # and kubectl takes them.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return made


def _certify(made: ssl.SSLContext, config: SingleConfig) -> None:
    user = config.user
    if user is None:
        return
    certificate = _pem(config, "client certificate", user.client_cert_data, user.client_cert)
    key = _pem(config, "client key", user.client_key_data, user.client_key)
    if certificate is None:
        return
    with fleeting_file(certificate + b"\n" + (key or b"")) as path:
        made.load_cert_chain(path, password=_no_password)


def _no_password() -> str:
    raise ValueError("the private key is protected by a password")


def _pem(config: SingleConfig, what: str, data: str | None, path: str | None) -> bytes | None:
    if data:
        try:
            return base64.b64decode(data, validate=False)
        except binascii.Error as error:
            raise ValueError(f"the {what} is not base64") from error
    if path:
        return files.read_text(Path(config.abs_file(path))).encode()
    return None


@contextlib.contextmanager
def fleeting_file(content: bytes) -> Iterator[str]:
    """Yield the path of a file that is gone afterwards and, on Linux, never touches a disk."""
    with inheritable_file(content) as (path, _):
        yield path


@contextlib.contextmanager
def inheritable_file(content: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield a path with that content, and the descriptors a child must inherit to open it."""
    if sys.platform == "linux":
        handle = os.memfd_create("isthmus", os.MFD_CLOEXEC)
        try:
            os.fchmod(handle, 0o600)
            with os.fdopen(os.dup(handle), "wb") as file:
                file.write(content)
            yield f"/proc/self/fd/{handle}", (handle,)
        finally:
            os.close(handle)
    else:
        with files.private_folder() as folder:
            path = folder / "content"
            files.write_atomic(path, content, 0o600)
            yield str(path), ()
