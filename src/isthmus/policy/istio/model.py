"""Istio's security objects as values, read at the border (`read.py`) and asked by the rest of this room."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.model import finding
    from isthmus.policy import rule, world


class Action(StrEnum):
    """What an AuthorizationPolicy does with what it matches; AUDIT never decides."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    CUSTOM = "CUSTOM"
    AUDIT = "AUDIT"


class Mode(StrEnum):
    """The mutual TLS that a PeerAuthentication asks for; UNSET inherits."""

    UNSET = "UNSET"
    DISABLE = "DISABLE"
    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"


PRINCIPAL: Final = "source.principal"
NAMESPACE: Final = "source.namespace"
ACCOUNT: Final = "source.serviceAccount"
DOMAIN: Final = "source.trustDomain"
ADDRESS: Final = "source.ip"
REMOTE: Final = "remote.ip"
SUBJECT: Final = "request.auth.principal"
AUDIENCES: Final = "request.auth.audiences"
PRESENTER: Final = "request.auth.presenter"
CLAIMS: Final = "request.auth.claims"
HEADERS: Final = "request.headers"
TARGET: Final = "destination.ip"
PORT: Final = "destination.port"
SNI: Final = "connection.sni"
FILTER: Final = "experimental.envoy.filters."
HOST: Final = "hosts"
PATH: Final = "paths"
METHOD: Final = "methods"
"""Keys of conditions; the last three are no `when` keys but fields of an operation."""

IDENTITY: Final = frozenset({PRINCIPAL, NAMESPACE, ACCOUNT, DOMAIN})
"""Keys that ask for the peer's certificate: without mutual TLS nothing matches them."""
SOURCE_FIELDS: Final = {
    "principals": PRINCIPAL,
    "requestPrincipals": SUBJECT,
    "namespaces": NAMESPACE,
    "serviceAccounts": ACCOUNT,
    "trustDomains": DOMAIN,
    "ipBlocks": ADDRESS,
    "remoteIpBlocks": REMOTE,
}
OPERATION_FIELDS: Final = {"hosts": HOST, "ports": PORT, "methods": METHOD, "paths": PATH}


class Condition(NamedTuple):
    """One attribute: any of `values` (all when empty) and none of `excluded`."""

    key: str
    values: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def is_http(self) -> bool:
        """Whether only an HTTP proxy can tell (`authz/model/generator.go`, 'HTTP only')."""
        return self.key in {HOST, PATH, METHOD} or self.key.startswith("request.")


Conditions = tuple[Condition, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """Any source, any operation, and every condition of `when`; an empty part asks for nothing."""

    place: int
    sources: tuple[Conditions, ...] = ()
    operations: tuple[Conditions, ...] = ()
    when: Conditions = ()

    @property
    def conditions(self) -> Conditions:
        """All conditions, wherever they stand."""
        return tuple(each for part in (*self.sources, *self.operations, self.when) for each in part)


class Target(NamedTuple):
    """An entry of `targetRefs`; `group` is empty for the core group."""

    group: str
    kind: str
    name: str


Selection = tuple[tuple[str, str], ...]
"""`matchLabels` as pairs; what has no selector is None where it is used."""


@dataclasses.dataclass(frozen=True, slots=True)
class Authorization:
    """An AuthorizationPolicy; without rules it matches nothing."""

    origin: rule.Origin
    action: Action
    selection: Selection | None = None
    targets: tuple[Target, ...] = ()
    rules: tuple[Rule, ...] = ()
    provider: str = ""
    is_dry_run: bool = False
    created: str = ""


class Issuer(NamedTuple):
    """A `jwtRules` entry, as far as it decides: tokens are given as valid or not."""

    name: str
    audiences: tuple[str, ...] = ()
    spaced: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Authentication:
    """A RequestAuthentication."""

    origin: rule.Origin
    selection: Selection | None = None
    targets: tuple[Target, ...] = ()
    issuers: tuple[Issuer, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """A PeerAuthentication; `ports` are workload ports."""

    origin: rule.Origin
    selection: Selection | None = None
    mode: Mode = Mode.UNSET
    ports: tuple[tuple[int, Mode], ...] = ()
    created: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Client:
    """The TLS of a DestinationRule: by its traffic policy, and by port of the Service.

    `exports` are the namespaces of `exportTo`; empty for every one. `selection` narrows to client workloads.
    """

    origin: rule.Origin
    host: str
    mode: str | None = None
    ports: tuple[tuple[int, str], ...] = ()
    exports: tuple[str, ...] = ()
    selection: Selection | None = None
    created: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Gateway:
    """Which workloads a networking.istio.io Gateway makes gateways."""

    origin: rule.Origin
    selection: Selection


@dataclasses.dataclass(frozen=True, slots=True)
class Policies:
    """All that one cluster's istiod knows of security, oldest first, and what is wrong with the objects."""

    settings: world.Settings
    authorizations: tuple[Authorization, ...] = ()
    authentications: tuple[Authentication, ...] = ()
    peers: tuple[Peer, ...] = ()
    clients: tuple[Client, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    findings: tuple[finding.Finding, ...] = ()


def selects(selection: Selection | None, labels: Mapping[str, str]) -> bool:
    """Say whether labels have all that a selector asks for; none and an empty one select every workload."""
    return not selection or all(labels.get(key) == value for key, value in selection)
