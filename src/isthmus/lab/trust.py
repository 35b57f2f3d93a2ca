"""The certificates and keys of one cluster, each cluster with authorities of its own.

Three authorities as kubeadm has them (cluster, etcd, front proxy), so that a certificate of one world opens
no door in another. Keys are ECDSA P-256: ten of them take milliseconds.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.lab import place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ADMINS = "isthmus:lab-admins"  # bound to cluster-admin
KUBELET_CLIENT = "isthmus:lab-kubelet-client"  # the API server, as kubelets know it
_LIFE = dt.timedelta(days=3650)
_SKEW = dt.timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Authority:
    """A certificate authority that signs while a lab is made."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, name: str) -> Authority:
        """Make a self-signed authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = _builder(subject, subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(self, name: str, *, group: str = "", hosts: Sequence[str] = ()) -> tuple[bytes, bytes]:
        """Return certificate and key (PEM): for a server when hosts are given, and always for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name, group), self.certificate.subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs=False), critical=True)
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return _pem(builder.sign(self.key, hashes.SHA256())), _key_pem(key)

    def write(self, folder: Path, name: str) -> None:
        """Write NAME.crt and NAME.key."""
        place.write(folder / f"{name}.crt", _pem(self.certificate))
        place.write(folder / f"{name}.key", _key_pem(self.key))


def write_all(
    folder: Path,
    *,
    cluster: str,
    service_ip: str,
    server_ip: str = "",
    nodes: Mapping[str, str] | None = None,
) -> None:
    """Write everything one cluster's servers and clients present or trust, as files in `folder`.

    `server_ip` is an address of the API server besides the loopback; `nodes` are names and addresses of
    nodes with a kubelet, which gets one certificate (node-NAME) to ask with and to be asked by.
    """
    authority, etcd, front = (
        Authority.new(f"{cluster} {part}") for part in ("kubernetes", "etcd", "front-proxy")
    )
    authority.write(folder, "ca")
    etcd.write(folder, "etcd-ca")
    front.write(folder, "front-proxy-ca")
    local = ("127.0.0.1", "localhost")
    services = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    own = (server_ip,) if server_ip and server_ip not in local else ()
    names = (*local, *own, service_ip, *services, "kubernetes.default.svc.cluster.local")
    issued = {
        "apiserver": authority.issue("kube-apiserver", hosts=names),
        "admin": authority.issue("lab-admin", group=ADMINS),
        "bootstrap": authority.issue("lab-bootstrap", group="system:masters"),
        "controller-manager": authority.issue("system:kube-controller-manager"),
        "scheduler": authority.issue("system:kube-scheduler"),
        "kwok": authority.issue("isthmus:kwok"),
        "etcd": etcd.issue("etcd", hosts=local),
        "apiserver-etcd": etcd.issue("kube-apiserver"),
        "front-proxy": front.issue("front-proxy"),
    }
    if nodes:
        issued["kubelet-client"] = authority.issue(KUBELET_CLIENT)
    for node, address in (nodes or {}).items():
        user, group = f"system:node:{node}", "system:nodes"  # what the node authorizer asks for
        issued[f"node-{node}"] = authority.issue(user, group=group, hosts=(node, address))
    for name, (certificate, key) in issued.items():
        place.write(folder / f"{name}.crt", certificate)
        place.write(folder / f"{name}.key", key)
    accounts = ec.generate_private_key(ec.SECP256R1())
    public = accounts.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    place.write(folder / "accounts.key", _key_pem(accounts))
    place.write(folder / "accounts.pub", public)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(name: str, group: str = "") -> x509.Name:
    organisation = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*organisation, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
