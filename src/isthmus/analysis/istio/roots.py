"""Trouble 12: meshes that refuse one another, because their roots or trust domains differ."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from isthmus.analysis import report
from isthmus.analysis.istio import remotes
from isthmus.analysis.snapshot import ISTIO, Istio, Json, Missing, Site, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

TROUBLE: Final = 12
PLUGGED: Final = "cacerts"
OWN: Final = "istio-ca-secret"
"""What istiod makes for itself where nobody gave it `cacerts`: another root in every cluster."""


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield clusters whose root or trust domain is not that of the others."""
    found: dict[str, tuple[Site, str, str]] = {}
    domains: dict[str, Site] = {}
    with_istio = [each for each in seen.answering if isinstance(each.istio, Istio)]
    for site in seen.answering:
        if site.istio is None or isinstance(site.istio, Missing):
            yield report.unchecked(TROUBLE, site, "Istio", site.istio or remotes.ABSENT)
    for site in with_istio if len(with_istio) > 1 else ():
        assert isinstance(site.istio, Istio)
        domains.setdefault(site.istio.trust_domain or "cluster.local", site)
        if isinstance(site.istio.roots, Missing):
            yield report.unchecked(TROUBLE, site, "the root of Istio", site.istio.roots)
            continue
        name, root = _root(site.istio.roots)
        if not root and not site.istio.has_istiod:
            continue  # it uses the istiod of another cluster, whose root it has
        if not root:
            why = Missing(why=f"neither Secret {PLUGGED} nor {OWN} holds a root that can be read")
            yield report.unchecked(TROUBLE, site, "the root of Istio", why)
            continue
        found[site.cluster] = (site, name, root)
    yield from _roots(found)
    if len(domains) > 1:
        words = ", ".join(f"{site.cluster}: {domain}" for domain, site in domains.items())
        yield report.found(
            TROUBLE,
            "istio-trust-domain-differs",
            list(domains.values())[-1],
            f"trust domains differ ({words}): policies by identity of one cluster do not match "
            "callers of another",
            "write one `meshConfig.trustDomain` in every cluster, or name the others in "
            "`trustDomainAliases`; then restart istiod and the workloads",
            kind="ConfigMap",
            namespace=ISTIO,
            name="istio",
            evidence=(words,),
        )


def _roots(found: dict[str, tuple[Site, str, str]]) -> Iterator[report.Diagnosis]:
    if not found:
        return
    first, *others = found.values()
    for site, name, root in others:
        if root != first[2]:
            own = " (istiod made it for itself)" if OWN in {name, first[1]} else ""
            yield report.found(
                TROUBLE,
                "istio-root-differs",
                site,
                f"its root of Istio is not that of {first[0].cluster}{own}: mTLS between them ends "
                "with an unknown authority",
                f"give every cluster a Secret {ISTIO}/{PLUGGED} with an intermediate of one root, "
                "then restart istiod and the workloads",
                kind="Secret",
                namespace=ISTIO,
                name=name,
                evidence=tuple(
                    f"{each[0].cluster}/{each[1]}: root {each[2][:16]}"
                    for each in (first, (site, name, root))
                ),
            )


def _root(secrets: tuple[Json, ...]) -> tuple[str, str]:
    """Return the Secret that istiod takes and the SHA-256 of its root; empty where there is none."""
    by_name = {str(each["metadata"]["name"]): each.get("data") or {} for each in secrets}
    for name, keys in ((PLUGGED, ("root-cert.pem", "ca.crt")), (OWN, ("root-cert.pem", "ca-cert.pem"))):
        for key in keys:
            try:
                root = remotes.fingerprint(base64.b64decode(str(by_name.get(name, {}).get(key) or "")))
            except (ValueError, binascii.Error):
                continue
            if root:
                return name, root
    return PLUGGED, ""
