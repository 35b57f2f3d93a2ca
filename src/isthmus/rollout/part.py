"""What a step writes on objects after its chart, with a field manager of its own, and the way back.

A part is fields on an object of somebody else's (an annotation of a Service, a key of a ConfigMap) or an
object of ours. Pure: `engine` applies it on the server's side.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

MANAGER: Final = "isthmus-parts"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """One object with what is applied on it, forward (`body`) and back (`before`); None deletes it.

    With `only_on` nothing is written where the object is absent: the fields are on somebody else's. With
    `guarded` the keys of `data` have to be as they were planned on, or written already.
    """

    api_version: str
    kind: str
    namespace: str | None
    name: str
    body: Json | None = dataclasses.field(repr=False)
    before: Json | None = dataclasses.field(repr=False)
    only_on: bool = False
    guarded: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def reversed(self) -> Part:
        """The part that writes what stood there before."""
        return dataclasses.replace(self, body=self.before, before=self.body)

    def to_json(self) -> Json:
        """Return the form in which it is pinned."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Part:
        """Read that form."""
        return Part(**body)

    def applied(self, body: Mapping[str, Any]) -> Json:
        """Return what is sent to the server."""
        meta: Json = {"name": self.name, **(body.get("metadata") or {})}
        if self.namespace is not None:
            meta["namespace"] = self.namespace
        return {"apiVersion": self.api_version, "kind": self.kind, **body, "metadata": meta}


def owned(live: Mapping[str, Any], *path: str) -> frozenset[str]:
    """Return the keys below a path (`metadata`, `annotations`) that our field manager has on an object."""
    found: set[str] = set()
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        if entry.get("manager") != MANAGER:
            continue
        at: Any = entry.get("fieldsV1") or {}
        for key in path:
            at = at.get(f"f:{key}") or {}
        found.update(key.removeprefix("f:") for key in at if key.startswith("f:"))
    return frozenset(found)


def is_ours(live: Mapping[str, Any]) -> bool:
    """Say whether our field manager has anything on an object."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    return any(entry.get("manager") == MANAGER for entry in entries)
