"""Reads Helm's own records of releases, without running helm.

Helm keeps each revision as a Secret: JSON, gzipped, in base64, and that in the base64 of every Secret.
The one thing written here is the removal of a record that a dead helm left pending.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds
from isthmus.model import errors
from isthmus.rollout import release as values

if TYPE_CHECKING:
    from isthmus.clients import kube

Json = dict[str, Any]

_TRIES = 3
"""Times that the newest record may vanish between its label and its body."""
_SYSTEM_LABELS = frozenset({"name", "owner", "status", "version", "createdAt", "modifiedAt"})


async def history(cluster: kube.Cluster, release: str, namespace: str) -> tuple[values.Release, ...]:
    """Return all recorded revisions of a release, the oldest first."""
    found = await cluster.list(kinds.SECRET, namespace, labels=f"owner=helm,name={release}")
    if len(found) > 3:  # about 10 ms each for a large chart: not in the event loop
        read = await asyncio.to_thread(lambda: [_read(cluster.name, secret) for secret in found])
    else:
        read = [_read(cluster.name, secret) for secret in found]
    return tuple(sorted(read, key=lambda item: item.revision))


async def latest(cluster: kube.Cluster, release: str, namespace: str) -> values.Release | None:
    """Return the newest revision, whatever its status, or None.

    Only labels are listed: the records of a large chart are megabytes, and all but one would be read for
    nothing.
    """
    for _ in range(_TRIES):
        heads = await cluster.list_metadata(kinds.SECRET, namespace, labels=f"owner=helm,name={release}")
        if not heads:
            return None
        newest = max(heads, key=_revision)["metadata"]["name"]
        secret = await cluster.get(kinds.SECRET, newest, namespace)
        if secret is not None:  # else helm has removed it since: it keeps so many
            return _read(cluster.name, secret)
    found = await history(cluster, release, namespace)
    return found[-1] if found else None


async def delete_record(cluster: kube.Cluster, release: str, namespace: str, revision: int) -> bool:
    """Delete the record of one revision, leaving its objects; False where there is none.

    Only for a record left pending by a helm that is certainly dead: helm refuses to work beside it.
    """
    return await cluster.delete(kinds.SECRET, secret_name(release, revision), namespace)


def secret_name(release: str, revision: int) -> str:
    """Return the name of the Secret that holds a revision."""
    return f"sh.helm.release.v1.{release}.v{revision}"


def _revision(head: Json) -> int:
    """Return the revision of a record, from its label (Helm storage/driver/secrets.go); 0 without one."""
    version = str((head["metadata"].get("labels") or {}).get("version") or "")
    return int(version) if version.isdigit() else 0


def _read(cluster: str, secret: Json) -> values.Release:
    meta = secret["metadata"]
    try:
        record = json.loads(_unpacked(secret["data"]["release"]))
        return _release(record, meta)
    # zlib, gzip (an OSError) and base64 each have their own way to say that the record is damaged
    except (KeyError, TypeError, ValueError, AttributeError, OSError, EOFError, zlib.error, binascii.Error):
        raise errors.InputError(  # not chained: the cause may quote the record, which may hold secrets
            f"cannot read Helm's record {meta.get('namespace')}/{meta.get('name')}",
            where=cluster,
            why="it is not what Helm 3 or 4 writes",
            remedy="Look at it with `helm history`; delete that Secret if helm cannot read it either.",
        ) from None


def _unpacked(data: str) -> bytes:
    packed = base64.b64decode(base64.b64decode(data))
    return gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed  # old releases were not zipped


def _release(record: Json, meta: Json) -> values.Release:
    info = record.get("info") or {}
    chart = (record.get("chart") or {}).get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key not in _SYSTEM_LABELS}
    return values.Release(
        name=str(record["name"]),
        namespace=str(record.get("namespace") or meta.get("namespace")),
        revision=int(record["version"]),
        status=str(info.get("status") or "unknown"),
        chart=str(chart.get("name") or ""),
        chart_version=str(chart.get("version") or ""),
        app_version=str(chart.get("appVersion") or ""),
        manifest=str(record.get("manifest") or ""),
        hooks=tuple(_hook(hook) for hook in record.get("hooks") or ()),
        config=record.get("config") or {},
        labels=labels,
        description=str(info.get("description") or ""),
        modified=str(info.get("last_deployed") or ""),
        uid=str(meta.get("uid") or ""),
        apply_method=str(record.get("apply_method") or ""),
    )


def _hook(hook: Json) -> values.Hook:
    return values.Hook(
        name=str(hook.get("name") or ""),
        kind=str(hook.get("kind") or ""),
        manifest=str(hook.get("manifest") or ""),
        events=tuple(str(event) for event in hook.get("events") or ()),
        delete_policies=tuple(str(policy) for policy in hook.get("delete_policies") or ()),
        weight=int(hook.get("weight") or 0),
    )
