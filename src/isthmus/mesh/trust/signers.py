"""Who signs leaves: an authority whose key is at hand, somebody elsewhere, or cert-manager in the cluster.

As in `sources`, which is the same for the authorities of Istio. Pure.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.mesh.trust import authority as authorities
from isthmus.mesh.trust import brought as broughts
from isthmus.mesh.trust import judge as judges
from isthmus.mesh.trust import managed as managing
from isthmus.mesh.trust import secrets
from isthmus.model import finding

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from cryptography import x509

    from isthmus.mesh.trust import leaves

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtHand:
    """An authority whose key is here while it signs, and others that everybody trusts meanwhile."""

    authority: authorities.Authority = dataclasses.field(repr=False)
    also: tuple[x509.Certificate, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Leaves that came back signed, by `stem`, and why those that are absent cannot be had."""

    roots: tuple[x509.Certificate, ...]
    brought: Mapping[str, broughts.Brought]
    where: str
    """The folder, as the user names it."""
    absent: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def settle(
        self,
        cluster: str,
        leaf: leaves.Leaf,
        secret: Json | None,
        labels: Mapping[str, str],
        now: dt.datetime,
    ) -> secrets.Trust:
        """Return what came back, where it does not stand yet; nothing is issued here."""
        found = judges.judge(leaf, secret, roots=self.roots, now=now)
        seen = dataclasses.replace(found, is_ours=secrets.is_ours(secret))
        one = self.brought.get(stem(cluster, leaf))
        key = one.key_for(broughts.keys_in(secret)) if one is not None else None
        if one is None or key is None or (found.is_sound and one.stands(secret, "tls.crt")):
            return secrets.Trust(certificates=(seen,))
        issued = authorities.Issued(one.pem, key)
        return secrets.written(seen, secret, secrets.body(leaf, issued, self.roots), labels)

    def findings(
        self, cluster: str, wanted: Sequence[leaves.Leaf], live: Mapping[str, Json], now: dt.datetime
    ) -> Iterator[finding.Finding]:
        """Yield what is wrong with what came back."""
        for leaf in wanted:
            name = stem(cluster, leaf)
            one = self.brought.get(name)
            if one is None:
                yield self._told(cluster, leaf, "absent", self.absent.get(name, "nothing came back"))
                continue
            for code, severity, message in broughts.of_chain(one, self.roots, now):
                yield self._told(cluster, leaf, code, message, severity)
            for problem in judges.fitting(one.chain[0], leaf):
                yield self._told(cluster, leaf, "other", problem)
            if one.key_for(broughts.keys_in(live.get(leaf.secret))) is None:
                message = (
                    f"its private key is neither in the folder nor in Secret {leaf.secret} of the cluster"
                )
                yield self._told(cluster, leaf, "key", message)

    def _told(
        self,
        cluster: str,
        leaf: leaves.Leaf,
        code: str,
        message: str,
        severity: finding.Severity = finding.Severity.ERROR,
    ) -> finding.Finding:
        name = stem(cluster, leaf)
        return finding.Finding(
            code=f"leaf-{code}",
            severity=severity,
            message=f"{self.where}/{name}.crt: {message}",
            remedy=f"have {name}.csr signed and bring it back as {name}.crt, with those above it, and the "
            f"roots as root.crt; the request is written by `isthmus deploy csr {self.where}`",
            kind="Secret",
            namespace=leaf.namespace,
            name=leaf.secret,
            cluster=cluster,
        )


Signer = AtHand | Elsewhere | managing.Managed


def roots(by: Signer) -> tuple[x509.Certificate, ...]:
    """Return the certificates that everybody trusts, of the one that signs first."""
    return (by.authority.certificate, *by.also) if isinstance(by, AtHand) else by.roots


def settle(
    by: Signer,
    cluster: str,
    wanted: Sequence[leaves.Leaf],
    live: Mapping[str, Json],
    *,
    standing: managing.Standing | None = None,
    labels: Mapping[str, str],
    random: authorities.Random,
    now: dt.datetime,
) -> secrets.Trust:
    """Judge what stands, by the names of Secrets, and say what is written.

    `standing` are the objects that ask cert-manager, None where there is none.
    """
    if isinstance(by, managing.Managed):
        return secrets.joined(
            _managed(by, leaf, live.get(leaf.secret), (standing or {}).get(leaf.secret), labels, now)
            for leaf in wanted
        )
    if isinstance(by, AtHand):
        return secrets.settle(
            wanted, live, signer=by.authority, also=by.also, random=random, now=now, labels=labels
        )
    return secrets.joined(by.settle(cluster, leaf, live.get(leaf.secret), labels, now) for leaf in wanted)


def _managed(
    by: managing.Managed,
    leaf: leaves.Leaf,
    secret: Json | None,
    standing: Json | None,
    labels: Mapping[str, str],
    now: dt.datetime,
) -> secrets.Trust:
    found = judges.judge(leaf, secret, roots=by.roots, now=now)
    seen = dataclasses.replace(found, is_ours=secrets.is_ours(secret))
    return managing.settle(managing.leaf(by, leaf, labels), standing, seen)


def findings(
    by: Signer,
    cluster: str,
    wanted: Sequence[leaves.Leaf],
    live: Mapping[str, Json],
    *,
    standing: managing.Standing | None = None,
    now: dt.datetime,
) -> Iterator[finding.Finding]:
    """Yield what is wrong with what signs; an authority at hand issues anew what is not good."""
    for leaf in wanted:
        if isinstance(by, managing.Managed):
            asks = managing.leaf(by, leaf, {})
            yield from managing.findings(by, cluster, asks, live.get(leaf.secret), standing)
        else:
            yield from managing.leftover(cluster, leaf.secret, standing)
    if isinstance(by, Elsewhere):
        yield from by.findings(cluster, wanted, live, now)


def stem(cluster: str, leaf: leaves.Leaf) -> str:
    """Return the name of a leaf's files; no part of it has a dot."""
    return f"{cluster}.{leaf.namespace}.{leaf.secret}"
