"""cert-manager's controllers on the clusters of a lab, each with issuers below one root.

Its kinds come out of its Go module while tests run. The controllers are `lab/certmanager`, one process for
each cluster, which are ended with their kinds when the tests are through.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.lab import binaries, build
from isthmus.mesh.trust import authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.lab import labs

Json = dict[str, Any]

HOME = "cert-manager"
"""The namespace with the Secrets of ClusterIssuers."""
KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ISSUERS = "/apis/cert-manager.io/v1/clusterissuers"
WITHIN = 60.0  # seconds


@dataclasses.dataclass(frozen=True)
class Roots:
    """The root of each hierarchy, whose key no cluster has."""

    lab: labs.Lab
    found: dict[str, authority.Authority]

    def write(self, name: str, path: Path) -> None:
        """Write the certificate of a root for the Fleet to name."""
        path.write_bytes(self.found[name].pem)


@contextlib.contextmanager
def managed(lab: labs.Lab, folder: Path, *hierarchies: str) -> Iterator[Roots]:
    """Run cert-manager in every cluster, with a ClusterIssuer of its own for each hierarchy."""
    program = build.ensure(["cert-manager"])["cert-manager"]
    kinds = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(_module().glob("*.yaml"))]
    now = dt.datetime.now(dt.UTC)
    roots = {
        each: authority.create(f"{each} root", random=os.urandom, now=now, below=2) for each in hierarchies
    }
    with contextlib.ExitStack() as stack:
        for cluster in lab.clusters:
            for body in kinds:
                _create(lab, cluster, KINDS, body)
                stack.callback(_delete, lab, cluster, f"{KINDS}/{body['metadata']['name']}")
            stack.enter_context(_running(lab, cluster, program, folder))
        for cluster in lab.clusters:
            for name, root in roots.items():
                issue_below(lab, cluster, name, root)
        yield Roots(lab, roots)


def _module() -> Path:
    """Return the folder of cert-manager's kinds in its Go module, fetched by the go client."""
    family = binaries.family("cert-manager")
    done = subprocess.run(
        [build.go(), "mod", "download", "-json", "github.com/cert-manager/cert-manager"],
        cwd=family.pins, env=build.environment(family), capture_output=True, text=True, timeout=300,
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Path(json.loads(done.stdout)["Dir"]) / "deploy" / "crds"


def issue_below(lab: labs.Lab, cluster: str, name: str, root: authority.Authority) -> None:
    """Give a cluster a ClusterIssuer whose authority is below a root, and wait until it is ready."""
    now = dt.datetime.now(dt.UTC)
    key = authority.new_key(os.urandom)
    subject = f"{cluster} {name}"
    between = authority.Authority(*_between(root, subject, key, now))
    texts = {"tls.crt": between.pem + root.pem, "tls.key": authority.key_pem(key), "ca.crt": root.pem}
    secret = {
        "metadata": {"name": f"{name}-issuer"},
        "type": "kubernetes.io/tls",
        "data": {field: base64.b64encode(text).decode() for field, text in texts.items()},
    }
    api = lab.api(cluster)
    if api.get(f"/api/v1/namespaces/{HOME}") is None:
        api.create("/api/v1/namespaces", {"metadata": {"name": HOME}})
    _create(lab, cluster, f"/api/v1/namespaces/{HOME}/secrets", secret)
    issuer = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": name},
        "spec": {"ca": {"secretName": f"{name}-issuer"}},
    }
    _create(lab, cluster, ISSUERS, issuer)
    _until(lambda: _ready(api.get(f"{ISSUERS}/{name}")))


def _between(root: authority.Authority, name: str, key: Any, now: dt.datetime) -> tuple[Any, Any]:
    """Return an authority that may have one level below itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(root.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1800))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier(bytes.fromhex(root.key_id), None, None), critical=False)
    )
    return builder.sign(root.key, hashes.SHA256()), key


@contextlib.contextmanager
def _running(lab: labs.Lab, cluster: str, program: Path, folder: Path) -> Iterator[None]:
    config = yaml.safe_load(lab.kubeconfig_path.read_text(encoding="utf-8"))
    config["current-context"] = lab.clusters[cluster].context
    path = folder / f"{cluster}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    with (folder / f"{cluster}.log").open("wb") as log, subprocess.Popen(
        [str(program), "--kubeconfig", str(path), "--cluster-resource-namespace", HOME],
        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        try:
            yield
        finally:
            running.terminate()
            try:
                running.wait(timeout=20)
            except subprocess.TimeoutExpired:
                running.kill()


def _create(lab: labs.Lab, cluster: str, path: str, body: Json) -> None:
    name = body["metadata"]["name"]
    if lab.api(cluster).get(f"{path}/{name}") is not None:
        _delete(lab, cluster, f"{path}/{name}")
    deadline = time.monotonic() + WITHIN
    while True:  # a kind that is new is served a moment later
        try:
            lab.api(cluster).create(path, body)
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _delete(lab: labs.Lab, cluster: str, path: str) -> None:
    lab.api(cluster).delete(path)
    _until(lambda: lab.api(cluster).get(path) is None)


def _ready(body: Json | None) -> bool:
    conditions = ((body or {}).get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _until(holds: Any) -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
