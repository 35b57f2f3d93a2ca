"""What the lock thinks, without asking anybody: identities, records, and who may take what.

Nothing here reads a server or a clock. `judge` decides from what was read, what was seen before and the
observer's own monotonic time; `lock` does the asking.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from isthmus.engine import clock as clocks
from isthmus.engine import voters as voting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

Json = dict[str, Any]

DRIFT = 1.02  # an observer waits 2 % longer than the holder believes: two clocks' rates differ far less
UNSTATED = 15  # seconds, for a record of another origin that names no duration
_IDENTITY = re.compile(
    r"(?P<user>\S*)@(?P<host>\S*) pid=(?P<pid>\d+) start=(?P<start>\d+) boot=(?P<boot>\S*) ns=(?P<ns>\S*)"
    r" op=(?P<op>\S*)"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """Names a process and its operation so that nobody takes another one for it."""

    user: str
    host: str
    pid: int
    start_time: int
    """Clock ticks since boot: unlike a wall-clock time, the same for every reader."""
    boot_id: str
    pid_namespace: str
    operation: str

    def to_text(self) -> str:
        """Return the form that `kubectl get lease` shows."""
        return (
            f"{_quoted(self.user)}@{_quoted(self.host)} pid={self.pid} start={self.start_time}"
            f" boot={_quoted(self.boot_id)} ns={_quoted(self.pid_namespace)} op={_quoted(self.operation)}"
        )

    @staticmethod
    def from_text(text: str) -> Identity | None:
        """Read that form; None for text of another origin."""
        found = _IDENTITY.fullmatch(text)
        if found is None:
            return None
        return Identity(
            user=unquote(found["user"]),
            host=unquote(found["host"]),
            pid=int(found["pid"]),
            start_time=int(found["start"]),
            boot_id=unquote(found["boot"]),
            pid_namespace=unquote(found["ns"]),
            operation=unquote(found["op"]),
        )

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (pid {self.pid}, operation {self.operation})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """One voter's Lease as read."""

    version: str = ""
    """resourceVersion; empty where there is no Lease yet."""
    holder: str = ""
    """The holder's identity as text; empty when nobody holds it."""
    token: int = 0
    """The highest fencing number this voter ever saw: it never goes down."""
    duration: float = 0.0
    acquired: str = ""
    transitions: int = 0

    @property
    def identity(self) -> Identity | None:
        """The holder, where the text is one of ours."""
        return Identity.from_text(self.holder)


@dataclasses.dataclass(frozen=True)
class Sight:
    """A version of a record, and when this observer saw it first (its own monotonic seconds)."""

    version: str
    since: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the records of the voters that answered allow."""

    token: int
    """The next holder's: 1 + the highest seen."""
    free: frozenset[str]
    """Voters whose record may be overwritten, by compare-and-swap on the version read."""
    rivals: Mapping[str, Record]
    """The other voters' records: somebody may still hold them."""


def look(seen: Mapping[str, Sight], records: Mapping[str, Record], now: float) -> dict[str, Sight]:
    """Return the sights after reading these records now; `now` is taken after the answers came."""
    fresh = dict(seen)
    for name, record in records.items():
        if name not in seen or seen[name].version != record.version:
            fresh[name] = Sight(record.version, now)
    return fresh


def judge(
    records: Mapping[str, Record],
    me: Identity,
    seen: Mapping[str, Sight],
    now: float,
    *,
    is_alive: Callable[[Identity], bool | None],
    floor: int = 0,
) -> Judgement:
    """Say which records may be taken, and with which token; `floor` is a token known from elsewhere."""
    free = frozenset(
        name
        for name, record in records.items()
        if _is_free(record, me, seen.get(name), now, is_alive=is_alive)
    )
    return Judgement(
        token=1 + max([floor, *(record.token for record in records.values())]),
        free=free,
        rivals={name: record for name, record in records.items() if name not in free},
    )


def _is_free(
    record: Record,
    me: Identity,
    sight: Sight | None,
    now: float,
    *,
    is_alive: Callable[[Identity], bool | None],
) -> bool:
    if record.holder in ("", me.to_text()):
        return True
    if sight is not None and sight.version == record.version and now - sight.since >= record.duration * DRIFT:
        return True
    holder = record.identity
    return holder is not None and is_alive(holder) is False


def read(lease: Json | None) -> Record:
    """Return the record in a Lease."""
    if lease is None:
        return Record()
    meta, spec = lease["metadata"], lease.get("spec") or {}
    token = str((meta.get("annotations") or {}).get(voting.TOKEN, "0"))
    return Record(
        version=meta["resourceVersion"],
        holder=spec.get("holderIdentity") or "",
        token=int(token) if token.isdigit() else 0,
        duration=float(spec.get("leaseDurationSeconds") or UNSTATED),
        acquired=spec.get("acquireTime") or "",
        transitions=int(spec.get("leaseTransitions") or 0),
    )


def write(key: str, record: Record, now: datetime) -> Json:
    """Return the Lease for a record; without a holder it keeps the token alone."""
    spec: Json = {"renewTime": clocks.stamp(now), "leaseTransitions": record.transitions}
    if record.holder:
        spec |= {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": math.ceil(record.duration),
            "acquireTime": record.acquired,
        }
    meta = voting.metadata(f"lock.{key}", key, component="lock")
    meta["annotations"] = {voting.TOKEN: str(record.token)}
    if record.version:
        meta["resourceVersion"] = record.version
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}


def _quoted(text: str) -> str:
    return quote(text, safe="[]:+.,-_~")
