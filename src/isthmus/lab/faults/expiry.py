"""Certificates of a lab that run out, in a Secret or in the files of its own programs, and its new authority.

A Secret is changed through its API server, as whoever else rotates it would. Programs that would go on with
what they have read are started again, and those alone.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

from isthmus.lab import components, control, place, trust
from isthmus.lab.faults import certificates, deeds, programs
from isthmus.lab.network import machine
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isthmus.lab import one, server
    from isthmus.lab.network import layout


@dataclasses.dataclass(frozen=True, kw_only=True)
class Own:
    """A certificate in the lab's own files: who signed it, and who keeps on with it until started again."""

    authority: str
    readers: tuple[str, ...] = ()


# The API server looks at its serving certificate by itself, and etcd at each handshake; but etcd's one
# client keeps its connection. The kubeconfig's own (admin) is not here: the lab itself would be locked out.
OWN: Final = {
    "apiserver": Own(authority="ca"),
    "etcd": Own(authority="etcd-ca", readers=(components.ETCD,)),
    "apiserver-etcd": Own(authority="etcd-ca", readers=(components.APISERVER,)),
    "kubelet-client": Own(authority="ca", readers=(components.APISERVER,)),
    "controller-manager": Own(authority="ca", readers=(components.CONTROLLERS,)),
    "scheduler": Own(authority="ca", readers=(components.SCHEDULER,)),
    "kwok": Own(authority="ca", readers=(components.KWOK,)),
}
_AUTHORITIES: Final = ("ca", "etcd-ca", "front-proxy-ca")
_OF_CA: Final = (
    "apiserver",
    "admin",
    "bootstrap",
    "controller-manager",
    "scheduler",
    "kwok",
    "kubelet-client",
)
_YEARS: Final = dt.timedelta(days=3650)  # as the lab's first authority has it
_KUBELET: Final = "kubelet"


