"""The Secrets of trust as objects: what is kept, and what has to be written anew.

A certificate that is good is kept, so that nothing is rotated without need. Who writes them is the engine.
"""

from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import serialization

from isthmus.mesh.trust import authority as authorities
from isthmus.mesh.trust import judge as judges
from isthmus.mesh.trust import leaves

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from cryptography import x509

Json = dict[str, Any]

MANAGED: Final = "app.kubernetes.io/managed-by"
KEEP: Final = {"helm.sh/resource-policy": "keep"}
"""A release that had made such a Secret itself would delete it when its chart no longer does."""
KEYS: Final = ("tls.key", "ca-key.pem")
"""Fields that hold private keys: of certificates, and of Istio's authorities."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trust:
    """What one cluster's Secrets hold, and those to write."""

    certificates: tuple[judges.Certificate, ...]
    objects: tuple[Json, ...] = dataclasses.field(default=(), repr=False)
    before: tuple[Json, ...] = dataclasses.field(default=(), repr=False)
    """What stands where they are written, for the way back."""


def settle(
    wanted: Sequence[leaves.Leaf],
    live: Mapping[str, Json],
    *,
    signer: authorities.Authority,
    also: Sequence[x509.Certificate] = (),
    random: authorities.Random,
    now: dt.datetime,
    labels: Mapping[str, str] | None = None,
) -> Trust:
    """Judge each Secret and issue anew what does not do.

    `labels` are written on those that are issued, beside ours. `also` are further authorities that everybody
    is to trust, while one takes the place of another.
    """
    roots = [signer.certificate, *also]
    seen, objects, before = [], list[Json](), list[Json]()
    for leaf in wanted:
        secret = live.get(leaf.secret)
        found = judges.judge(leaf, secret, roots=roots, now=now, signer=signer.certificate)
        seen.append(dataclasses.replace(found, is_ours=is_ours(secret)))
        if found.is_good:
            continue
        issued = _kept(found, secret) or authorities.issue(signer, leaf, random=random, now=now)
        one = written(found, secret, body(leaf, issued, roots), labels)
        objects += one.objects
        before += one.before
    return Trust(certificates=tuple(seen), objects=tuple(objects), before=tuple(before))


def joined(found: Iterable[Trust]) -> Trust:
    """Return all of a cluster as one."""
    made = tuple(found)
    return Trust(
        certificates=tuple(one for each in made for one in each.certificates),
        objects=tuple(one for each in made for one in each.objects),
        before=tuple(one for each in made for one in each.before),
    )


def written(
    found: judges.Certificate, secret: Json | None, fresh: Json, labels: Mapping[str, str] | None = None
) -> Trust:
    """Return what is written in the place of what was `found`, `labels` beside ours."""
    fresh["metadata"]["labels"].update(labels or {})
    if secret is None:
        return Trust(certificates=(found,), objects=(fresh,))
    before = bare(secret)
    fresh["type"] = before["type"]  # which cannot change
    return Trust(certificates=(found,), objects=(fresh,), before=(before,))


def _kept(found: judges.Certificate, secret: Json | None) -> authorities.Issued | None:
    """Return the certificate that stands there, where only the authorities beside it are to change."""
    if secret is None or found.is_ending or found.problems != (judges.OTHER_ROOTS,):
        return None
    data = secret["data"]
    return authorities.Issued(base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"]))


def body(leaf: leaves.Leaf, issued: authorities.Issued, roots: Sequence[x509.Certificate]) -> Json:
    """Return the Secret as the chart mounts it."""
    bundle = b"".join(root.public_bytes(serialization.Encoding.PEM) for root in roots)
    texts = {"ca.crt": bundle, "tls.crt": issued.certificate, "tls.key": issued.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": leaf.secret,
            "namespace": leaf.namespace,
            "labels": {MANAGED: "isthmus"},
            "annotations": dict(KEEP),
        },
        "data": {name: base64.b64encode(text).decode() for name, text in texts.items()},
    }


def bare(secret: Json) -> Json:
    """Return a live Secret without what its server keeps about it, to be written again."""
    meta = secret["metadata"]
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if meta.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": secret.get("type", "Opaque"),
        "metadata": kept,
        "data": dict(secret.get("data") or {}),
    }


def is_ours(secret: Mapping[str, Any] | None) -> bool:
    """Say whether we made a Secret."""
    labels = ((secret or {}).get("metadata") or {}).get("labels") or {}
    return bool(labels.get(MANAGED) == "isthmus")


def keys(objects: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the private keys in Secrets, as text and in base64: nothing may show them."""
    found = [str((one.get("data") or {}).get(field) or "") for one in objects for field in KEYS]
    plain = [base64.b64decode(text).decode(errors="replace") for text in found]
    return tuple(text for text in (*found, *plain) if text)
