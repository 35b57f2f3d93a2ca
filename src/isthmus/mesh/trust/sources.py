"""Who signs for the istiod of each cluster: a root at hand, somebody elsewhere, or cert-manager there.

All answer the same questions, so what is drafted and judged does not depend on where a key lies. Pure: what
stands in files and clusters comes in.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.mesh.trust import authority as authorities
from isthmus.mesh.trust import brought as broughts
from isthmus.mesh.trust import intermediate, secrets
from isthmus.mesh.trust import managed as managing
from isthmus.model import finding

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from cryptography import x509

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtHand:
    """A root whose key is here while it signs, and further roots that everybody trusts meanwhile."""

    root: authorities.Authority = dataclasses.field(repr=False)
    also: tuple[x509.Certificate, ...] = ()

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """The root, and the others."""
        return (self.root.certificate, *self.also)

    @property
    def anchors(self) -> tuple[str, ...]:
        """The root alone: a rotation sees to it that it is trusted before it signs."""
        return (self.root.key_id,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Authorities that came back signed, by cluster, and why those that are absent cannot be had."""

    roots: tuple[x509.Certificate, ...]
    brought: Mapping[str, broughts.Brought]
    where: str
    """The folder, as the user names it."""
    absent: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def anchors(self) -> tuple[str, ...]:
        """All roots: whoever signs elsewhere brings a new one along before it signs."""
        return tuple(authorities.key_id(each) for each in self.roots)

    def findings(self, cluster: str, secret: Json | None, now: dt.datetime) -> Iterator[finding.Finding]:
        """Yield what is wrong with what came back."""
        one = self.brought.get(cluster)
        if one is None:
            yield self._told(cluster, "absent", self.absent.get(cluster, "nothing came back"))
            return
        for code, severity, message in (
            *broughts.of_chain(one, self.roots, now),
            *broughts.of_authority(one, self.roots),
        ):
            yield self._told(cluster, code, message, severity)
        if one.key_for(broughts.keys_in(secret)) is None:
            yield self._told(
                cluster,
                "key",
                "its private key is neither in the folder nor in Secret cacerts of the cluster",
            )
        for name, other in self.brought.items():
            if name != cluster and authorities.key_id(other.chain[0]) == authorities.key_id(one.chain[0]):
                yield self._told(cluster, "shared", f"{name} has the same key: each cluster needs its own")

    def _told(
        self,
        cluster: str,
        code: str,
        message: str,
        severity: finding.Severity = finding.Severity.ERROR,
    ) -> finding.Finding:
        return finding.Finding(
            code=f"intermediate-{code}",
            severity=severity,
            message=f"{self.where}/{cluster}.crt: {message}",
            remedy=f"have {cluster}.csr signed and bring it back as {cluster}.crt, with those above it, and "
            f"the roots as root.crt; the request is written by `isthmus connect csr --istio {self.where}`",
            kind="Secret",
            namespace=intermediate.NAMESPACE,
            name=intermediate.SECRET,
            cluster=cluster,
        )


Source = AtHand | Elsewhere | managing.Managed


def settle(
    by: Source,
    fleet: str,
    cluster: str,
    secret: Json | None,
    *,
    standing: managing.Standing | None = None,
    random: authorities.Random,
    now: dt.datetime,
) -> secrets.Trust:
    """Judge Secret `cacerts` of a cluster, and say what is written in its place.

    `standing` are the objects that ask cert-manager, None where there is none.
    """
    if isinstance(by, AtHand):
        wanted = intermediate.name(fleet, cluster)
        return intermediate.settle(wanted, secret, root=by.root, also=by.also, random=random, now=now)
    if isinstance(by, managing.Managed):
        found = intermediate.judge("", secret, roots=by.roots, now=now)
        asks = managing.authority(by, intermediate.name(fleet, cluster))
        return managing.settle(asks, (standing or {}).get(intermediate.SECRET), found)
    one = by.brought.get(cluster)
    if one is None:
        return secrets.Trust(certificates=(intermediate.judge("", secret, roots=by.roots, now=now),))
    return broughts.settle(one, by.roots, secret, now=now)


def mark(by: Source, trust: secrets.Trust, secret: Json | None) -> str:
    """Return what a cluster's istiod will have: it reads that at its start, so another one restarts it.

    What cert-manager will issue nobody knows before. istiod takes a renewed authority below the same root by
    itself (pilot/pkg/bootstrap/istio_ca.go), so the mark is who issues.
    """
    if isinstance(by, managing.Managed):
        trusts = "+".join(each[:16] for each in by.anchors)
        return f"{trusts}.{by.issuer.kind}-{by.issuer.name}"
    if isinstance(by, AtHand):
        return intermediate.mark(trust, secret, by.roots)
    return intermediate.mark_of(trust.objects[0] if trust.objects else secret)


def findings(
    by: Source,
    cluster: str,
    secret: Json | None,
    *,
    standing: managing.Standing | None = None,
    now: dt.datetime,
) -> Iterator[finding.Finding]:
    """Yield what is wrong with what signs for a cluster; a root at hand issues anew what is not good."""
    if isinstance(by, managing.Managed):
        yield from managing.findings(by, cluster, managing.authority(by, "-"), secret, standing)
    else:
        yield from managing.leftover(cluster, intermediate.SECRET, standing)
    if isinstance(by, Elsewhere):
        yield from by.findings(cluster, secret, now)
