"""Certificates that cert-manager issues in each cluster: the objects that ask for them, and how they stand.

The private key is made in the cluster and never leaves it. Fields and defaults: cert-manager.io/v1
(pkg/apis/certmanager/v1/types_certificate.go). Pure.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from isthmus.mesh.trust import authority as authorities
from isthmus.mesh.trust import intermediate, secrets
from isthmus.mesh.trust import judge as judges
from isthmus.model import finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.mesh.trust import leaves
    from isthmus.model import trust as trusts

Json = dict[str, Any]
Standing = Mapping[str, Json]
"""Certificates (the objects) of a namespace, by name."""

KIND: Final = "Certificate"
API: Final = "cert-manager.io/v1"
ROOTS: Final = "isthmus.dev/roots"
"""The annotation with the key ids below which it has to be issued."""
NAMED: Final = "cert-manager.io/certificate-name"
"""The annotation of a Secret that cert-manager writes."""
LEAF_HOURS: Final = 365 * 24
AUTHORITY_HOURS: Final = 730 * 24
RENEW_HOURS: Final = 90 * 24


@dataclasses.dataclass(frozen=True, kw_only=True)
class Managed:
    """An issuer of cert-manager in each cluster, all of them below the same roots."""

    issuer: trusts.Issuer
    roots: tuple[x509.Certificate, ...]

    @property
    def anchors(self) -> tuple[str, ...]:
        """The key ids of the roots."""
        return tuple(authorities.key_id(each) for each in self.roots)


def leaf(by: Managed, one: leaves.Leaf, labels: Mapping[str, str]) -> Json:
    """Return what asks for a leaf; `labels` are written on it and on its Secret, beside ours."""
    purposes = [*(["server auth"] if one.server else []), *(["client auth"] if one.client else [])]
    spec: Json = {
        "commonName": one.common_name,
        "usages": ["digital signature", "key encipherment", *purposes],
        "duration": f"{LEAF_HOURS}h0m0s",
    }
    spec |= {"dnsNames": list(one.dns)} if one.dns else {}
    spec |= {"ipAddresses": list(one.addresses)} if one.addresses else {}
    return _object(by, (one.namespace, one.secret), spec, labels)


def authority(by: Managed, name: str) -> Json:
    """Return what asks for the authority of a cluster's istiod, which reads Secrets of this form too."""
    spec: Json = {
        "commonName": name,
        "isCA": True,
        "usages": ["digital signature", "cert sign", "crl sign"],
        "duration": f"{AUTHORITY_HOURS}h0m0s",
    }
    return _object(by, (intermediate.NAMESPACE, intermediate.SECRET), spec, {})


def _object(by: Managed, place: tuple[str, str], spec: Json, labels: Mapping[str, str]) -> Json:
    namespace, name = place
    ours = {secrets.MANAGED: "isthmus", **labels}
    shared: Json = {
        "secretName": name,
        "renewBefore": f"{RENEW_HOURS}h0m0s",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "secretTemplate": {"labels": ours},
        "issuerRef": {"name": by.issuer.name, "kind": by.issuer.kind, "group": by.issuer.group},
    }
    notes = {ROOTS: ",".join(by.anchors)}
    meta = {"name": name, "namespace": namespace, "labels": ours, "annotations": notes}
    return {"apiVersion": API, "kind": KIND, "metadata": meta, "spec": spec | shared}


def settle(wanted: Json, standing: Json | None, found: judges.Certificate) -> secrets.Trust:
    """Return what is written where something else, or nothing, asks; renewal is cert-manager's own work."""
    seen = dataclasses.replace(found, is_ending=False)
    if standing is not None and _has(standing, wanted):
        return secrets.Trust(certificates=(seen,))
    before = (_bare(standing),) if standing is not None else ()
    return secrets.Trust(certificates=(seen,), objects=(wanted,), before=before)


def _has(body: Any, wanted: Any) -> bool:
    """Say whether an object says all that is wanted of it; what servers and others add is theirs."""
    if isinstance(wanted, dict):
        return isinstance(body, dict) and all(_has(body.get(key), each) for key, each in wanted.items())
    return bool(body == wanted)


