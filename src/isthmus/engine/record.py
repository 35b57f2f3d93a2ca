"""How an operation's record becomes ConfigMaps and back, without asking any server.

A record that fits lies in one object, readable with kubectl. A longer one is cut into parts named by their
content, written before the head that lists them: the head alone decides what is whole, and a digest over
all of it proves it. What the record says beyond its header is the caller's affair.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

from isthmus.engine import voters as voting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from isthmus.engine.voters import Json

HEAD = "journal"
PART = "journal-part"
Rank = tuple[int, int]
"""(token, sequence): the higher one is the newer truth."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """What is known of an operation without its record."""

    operation: str
    app: str
    token: int
    sequence: int
    started: str
    phase: str
    finished: bool
    bundles: tuple[str, ...] = ()

    @property
    def rank(self) -> Rank:
        """What decides between two records of one operation."""
        return (self.token, self.sequence)

    @staticmethod
    def of(record: Mapping[str, Any], *, operation: str, app: str, token: int, sequence: int) -> Header:
        """Return the header for a caller's record."""
        phase, bundles = str(record.get("phase", "")), record.get("bundles") or ()
        digests = bundles.values() if isinstance(bundles, dict) else bundles
        return Header(
            operation=operation,
            app=app,
            token=token,
            sequence=sequence,
            started=str(record.get("started", "")),
            phase=phase,
            finished=bool(record.get("finished", phase == "finished")),
            bundles=tuple(sorted({str(digest) for digest in digests})),
        )


@dataclasses.dataclass(frozen=True)
class Packed:
    """A record as objects: parts first, then the head."""

    header: Header
    digest: str
    head: Json = dataclasses.field(repr=False)
    parts: tuple[Json, ...] = dataclasses.field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The parts' names."""
        return tuple(part["metadata"]["name"] for part in self.parts)


@dataclasses.dataclass(frozen=True)
class Head:
    """A head as read from a voter."""

    header: Header
    digest: str
    version: str
    names: tuple[str, ...]
    text: str | None = dataclasses.field(repr=False)
    """The whole record where it fits into the head."""


def name(operation: str) -> str:
    """Return the name of an operation's head."""
    return f"journal.{operation}"


def pack(header: Header, record: Mapping[str, Any], *, limit: int = voting.CHUNK) -> Packed:
    """Return the objects for a record; `limit` is in bytes."""
    text = json.dumps(record, indent=1, sort_keys=True)  # ASCII: one byte a character
    digest = _digest(text)
    pieces = [text[at : at + limit] for at in range(0, len(text), limit)] if len(text) > limit else []
    parts = tuple(_part(header, number, piece) for number, piece in enumerate(pieces))
    meta = {
        **dataclasses.asdict(header),
        "bundles": list(header.bundles),
        "digest": digest,
        "size": len(text),
        "parts": [part["metadata"]["name"] for part in parts],
    }
    data = {"header.json": json.dumps(meta, indent=1), "summary": summary(header)}
    if not parts:
        data["record.json"] = text
    head = _config_map(name(header.operation), header, HEAD, data)
    return Packed(header, digest, head, parts)


def summary(header: Header) -> str:
    """Return the line that `kubectl get -o yaml` shows a reader first."""
    state = "finished" if header.finished else f"unfinished, phase {header.phase or 'unknown'}"
    return (
        f"operation {header.operation} of {header.app}: {state}; started {header.started or 'unknown'}; "
        f"token {header.token}, sequence {header.sequence}"
    )


def read_head(body: Json) -> Head | None:
    """Return the head in a ConfigMap; None when it was not written by us, or was spoiled."""
    data = body.get("data") or {}
    try:
        meta = json.loads(data["header.json"])
        header = Header(
            operation=str(meta["operation"]),
            app=str(meta["app"]),
            token=int(meta["token"]),
            sequence=int(meta["sequence"]),
            started=str(meta["started"]),
            phase=str(meta["phase"]),
            finished=meta["finished"] is True,
            bundles=tuple(str(digest) for digest in meta["bundles"]),
        )
        names = tuple(str(part) for part in meta["parts"])
        return Head(
            header, str(meta["digest"]), body["metadata"]["resourceVersion"], names, data.get("record.json")
        )
    except (KeyError, ValueError, TypeError):
        return None


def unpack(head: Head, pieces: Iterable[str | None]) -> Json | None:
    """Return the record, or None when anything of it is missing or another's."""
    found = [head.text] if head.text is not None else list(pieces)
    if None in found:
        return None
    text = "".join(piece for piece in found if piece is not None)
    if _digest(text) != head.digest:
        return None
    record = json.loads(text)
    return record if isinstance(record, dict) else None


def cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """Return JSON with every string, keys too, passed through `clean`."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): cleaned(item, clean) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item, clean) for item in value]
    return value


def _part(header: Header, number: int, piece: str) -> Json:
    label = f"{name(header.operation)}.{number}.{_digest(piece)[:12]}"
    return _config_map(label, header, PART, {"piece": piece}) | {"immutable": True}


def _config_map(label: str, header: Header, component: str, data: Json) -> Json:
    meta = voting.metadata(label, header.app, component=component, operation=header.operation)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
