"""Trouble 1: certificates that the other side does not accept, by key ids, purposes, names and time.

Authorities of Cilium all have the same name, so names are not compared. Whether pods have read their Secrets
is seen by what KVStoreMesh says, in `peering`.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from isthmus.analysis import report
from isthmus.analysis.snapshot import Missing, Site, Snapshot
from isthmus.mesh.trust import authority, judge, leaves, secrets
from isthmus.model import finding, fleet

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

TROUBLE: Final = 1
MESH: Final = (leaves.SERVER, leaves.ADMIN, leaves.REMOTE, leaves.LOCAL)


def of_certificates(
    cluster: str, found: Sequence[judge.Certificate], remedy: str = "isthmus connect up writes it anew"
) -> Iterator[finding.Finding]:
    """Yield what is wrong with certificates as they stand."""
    for each in found:
        for problem in each.problems:
            yield _told(
                "certificate",
                finding.Severity.ERROR,
                cluster,
                each.secret,
                f"Secret {each.secret}: {problem}",
                remedy,
            )
        if each.is_ending and not each.problems and each.ends is not None:
            yield _told(
                "certificate-ending",
                finding.Severity.WARNING,
                cluster,
                each.secret,
                f"Secret {each.secret}: its certificate ends at {each.ends:%Y-%m-%d}",
                remedy,
            )


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield certificates that are wrong by themselves, and pairs of clusters that refuse one another."""
    judged = {site.cluster: certificates(site, seen.now) for site in seen.meshed}
    for site in seen.meshed:
        if isinstance(site.secrets, Missing):
            yield report.unchecked(TROUBLE, site, "certificates in Secrets", site.secrets)
            continue
        remedy = f"{seen.up} (writes it anew)"
        for each in of_certificates(site.cluster, judged[site.cluster], remedy):
            about = next(one for one in judged[site.cluster] if one.secret == each.name)
            yield report.Diagnosis(trouble=TROUBLE, finding=each, evidence=_evidence(about))
    for one, other in seen.pairs():
        if not isinstance(one.secrets, Missing) and not isinstance(other.secrets, Missing):
            yield from _pair(seen, one, other, judged)


def user(site: Site) -> str:
    """Return the name as which a cluster asks the mesh servers of others; empty where it has none."""
    secret = site.secret(leaves.REMOTE)
    try:
        data = base64.b64decode(((secret or {}).get("data") or {})["tls.crt"])
        return judge.common_name(x509.load_pem_x509_certificate(data))
    except (KeyError, ValueError, TypeError, binascii.Error):
        return ""


def certificates(site: Site, now: dt.datetime) -> tuple[judge.Certificate, ...]:
    """Return the certificates of a cluster, each held to the authorities beside it and to what it is for."""
    cluster = fleet.Cluster.model_construct(name=site.name, id=0, nodes=1)
    wanted = leaves.of(
        cluster, is_meshed=site.is_meshed, hubble=site.secret(leaves.HUBBLE_SERVER) is not None
    )
    return tuple(_judged(leaf, site.secret(leaf.secret), now) for leaf in wanted)


def _judged(leaf: leaves.Leaf, secret: Mapping[str, Any] | None, now: dt.datetime) -> judge.Certificate:
    found = judge.judge(leaf, secret, roots=(), now=now)
    if secrets.is_ours(secret) or not found.common_name:
        return found
    # The chart's own: names of users follow `authMode`, and Hubble's hosts another scheme (its values.yaml).
    own = dataclasses.replace(leaf, common_name=found.common_name)
    if leaf.secret not in MESH:
        own = dataclasses.replace(own, dns=())
    return judge.judge(own, secret, roots=(), now=now)


def _pair(
    seen: Snapshot, one: Site, other: Site, judged: Mapping[str, Sequence[judge.Certificate]]
) -> Iterator[report.Diagnosis]:
    """Compare what `one` shows the server of `other` with what that trusts, and the reverse."""
    client, server = _of(judged[one.cluster], leaves.REMOTE), _of(judged[other.cluster], leaves.SERVER)
    if client is None or server is None or not client.authority or not server.authority:
        return  # told as a certificate that is absent or cannot be read
    pair = frozenset({(one.cluster, other.cluster)})
    if server.authority not in {*client.trusts, *_roots(one.bundle)}:
        yield report.found(
            TROUBLE,
            "mesh-ca-differs",
            one,
            f"it does not trust the authority that signed the mesh server of {other.cluster}, so it reads "
            "nothing of that cluster",
            _remedy(seen),
            kind="Secret",
            name=leaves.REMOTE,
            evidence=(
                f"{other.cluster}/{leaves.SERVER} was signed by {_short(server.authority)}",
                f"{one.cluster}/{leaves.REMOTE} trusts {_all(client.trusts)}",
            ),
            explains=pair,
        )
    if client.authority not in {*server.trusts, *_roots(other.bundle)}:
        yield report.found(
            TROUBLE,
            "mesh-ca-differs",
            one,
            f"the mesh server of {other.cluster} does not trust the authority that signed its certificate, "
            "and lets it read nothing",
            _remedy(seen),
            kind="Secret",
            name=leaves.REMOTE,
            evidence=(
                f"{one.cluster}/{leaves.REMOTE} was signed by {_short(client.authority)}",
                f"{other.cluster}/{leaves.SERVER} trusts {_all(server.trusts)}",
            ),
            explains=pair,
        )


def _remedy(seen: Snapshot) -> str:
    if seen.planned:
        return f"{seen.up} (issues certificates of one authority to every cluster)"
    return "give every cluster the same authority: isthmus connect up --ca DIR, or `tls.ca` of the chart"


def _roots(bundle: str | Missing) -> tuple[str, ...]:
    """Return the key ids in a CA bundle (`tls.caBundle`), which all trust beside theirs."""
    try:
        found = x509.load_pem_x509_certificates(bundle.encode()) if isinstance(bundle, str) and bundle else ()
    except ValueError:
        return ()
    return tuple(authority.key_id(each) for each in found)


def _of(judged: Sequence[judge.Certificate], secret: str) -> judge.Certificate | None:
    return next((each for each in judged if each.secret == secret), None)


def _evidence(found: judge.Certificate) -> tuple[str, ...]:
    if not found.authority:
        return (f"Secret {found.secret}",)
    ends = f", ends {found.ends:%Y-%m-%d}" if found.ends else ""
    return (f"{found.secret}: made out to {found.common_name}, signed by {_short(found.authority)}{ends}",)


def _short(key: str) -> str:
    return key[:16]


def _all(keys: Sequence[str]) -> str:
    return ", ".join(map(_short, keys)) or "nobody"


def _told(
    code: str, severity: finding.Severity, cluster: str, secret: str, message: str, remedy: str
) -> finding.Finding:
    return finding.Finding(
        code=code,
        severity=severity,
        message=message,
        remedy=remedy,
        kind="Secret",
        namespace=leaves.NAMESPACE,
        name=secret,
        cluster=cluster,
    )
