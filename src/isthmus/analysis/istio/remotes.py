"""Trouble 11: istiod does not see the endpoints of another cluster, because of its remote Secret.

The Secrets are read as istiod reads them (Istio pkg/kube/multicluster/secretcontroller.go): by label, each
key a kubeconfig of the cluster that the key names. A token is read for its end only and never shown.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import hashlib
import ipaddress
import json
from typing import TYPE_CHECKING, Any, Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from isthmus.analysis import addresses, report
from isthmus.analysis.snapshot import ISTIO, Istio, Json, Missing, Site, Snapshot
from isthmus.mesh import istiod

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TROUBLE: Final = 11
LABEL: Final = "istio/multiCluster"
REFUSED: Final = ("exec", "auth-provider", "client-key", "client-certificate", "tokenFile")
"""User fields of a kubeconfig that istiod refuses (PILOT_INSECURE_MULTICLUSTER_KUBECONFIG_OPTIONS)."""
ABSENT: Final = Missing(why="there is none in this cluster")
SOON: Final = dt.timedelta(hours=6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remote:
    """One key of a remote Secret; `problem` says why it is no kubeconfig."""

    secret: str
    cluster: str
    problem: str = ""
    server: str = ""
    """HOST:PORT."""
    authority: str = ""
    """SHA-256 of the certificate that it trusts; empty where it has none."""
    ends: dt.datetime | None = None
    """When the token ends; None where it has no end that can be read."""
    refused: str = ""
    """A field that istiod does not take."""


def remotes(secrets: tuple[Json, ...]) -> tuple[Remote, ...]:
    """Return what stands in remote Secrets, key by key."""
    return tuple(
        _remote(str(secret["metadata"]["name"]), cluster, str(text))
        for secret in secrets
        for cluster, text in sorted((secret.get("data") or {}).items())
    )


def fingerprint(pem: bytes) -> str:
    """Return the SHA-256 of the first certificate of a PEM; empty where there is none."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return ""
    return hashlib.sha256(found[0].public_bytes(serialization.Encoding.DER)).hexdigest() if found else ""


def _remote(secret: str, cluster: str, text: str) -> Remote:
    bare = Remote(secret=secret, cluster=cluster)
    try:
        config = yaml.safe_load(base64.b64decode(text, validate=True))
        contexts = {each["name"]: each["context"] for each in config["contexts"]}
        chosen = contexts[config["current-context"]]
        place = {each["name"]: each["cluster"] for each in config["clusters"]}[chosen["cluster"]]
        user = {each["name"]: each.get("user") or {} for each in config["users"]}[chosen["user"]]
        server = addresses.of_url(str(place["server"]))
    except (KeyError, ValueError, TypeError, AttributeError, binascii.Error, yaml.YAMLError):
        return dataclasses.replace(
            bare, problem="it holds no kubeconfig with a context, a cluster and a user"
        )
    return dataclasses.replace(
        bare,
        server=server,
        authority=_authority(place),
        ends=_end(str(user.get("token") or "")),
        refused=next((field for field in REFUSED if user.get(field)), ""),
        problem=""
        if user.get("token") or any(user.get(field) for field in REFUSED)
        else "its user has no token",
    )


def _authority(place: Mapping[str, Any]) -> str:
    try:
        return fingerprint(base64.b64decode(str(place.get("certificate-authority-data") or "")))
    except (ValueError, binascii.Error):
        return ""


def _end(token: str) -> dt.datetime | None:
    """Return `exp` of a JWT (RFC 7519); None where there is none."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return dt.datetime.fromtimestamp(float(claims["exp"]), dt.UTC)
    except (IndexError, KeyError, ValueError, TypeError, binascii.Error):
        return None


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield what keeps istiod of a cluster from reading another."""
    with_istio = [each for each in seen.answering if isinstance(each.istio, Istio)]
    for site in seen.answering:
        if isinstance(site.istio, Missing):
            yield report.unchecked(TROUBLE, site, "remote Secrets of Istio", site.istio)
        elif site.istio is None:
            yield report.unchecked(TROUBLE, site, "Istio", ABSENT)
    for site in with_istio if len(with_istio) > 1 else ():
        assert isinstance(site.istio, Istio)
        if isinstance(site.istio.remotes, Missing):
            yield report.unchecked(TROUBLE, site, "remote Secrets of Istio", site.istio.remotes)
            continue
        known = remotes(site.istio.remotes)
        if site.istio.has_istiod:
            yield from _named(site, known, with_istio)
        for each in known:
            yield from _one(seen, site, each)
        yield from _said(site)


def _named(site: Site, known: tuple[Remote, ...], sites: list[Site]) -> Iterator[report.Diagnosis]:
    """Compare the keys with what clusters are called by their own istiod."""
    keys = [each.cluster for each in known]
    names = {_name(each): each for each in sites}
    for key in dict.fromkeys(keys):
        if keys.count(key) > 1:
            where = ", ".join(each.secret for each in known if each.cluster == key)
            yield _told(
                site, "istio-remote-twice", None,
                f"'{key}' stands in several remote Secrets ({where}), and istiod takes the first alone",
                f"delete all but one: kubectl -n {ISTIO} delete secret NAME",
            )  # fmt: skip
        if key not in names:
            yield _told(
                site, "istio-remote-unknown", next(each for each in known if each.cluster == key),
                f"the key '{key}' is not what a cluster with Istio is called "
                f"({', '.join(sorted(names))}): its endpoints count as those of a cluster that nobody knows",
                "make it anew with the `multiCluster.clusterName` of that cluster: istioctl "
                "create-remote-secret --name NAME",
                severity=report.Severity.WARNING,
            )  # fmt: skip
    for name, other in names.items():
        if other is not site and name not in keys:
            yield _told(
                site, "istio-remote-missing", None,
                f"no Secret with the label {LABEL}=true has the key '{name}': istiod here sees no "
                f"endpoint of {other.cluster}",
                f"istioctl create-remote-secret --context {other.context or other.cluster} --name {name} | "
                f"kubectl --context {site.context or site.cluster} apply -f -",
                evidence=(f"keys: {', '.join(sorted(keys)) or 'none'}",),
            )  # fmt: skip


