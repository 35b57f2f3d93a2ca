"""The kinds of faults as values, and the form in which a lab's folder keeps them.

Pure. What a kind does to a lab, and how it is taken back, is in the module of its kind.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final, assert_never

Between = tuple[str, str]
"""Two regions, in the order of the lab's layout."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cut:
    """Nothing passes between two regions, and nobody is told."""

    between: Between


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delay:
    """Packets take longer: `round_trip` seconds there and back; of each direction a part, `loss`, is lost."""

    between: Between
    round_trip: float
    loss: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shrink:
    """Packets above `mtu` bytes do not pass: they are answered with ICMP, or with `is_silent` lost."""

    between: Between
    mtu: int
    is_silent: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kill:
    """A program of the control plane, a node or processes on nodes were killed; `pids` are those killed."""

    cluster: str
    program: str
    pids: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Freeze:
    """Processes are stopped where they stand; each is a pid and its time of creation."""

    cluster: str
    program: str
    processes: tuple[tuple[int, float], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expire:
    """A certificate has run out: `what` names it; `before` and `after` are the two certificates (PEM)."""

    cluster: str
    what: str
    before: str = dataclasses.field(repr=False)
    after: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rotate:
    """The API server's authority is another one; what the old one signed is accepted by nobody."""

    cluster: str


OnPath = Cut | Delay | Shrink
Deed = OnPath | Kill | Freeze | Expire | Rotate

KINDS: Final[dict[str, type[Deed]]] = {
    "cut": Cut,
    "delay": Delay,
    "shrink": Shrink,
    "kill": Kill,
    "freeze": Freeze,
    "expire": Expire,
    "rotate-ca": Rotate,
}
_NAMES: Final = {made: name for name, made in KINDS.items()}
_PAIRS: Final = ("between", "pids")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault that was made: its id in the lab, when (ISO 8601, UTC), and what it is."""

    id: str
    since: str
    deed: Deed

    @property
    def kind(self) -> str:
        """The word of the command that makes it."""
        return kind(self.deed)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the lab's folder keeps."""
        return {
            "id": self.id,
            "since": self.since,
            "kind": self.kind,
            "settings": dataclasses.asdict(self.deed),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Fault:
        """Read what `to_json` wrote."""
        settings: dict[str, Any] = {
            name: tuple(value) if name in _PAIRS else value for name, value in data["settings"].items()
        }
        if "processes" in settings:
            settings["processes"] = tuple((pid, created) for pid, created in settings["processes"])
        return cls(id=data["id"], since=data["since"], deed=KINDS[data["kind"]](**settings))


def kind(deed: Deed) -> str:
    """Return the word of the command that makes such a fault."""
    return _NAMES[type(deed)]


def words(deed: Deed) -> str:
    """Return what is wrong, in a line."""
    if isinstance(deed, OnPath):
        return f"the path {' - '.join(deed.between)} {_on_path(deed)}"
    match deed:
        case Kill():
            what = f"{deed.program} was killed"
        case Freeze():
            what = f"{deed.program} is frozen"
        case Expire():
            what = f"the certificate of {deed.what} has expired"
        case Rotate():
            what = "the API server has another authority"
        case _:
            assert_never(deed)
    return f"{deed.cluster}: {what}"


def _on_path(deed: OnPath) -> str:
    match deed:
        case Cut():
            return "is cut"
        case Delay():
            lost = f", {deed.loss * 100:g} % of packets lost each way" if deed.loss else ""
            return f"takes {deed.round_trip * 1000:g} ms more there and back{lost}"
        case Shrink():
            told = "lost in silence" if deed.is_silent else "answered with ICMP"
            return f"carries {deed.mtu} bytes, larger packets are {told}"
