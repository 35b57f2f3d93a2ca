"""A deploy plan: the exact thing `deploy up` runs, as pure, printable, savable data.

A plan holds digests of chart and values, never the values themselves.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from isthmus.model import app as apps
from isthmus.model import finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]


NETWORK: Final = ("kube-system", "cilium")
"""Namespace and name under which `connect` runs Cilium as an App."""
ACCESS: Final = ("isthmus-system", "access")
"""Namespace and name under which `access` runs what intents come to as an App."""
SYSTEM: Final = {NETWORK: "connect", ACCESS: "access"}
"""Apps of the system and the verbs that run them."""


def command(namespace: str, app: str, verb: str) -> str:
    """Return the command line of a verb for an App, those of the system included."""
    own = SYSTEM.get((namespace, app))
    return f"isthmus {own} {verb}" if own else f"isthmus deploy {verb} {app}"


class Intent(StrEnum):
    """What an operation is for."""

    UP = "up"
    ROLLBACK = "rollback"
    DOWN = "down"


class Action(StrEnum):
    """What a step does to the release of one cluster."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    ROLLBACK = "rollback"
    UNINSTALL = "uninstall"
    KEEP = "keep"


class Verb(StrEnum):
    """What happens to one object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """A condition between waves; `seconds` belongs to `bake`."""

    type: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"bake {self.seconds:g}s" if self.type == "bake" else self.type


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One object that a step creates, updates or deletes; `fields` names paths, never values."""

    verb: Verb
    kind: str
    namespace: str | None
    name: str
    fields: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Restart:
    """A workload whose pods are replaced, in the order in which they go."""

    kind: str
    name: str
    pods: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Closing:
    """An object that is written or deleted at the end, when every wave stands.

    With `remote` it lets this cluster read that other one, whose API server is at `server`.
    """

    cluster: str
    verb: Verb
    kind: str
    namespace: str
    name: str
    remote: str | None = None
    server: str | None = None
    why: str = ""

    def __str__(self) -> str:
        why = f" ({self.why})" if self.why else ""
        if self.remote is not None and self.verb is not Verb.DELETE:
            return f"istiod reads {self.remote}{why}"
        return f"{self.verb} {self.kind} {self.namespace}/{self.name}{why}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """What one cluster gets: the release's action, and the way back.

    `revision` is Helm's revision before the step (None: not installed), `target` the one a
    rollback goes to. `bundle` is the digest of chart and values that the cluster keeps as a
    Secret. `manifest` is the digest of what the chart renders, without the paths in `unstable`.
    """

    cluster: str
    context: str
    action: Action
    release: str
    namespace: str
    revision: int | None = None
    target: int | None = None
    bundle: str | None = None
    manifest: str | None = None
    membership: apps.Membership = apps.Membership.REQUIRED
    fenced: bool = True
    unstable: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    restarts: tuple[Restart, ...] = ()
    stays: tuple[str, ...] = ()
    no_return: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    """What the step writes itself, before the chart and outside of its release, by name."""
    waits: str = ""
    """What a kept release still waited for when it was planned: nothing changes, and yet it is not ready."""
    more: tuple[Step, ...] = ()
    """Further releases of the cluster: they go after this one and come back before it."""

    @property
    def releases(self) -> tuple[Step, ...]:
        """This release and the further ones, in the order in which they are installed."""
        return (self, *self.more)

    @property
    def is_kept(self) -> bool:
        """Say whether no release of the cluster changes."""
        return all(one.action is Action.KEEP for one in self.releases)

    @property
    def first(self) -> Step:
        """The first release that changes; this one where none does."""
        return next((one for one in self.releases if one.action is not Action.KEEP), self)

    @property
    def undo(self) -> Action:
        """Name the action that takes this step back."""
        one = self.first
        if one.action is Action.KEEP:
            return Action.KEEP
        return Action.UNINSTALL if one.revision is None else Action.ROLLBACK


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Waves of steps with gates between them, and what is to say about them."""

    app: str
    namespace: str
    fleet: str
    intent: Intent
    waves: tuple[tuple[Step, ...], ...]
    voters: tuple[tuple[str, str], ...]
    gates: tuple[Gate, ...] = (Gate(type="ready"),)
    on_failure: apps.OnFailure = apps.OnFailure.ROLLBACK_ALL
    timeout: float = 600.0
    account: str | None = None
    chart: str = ""
    left_out: tuple[tuple[str, str], ...] = ()
    findings: tuple[finding.Finding, ...] = ()
    closings: tuple[Closing, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in the order of the waves."""
        return tuple(step for wave in self.waves for step in wave)

    @property
    def is_empty(self) -> bool:
        """Say whether nothing would change anywhere, and nothing has to be waited for."""
        waits = any(one.waits for step in self.steps for one in step.releases)
        return not waits and not self.closings and all(step.is_kept for step in self.steps)

    def command(self, verb: str) -> str:
        """Return the command line of a verb for what this plan is about."""
        return command(self.namespace, self.app, verb)

    def step(self, cluster: str) -> Step:
        """Return the step of one cluster."""
        return next(step for step in self.steps if step.cluster == cluster)

    def wave_of(self, cluster: str) -> int:
        """Return the number of the wave that holds a cluster, from 0."""
        return next(n for n, wave in enumerate(self.waves) if any(step.cluster == cluster for step in wave))

    @property
    def digest(self) -> str:
        """Fingerprint what would be run on which world; two equal digests are the same plan."""
        body = self.to_json()
        body.pop("findings")
        body.pop("digest", None)
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> Json:
        """Return the saved form."""
        body: Json = dataclasses.asdict(self)
        body["voters"] = dict(self.voters)
        body["left_out"] = dict(self.left_out)
        body["findings"] = [found.to_json() for found in self.findings]
        return body

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Plan:
        """Read a saved plan; KeyError, TypeError or ValueError when it is none."""
        return Plan(
            app=body["app"],
            namespace=body["namespace"],
            fleet=body["fleet"],
            intent=Intent(body["intent"]),
            waves=tuple(tuple(_step(step) for step in wave) for wave in body["waves"]),
            voters=tuple(body["voters"].items()),
            gates=tuple(Gate(**gate) for gate in body["gates"]),
            on_failure=apps.OnFailure(body["on_failure"]),
            timeout=float(body["timeout"]),
            account=body["account"],
            chart=body["chart"],
            left_out=tuple(body["left_out"].items()),
            findings=tuple(_finding(found) for found in body["findings"]),
            closings=tuple(
                Closing(**{**one, "verb": Verb(one["verb"])}) for one in body.get("closings") or ()
            ),
        )


def _step(body: Mapping[str, Any]) -> Step:
    known = dict(body)
    known["action"] = Action(body["action"])
    known["membership"] = apps.Membership(body["membership"])
    known["changes"] = tuple(_change(change) for change in body["changes"])
    known["restarts"] = tuple(
        Restart(kind=entry["kind"], name=entry["name"], pods=tuple(entry["pods"]))
        for entry in body["restarts"]
    )
    known["more"] = tuple(_step(one) for one in body.get("more") or ())
    for name in ("unstable", "stays", "no_return", "objects"):
        known[name] = _texts(body.get(name) or ())
    return Step(**known)


def _change(body: Mapping[str, Any]) -> Change:
    return Change(
        verb=Verb(body["verb"]),
        kind=body["kind"],
        namespace=body["namespace"],
        name=body["name"],
        fields=_texts(body["fields"]),
    )


def _texts(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _finding(body: Mapping[str, Any]) -> finding.Finding:
    return finding.Finding(**{**body, "severity": finding.Severity(body["severity"])})
