"""One form for the rules of every policy that decides about addresses and ports.

NetworkPolicy, ClusterNetworkPolicy (and the Admin and Baseline kinds before it), CiliumNetworkPolicy and
CiliumClusterwideNetworkPolicy all become `Rule` and `Isolation`. What differs between them is in these
fields, so that one engine decides: tier, priority, action, how peers and ports were defaulted.
"""

from __future__ import annotations

import dataclasses
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from isthmus.address import space
from isthmus.model import finding
from isthmus.policy import labels, ports

if TYPE_CHECKING:
    from isthmus.policy import layer7


class Direction(StrEnum):
    """Which side of the connection a rule guards."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Action(StrEnum):
    """What a rule does with what it matches; SKIP leaves the rest of its tier out."""

    ALLOW = "allow"
    DENY = "deny"
    SKIP = "pass"


PRECEDENCE: Final = {Action.DENY: 0, Action.ALLOW: 1, Action.SKIP: 2}
"""Which of equals decides, the lowest (Cilium 1.20 `pkg/policy/types/entry.go`: 255, 1 and 0 of a byte)."""


class Tier(IntEnum):
    """Stages of a decision; the lower number decides first (Cilium 1.20 `pkg/policy/types/tiers.go`)."""

    ADMIN = 100
    NORMAL = 200
    BASELINE = 250


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """The object that a rule comes from, as answers name it; `file` and `line` where it was read."""

    kind: str
    namespace: str | None
    name: str
    cluster: str
    file: str | None = None
    line: int | None = None

    def told(self, code: str, severity: finding.Severity, message: str, *, remedy: str) -> finding.Finding:
        """Return a finding about the object."""
        return finding.Finding(
            code=code,
            severity=severity,
            message=message,
            remedy=remedy,
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            cluster=self.cluster,
            file=self.file,
            line=self.line,
        )


NOWHERE: Final = space.Space()


@dataclasses.dataclass(frozen=True, slots=True)
class Peers:
    """The other side: endpoints that any selector matches, and addresses.

    `addresses` match what has an address outside the cluster, and pods and nodes too where
    `reaches_pods` and `reaches_nodes` say so: Kubernetes leaves it to the implementation, Cilium does neither
    by default (`--policy-cidr-match-mode`).
    """

    selectors: frozenset[labels.Selector] = frozenset()
    addresses: space.Space = NOWHERE
    reaches_pods: bool = False
    reaches_nodes: bool = False


ANYONE: Final = Peers(selectors=frozenset({labels.EVERY}))
NOBODY: Final = Peers()


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """Lets or stops connections between its subject and its peers.

    `order` says what comes first within a tier and priority where the kind has an order (0 where it has none:
    then a deny beats every allow). `place` is the path within the object, such as `spec.ingress[0]`.
    `layer7` narrows what an allow lets through; None lets everything through.
    """

    origin: Origin
    place: str
    direction: Direction
    action: Action
    subject: labels.Selector
    peers: Peers = ANYONE
    ports: ports.Wanted = ports.EVERY
    tier: Tier = Tier.NORMAL
    priority: int = 0
    order: int = 0
    layer7: layer7.Narrowing | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Isolation:
    """An endpoint that the subject selects lets through only what a rule of the normal tier allows."""

    origin: Origin
    direction: Direction
    subject: labels.Selector


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """What some objects come to, for the endpoints of one cluster, and what is wrong with the objects."""

    rules: tuple[Rule, ...] = ()
    isolations: tuple[Isolation, ...] = ()
    findings: tuple[finding.Finding, ...] = ()

    @property
    def guards(self) -> tuple[Rule | Isolation, ...]:
        """Both, for what they have alike."""
        return (*self.rules, *self.isolations)

    def __add__(self, other: Rules) -> Rules:
        return Rules(
            self.rules + other.rules, self.isolations + other.isolations, self.findings + other.findings
        )