def _name(site: Site) -> str:
    assert isinstance(site.istio, Istio)
    return site.istio.cluster_id or site.name


def _one(seen: Snapshot, site: Site, each: Remote) -> Iterator[report.Said]:
    again = f"make it anew: istioctl create-remote-secret --name {each.cluster}"
    if each.problem:
        yield _told(site, "istio-remote-unreadable", each, each.problem, again)
        return
    host = each.server.rpartition(":")[0].strip("[]")
    if _is_local(host):
        yield _told(
            site, "istio-remote-local", each,
            f"it has the API server of '{each.cluster}' at {each.server}, which is istiod's own pod",
            f"{again} --server https://ADDRESS that pods of this cluster reach",
        )  # fmt: skip
    elif why := seen.sites[site.cluster].reaches.get(each.server, ""):
        yield _told(
            site, "istio-remote-unreachable", each,
            f"nobody answers at {each.server}, where istiod asks '{each.cluster}': {why}",
            f"open that port for the nodes of this cluster, or {again} --server https://ADDRESS",
            evidence=(f"tried from this machine: {why}",),
        )  # fmt: skip
    if each.refused:
        yield _told(
            site, "istio-remote-refused", each,
            f"its user has `{each.refused}`, which istiod does not take from a Secret",
            f"{again} (it has a token instead)",
        )  # fmt: skip
    yield from _token(seen, site, each, again)
    yield from _authority_of(seen, site, each, again)


def _is_local(host: str) -> bool:
    """Say whether a host is whoever asks for it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(seen: Snapshot, site: Site, each: Remote, again: str) -> Iterator[report.Said]:
    if each.ends is None:
        if not each.refused:
            why = Missing(why="its token has no end that can be read: whether it is revoked is not seen")
            yield report.unchecked(TROUBLE, site, f"the token for '{each.cluster}'", why)
        return
    if each.ends <= seen.now:
        yield _told(
            site, "istio-remote-token", each,
            f"its token ended at {each.ends:%Y-%m-%d %H:%M} UTC: istiod reads '{each.cluster}' no more",
            f"{again}, and restart istiod where it keeps the old one (istio#60612)",
        )  # fmt: skip
    elif each.ends - seen.now < SOON:
        yield _told(
            site, "istio-remote-token", each,
            f"its token ends at {each.ends:%Y-%m-%d %H:%M} UTC",
            f"{again}, and let what rotates it run",
            severity=report.Severity.WARNING,
        )  # fmt: skip


def _authority_of(seen: Snapshot, site: Site, each: Remote, again: str) -> Iterator[report.Diagnosis]:
    other = next(
        (one for one in seen.answering if isinstance(one.istio, Istio) and _name(one) == each.cluster), None
    )
    if other is None or not other.authority or not each.authority or other.authority == each.authority:
        return
    is_same = other.server == each.server
    yield _told(
        site, "istio-remote-ca", each,
        f"it trusts another authority than the kubeconfig does for the API server of {other.cluster}: "
        "where they are one server, istiod refuses it",
        f"{again} (it takes the authority of today)",
        severity=report.Severity.ERROR if is_same else report.Severity.WARNING,
        evidence=(f"in the Secret {each.authority[:16]}, in the kubeconfig {other.authority[:16]}",),
    )  # fmt: skip


def _said(site: Site) -> Iterator[report.Said]:
    """Yield what istiod itself says of the clusters that it reads."""
    assert isinstance(site.istio, Istio)
    told = site.istio.told
    if isinstance(told, Missing):
        yield report.unchecked(TROUBLE, site, "what istiod says of other clusters", told)
        return
    for name, state in told.states.items():
        endpoints = told.endpoints.get(name, 0)
        if not istiod.is_read(state, endpoints):
            yield _told(
                site, "istio-remote-not-synced", None,
                f"istiod does not read '{name}': it has it as {state}",
                "istioctl remote-clusters; then the findings above, or restart istiod",
                evidence=(f"clusterz: {name} {state}; endpoints: {endpoints}",),
            )  # fmt: skip


def _read(each: Remote | None) -> tuple[str, ...]:
    """Return what stands in a remote Secret, as far as it may be shown."""
    if each is None:
        return ()
    parts = [f"key {each.cluster}"]
    parts += [f"server {each.server}"] if each.server else []
    parts += [f"token until {each.ends:%Y-%m-%d %H:%M} UTC"] if each.ends else []
    return (f"{each.secret}: {', '.join(parts)}",)


def _told(
    site: Site,
    code: str,
    each: Remote | None,
    message: str,
    remedy: str,
    *,
    severity: report.Severity = report.Severity.ERROR,
    evidence: tuple[str, ...] = (),
) -> report.Diagnosis:
    return report.found(
        TROUBLE,
        code,
        site,
        message,
        remedy,
        severity=severity,
        kind="Secret",
        namespace=ISTIO,
        name=each.secret if each else None,
        evidence=evidence or _read(each),
    )