def _bare(body: Mapping[str, Any]) -> Json:
    meta = body["metadata"]
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if meta.get(key)}
    return {"apiVersion": API, "kind": KIND, "metadata": kept, "spec": body["spec"]}


def findings(
    by: Managed, cluster: str, wanted: Json, secret: Mapping[str, Any] | None, standing: Standing | None
) -> Iterator[finding.Finding]:
    """Yield why an issuer cannot issue into a Secret; `standing` is None where cert-manager is not there."""
    if standing is None:
        yield _told(
            wanted, cluster, "no-cert-manager", "the Fleet names an issuer, and cert-manager is not here",
            "install cert-manager in this cluster, or take `issuer` out of `trust`",
        )  # fmt: skip
        return
    notes = ((secret or {}).get("metadata") or {}).get("annotations") or {}
    if secret is not None and notes.get(NAMED) != wanted["metadata"]["name"]:
        yield _told(
            wanted, cluster, "issued-otherwise",
            f"this Secret was not issued by {by.issuer.kind} {by.issuer.name}: cert-manager would write over "
            "it, and there is no way back",
            "delete the Secret once its pods can do without a new one; then run this again",
        )  # fmt: skip
    other = standing.get(wanted["metadata"]["name"])
    if other is not None and not secrets.is_ours(other):
        yield _told(
            wanted, cluster, "foreign-certificate", "somebody else asks cert-manager for this Secret",
            "name another Secret, or delete that Certificate",
        )  # fmt: skip


def leftover(cluster: str, name: str, standing: Standing | None) -> Iterator[finding.Finding]:
    """Yield a Certificate of ours where cert-manager is no longer to issue: both would write the Secret."""
    one = (standing or {}).get(name)
    if one is not None and secrets.is_ours(one):
        meta = one["metadata"]
        yield _told(
            one, cluster, "still-managed", "cert-manager still issues into this Secret",
            f"kubectl --namespace {meta['namespace']} delete certificate {name}; then delete the Secret",
        )  # fmt: skip


def progress(body: Mapping[str, Any] | None) -> str:
    """Return why a Certificate (the object) is not issued yet, in its own words; empty once it is."""
    if body is None:
        return "it is gone"
    conditions = (body.get("status") or {}).get("conditions") or []
    ready = next((each for each in conditions if each["type"] == "Ready"), None)
    if ready is None or ready.get("observedGeneration") != body["metadata"].get("generation"):
        return "cert-manager has not looked at it yet"
    return (
        "" if ready["status"] == "True" else str(ready.get("message") or ready.get("reason") or "not ready")
    )


def answer(requests: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return what is said of the newest CertificateRequest for a Certificate; empty where there is none."""
    own = [each for each in requests if (each["metadata"].get("annotations") or {}).get(NAMED) == name]
    newest = max(own, key=lambda each: str(each["metadata"].get("creationTimestamp")), default={})
    conditions = (newest.get("status") or {}).get("conditions") or []
    return next((str(each.get("message") or "") for each in conditions if each["type"] == "Ready"), "")


def misplaced(body: Mapping[str, Any], secret: Mapping[str, Any] | None) -> str:
    """Return why what was issued does not do: another root than the Fleet names; empty where it does."""
    wanted = set(((body["metadata"].get("annotations") or {}).get(ROOTS) or "").split(","))
    try:
        text = base64.b64decode(((secret or {}).get("data") or {})["ca.crt"], validate=True)
        found = {authorities.key_id(each) for each in x509.load_pem_x509_certificates(text)}
    except (KeyError, ValueError, binascii.Error):
        return "its Secret has no ca.crt: the issuer does not say below which root it is"
    if found <= wanted:
        return ""
    return f"its issuer is below another root ({min(found - wanted)[:16]}) than the Fleet names"


def _told(body: Json, cluster: str, code: str, message: str, remedy: str) -> finding.Finding:
    meta = body["metadata"]
    return finding.Finding(
        code=code,
        severity=finding.Severity.ERROR,
        message=message,
        remedy=remedy,
        kind=KIND,
        namespace=meta["namespace"],
        name=meta["name"],
        cluster=cluster,
    )