class Certificates:
    """The certificates of one cluster of a lab; `site` is None where no real node is."""

    def __init__(self, lab: one.Lab, cluster: str, site: layout.Place | None) -> None:
        self._lab = lab
        self._cluster = cluster
        self._nodes = tuple(node.name for node in site.nodes) if site else ()
        self._programs = programs.Programs(lab, cluster, site)
        self._folder = lab.clusters[cluster].folder
        self._pki = self._folder / "pki"
        self._before = self._folder / "pki.before"

    def expiry(self, what: str, *, authority: Path | None, now: dt.datetime) -> deeds.Expire:
        """Return the fault that lets a certificate run out; refuse what the lab cannot sign."""
        given = [certificates.signer(_read(authority), str(authority))] if authority else []
        if "/" in what:
            before = _leaf(self._secret(what), what)
            signers = [*given, *self._signers(), *self._authorities(what.partition("/")[0])]
        else:
            before = (self._pki / f"{self._file(what)}.crt").read_bytes()
            signers = [*given, *self._signers()]
        after = certificates.expired(before, signers, now=now, what=f"{self._cluster}: {what}")
        return deeds.Expire(cluster=self._cluster, what=what, before=before.decode(), after=after.decode())

    def readers(self, what: str) -> tuple[str, ...]:
        """Return the programs that are started again for a certificate to be read."""
        if "/" in what:
            return ()
        return (f"the kubelet of {what}",) if what in self._nodes else OWN[what].readers

    def expire(self, deed: deeds.Expire) -> None:
        """Put the expired certificate in the place of the other."""
        self._put(deed.what, deed.after)

    def renew(self, deed: deeds.Expire) -> None:
        """Put the certificate back, unless somebody has renewed it meanwhile."""
        if self.has_expired(deed):
            self._put(deed.what, deed.before)

    def has_expired(self, deed: deeds.Expire) -> bool:
        """Say whether the expired certificate is still in its place."""
        if "/" not in deed.what:
            return (self._pki / f"{self._file(deed.what)}.crt").read_text() == deed.after
        found = self._secret(deed.what, must=False)
        return found is not None and _leaf(found, deed.what).decode() == deed.after

    def rotate(self) -> None:
        """Give the cluster's API server, and all it knows by certificate, another authority."""
        draft = self._folder / "pki.rotated"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(self._pki, draft)
        new = trust.Authority.new(f"{self._cluster} kubernetes")
        new.write(draft, "ca")
        now = dt.datetime.now(dt.UTC)
        for name in (*_OF_CA, *(self._file(node) for node in self._nodes)):
            if (path := draft / f"{name}.crt").exists():
                old = certificates.read(path.read_bytes(), name)[0]
                signer = (new.certificate, new.key)
                made = certificates.again(old, signer, began=old.not_valid_before_utc, ended=now + _YEARS)
                place.write(path, certificates.pem(made))
        with place.writing(self._pki):
            self._pki.rename(self._before)
            draft.rename(self._pki)
        self._read_all()

    def rotate_back(self) -> None:
        """Give the cluster the authority back that it had."""
        shutil.rmtree(self._folder / "pki.rotated", ignore_errors=True)  # of a change that was killed
        if self._before.is_dir():
            with place.writing(self._pki):
                shutil.rmtree(self._pki, ignore_errors=True)
                self._before.rename(self._pki)
        self._read_all()

    @property
    def is_rotated(self) -> bool:
        """Say whether the authority is another than the first."""
        return self._before.is_dir()

    def _put(self, what: str, chain: str) -> None:
        if "/" in what:
            self._put_secret(what, chain)
            return
        place.write(self._pki / f"{self._file(what)}.crt", chain)
        if what in self._nodes:
            self._give(what)
        else:
            self._again(OWN[what].readers)

    def _read_all(self) -> None:
        """Let everything that runs read the present files, the lab's kubeconfig included.

        Controllers end when an API server that starts takes long to answer them: they are started after it.
        """
        for name in components.FOLLOWERS:
            control.stop_one(self._folder, name)
        self._again((components.APISERVER,))
        for node in self._nodes:
            self._give(node)
        place.write_json(self._lab.kubeconfig_path, self._lab.kubeconfig())

    def _again(self, names: tuple[str, ...]) -> None:
        running = self._running()
        for name in names:
            if name in running:
                control.stop_one(self._folder, name)
                self._lab.control(self._cluster).start(name)

    def _running(self) -> frozenset[str]:
        found = self._lab.clusters[self._cluster].processes
        return frozenset(name for name, record in found.items() if record.is_running())

    def _give(self, node: str) -> None:
        """Give a node its files as its machine does, and let its init start the kubelet again."""
        state = self._folder / "nodes" / node / "root" / machine.STATE
        name = self._file(node)
        for source, target in (
            ("ca.crt", "ca.crt"),
            (f"{name}.crt", "kubelet.crt"),
            (f"{name}.key", "kubelet.key"),
        ):
            place.write(state / target, (self._pki / source).read_bytes())
        self._programs.restart_on(node, _KUBELET)

    def _file(self, what: str) -> str:
        if what in self._nodes:
            return f"node-{what}"
        if what in OWN and (self._pki / f"{what}.crt").exists():
            return what
        known = [name for name in OWN if (self._pki / f"{name}.crt").exists()]
        raise errors.InputError(
            f"the lab has no certificate {what!r} that may run out",
            where=self._cluster,
            remedy=f"name one of {', '.join((*known, *self._nodes))}, or a Secret as NAMESPACE/NAME",
        )

    def _signers(self) -> list[certificates.Signer]:
        """Return the authorities that the lab made."""
        return [
            certificates.signer(
                (self._pki / f"{name}.crt").read_bytes(), name, key=(self._pki / f"{name}.key").read_bytes()
            )
            for name in _AUTHORITIES
        ]

    def _authorities(self, namespace: str) -> Iterator[certificates.Signer]:
        """Yield the authorities whose key a chart or cert-manager left in a Secret of a namespace."""
        found = self._api.get(f"/api/v1/namespaces/{namespace}/secrets") or {"items": []}
        for secret in found["items"]:
            data = {name: base64.b64decode(text) for name, text in (secret.get("data") or {}).items()}
            for certificate, key in (("ca.crt", "ca.key"), ("tls.crt", "tls.key")):
                if data.get(certificate) and data.get(key):
                    try:
                        yield certificates.signer(
                            data[certificate], secret["metadata"]["name"], key=data[key]
                        )
                    except errors.InputError:
                        continue  # not one that signs

    @property
    def _api(self) -> server.Api:
        return self._lab.api(self._cluster)

    def _secret(self, what: str, *, must: bool = True) -> dict[str, Any] | None:
        status, body = self._api.ask("GET", _path(what))
        if status == 0:
            raise errors.UnreachableError(
                "the API server does not answer",
                where=self._cluster,
                remedy=f"isthmus lab status --name {self._lab.name}",
            )
        if status == 200:
            found: dict[str, Any] = json.loads(body)
            return found
        if must:
            raise errors.InputError(
                f"there is no Secret {what}", where=self._cluster, remedy="name it as NAMESPACE/NAME"
            )
        return None

    def _put_secret(self, what: str, chain: str) -> None:
        secret = self._secret(what)
        assert secret is not None
        secret["data"]["tls.crt"] = base64.b64encode(chain.encode()).decode()
        status, _ = self._api.ask("PUT", _path(what), secret)
        if status != 200:
            raise errors.ConflictError(
                f"the API server refused the Secret {what} (HTTP {status})",
                where=self._cluster,
                remedy="is it immutable, or does somebody else write it just now? Repeat",
            )


def _leaf(secret: dict[str, Any] | None, what: str) -> bytes:
    data = (secret or {}).get("data") or {}
    if "tls.crt" not in data:
        raise errors.InputError(
            f"the Secret {what} has no tls.crt",
            remedy="name one with a certificate, of type kubernetes.io/tls",
        )
    return base64.b64decode(data["tls.crt"])


def _path(what: str) -> str:
    namespace, _, name = what.partition("/")
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.InputError(
            "it cannot be read", where=str(path), why=error.strerror or "", remedy="name another file"
        ) from error
