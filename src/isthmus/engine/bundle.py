"""What an operation pins in each cluster before its first step: the chart archive and that cluster's values.

Secrets named by App and content, immutable, cut under 512 KiB, parts before the head: where the head is, all
is. They hold values as Helm's own release Secrets do; journal and plans hold the digest only. What is pinned
is not decided here.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from isthmus.clients import kinds
from isthmus.engine import voters as voting
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.engine.voters import Json

_FORM = b"isthmus bundle 1\n"
_BESIDE = "isthmus.dev/beside"
"""Key that no chart has: what stands with it is more than values."""
_HEAD, _PIECE = "bundle", "bundle-piece"
"""Components in labels: heads are small, so that they can be listed apart from what they lead to."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    """A chart archive with one cluster's values; neither shows in repr."""

    archive: bytes = dataclasses.field(repr=False)
    values: Json = dataclasses.field(repr=False)
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """For readers, such as the chart's name and version; no part of the digest."""
    objects: tuple[Json, ...] = dataclasses.field(default=(), repr=False)
    """What is written before the chart and in no release of it, such as certificates."""
    before: tuple[Json, ...] = dataclasses.field(default=(), repr=False)
    """What stood in the place of some of them, for the way back."""
    after: tuple[Json, ...] = dataclasses.field(default=(), repr=False)
    """Fields that are laid over what the chart wrote."""

    parts: tuple[Json, ...] = dataclasses.field(default=(), repr=False)
    """What is written after the chart, fields on others' objects included (`rollout.part`)."""

    @property
    def digest(self) -> str:
        """What names the content."""
        return digest(self.archive, self.pinned)

    @property
    def pinned(self) -> Json:
        """What is pinned beside the archive: the values alone where there is nothing else."""
        if not (self.objects or self.after or self.parts):
            return self.values
        beside: Json = {"objects": list(self.objects), "before": list(self.before)}
        beside |= {"after": list(self.after)} if self.after else {}
        beside |= {"parts": list(self.parts)} if self.parts else {}
        return {_BESIDE: beside, "values": self.values}


def digest(archive: bytes, values: Json) -> str:
    """Return the sha256, in hex, over the archive and the values in canonical form."""
    return hashlib.sha256(_FORM + hashlib.sha256(archive).digest() + _canonical(values)).hexdigest()


async def store(cluster: voting.Api, bundle: Bundle, key: str) -> str:
    """Return the digest once all of the bundle is in the cluster; repeatable."""
    mark = bundle.digest
    blob = _canonical(bundle.pinned) + b"\n" + bundle.archive  # canonical JSON holds no line break
    pieces = [blob[at : at + voting.CHUNK] for at in range(0, len(blob), voting.CHUNK)]
    about = json.dumps({"digest": mark, "parts": len(pieces), "metadata": dict(bundle.metadata)}, indent=1)
    for number, piece in enumerate(pieces):
        await _create(cluster, f"{name(mark, key)}.{number}", key, _PIECE, {"piece": piece})
    await _create(cluster, name(mark, key), key, _HEAD, {"bundle.json": about.encode()})
    return mark


async def load(cluster: voting.Api, digest: str, key: str) -> Bundle:
    """Return the bundle, verified against its digest."""
    head = await cluster.get(kinds.SECRET, name(digest, key), voting.NAMESPACE)
    if head is None:
        raise _broken(cluster.name, digest, "its Secret does not exist")
    try:
        about = json.loads(_bytes(head, "bundle.json"))
        labels = [f"{name(digest, key)}.{number}" for number in range(int(about["parts"]))]
        found = await asyncio.gather(
            *(cluster.get(kinds.SECRET, label, voting.NAMESPACE) for label in labels)
        )
        blob = b"".join(_bytes(part, "piece") for part in found)
        values, _, archive = blob.partition(b"\n")
        bundle = _unpinned(archive, json.loads(values), about["metadata"])
    except (KeyError, TypeError, ValueError):
        raise _broken(
            cluster.name, digest, "a part is missing or unreadable"
        ) from None  # no values in a trace
    if bundle.digest != digest:
        raise _broken(cluster.name, digest, "its content has another digest")
    return bundle


async def heads(cluster: voting.Api, key: str) -> list[Mapping[str, str]]:
    """Return the metadata of every bundle of an App that the cluster keeps."""
    labels = f"{voting.COMPONENT}={_HEAD},{voting.APP}={key}"
    found: list[Mapping[str, str]] = []
    for head in await cluster.list(kinds.SECRET, voting.NAMESPACE, labels=labels):
        with contextlib.suppress(KeyError, TypeError, ValueError):  # one that is damaged has nothing to tell
            found.append(dict(json.loads(_bytes(head, "bundle.json"))["metadata"]))
    return found


async def delete(cluster: voting.Api, digest: str, key: str) -> bool:
    """Remove a bundle, head first; False where there was none."""
    head = await cluster.get(kinds.SECRET, name(digest, key), voting.NAMESPACE)
    if head is None:
        return False
    await cluster.delete(kinds.SECRET, name(digest, key), voting.NAMESPACE)
    with contextlib.suppress(KeyError, ValueError):
        for number in range(int(json.loads(_bytes(head, "bundle.json"))["parts"])):
            await cluster.delete(kinds.SECRET, f"{name(digest, key)}.{number}", voting.NAMESPACE)
    return True


def name(digest: str, key: str) -> str:
    """Return the name of a bundle's head: Apps with the same content have one each, and prune their own."""
    return f"bundle.{key}.{digest[:12]}"


def _unpinned(archive: bytes, pinned: Json, metadata: Mapping[str, str]) -> Bundle:
    beside = pinned.get(_BESIDE)
    if beside is None:
        return Bundle(archive=archive, values=pinned, metadata=metadata)
    return Bundle(
        archive=archive,
        values=pinned["values"],
        metadata=metadata,
        objects=tuple(beside["objects"]),
        before=tuple(beside["before"]),
        parts=tuple(beside.get("parts", ())),
        after=tuple(beside.get("after", ())),
    )


def _canonical(values: Json) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _bytes(secret: Json | None, field: str) -> bytes:
    if secret is None:
        raise KeyError(field)
    return base64.b64decode(secret["data"][field], validate=True)


async def _create(
    cluster: voting.Api, label: str, key: str, component: str, data: Mapping[str, bytes]
) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": voting.metadata(label, key, component=component),
        "data": {field: base64.b64encode(value).decode() for field, value in data.items()},
        "immutable": True,
    }
    with contextlib.suppress(errors.ConflictError):  # named by content: it is there already
        await cluster.create(kinds.SECRET, body, namespace=voting.NAMESPACE)


def _broken(cluster: str, digest: str, why: str) -> errors.ConflictError:
    return errors.ConflictError(
        f"the pinned bundle {digest[:12]} cannot be used",
        where=cluster,
        why=why,
        remedy="Somebody removed or changed it: roll the operation back with `isthmus deploy rollback`.",
    )
