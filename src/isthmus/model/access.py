"""The Access: who may reach what. Compiling it for each layer is `policy/intents`."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from isthmus.model import document, types


class Peer(types.Value):
    """Who connects, or what is reached.

    An App (its pods carry `app.kubernetes.io/instance` with its release, unless `labels` say otherwise);
    workloads by namespace and labels; ranges outside of the clusters; or, where something is reached, DNS
    names, `*.` before one included. `clusters` are the Fleet's names, `*` all of them.
    """

    app: types.Label | None = None
    namespace: types.Label | None = None
    labels: dict[str, str] = {}
    service_account: types.Label | None = None
    clusters: Annotated[tuple[types.Text, ...], pydantic.Field(min_length=1)] = ("*",)
    addresses: tuple[types.Prefix, ...] = ()
    names: tuple[types.Subject, ...] = ()

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Peer:
        ways = [self.app, self.namespace, self.addresses or None, self.names or None]
        given = [each for each in ways if each is not None]
        if len(given) != 1:
            raise ValueError("a peer is one of `app`, `namespace`, `addresses` or `names`; write one of them")
        if self.is_outside and (self.labels or self.service_account or self.clusters != ("*",)):
            raise ValueError("ranges and names are outside; `labels`, `serviceAccount`, `clusters` are not")
        return self

    @property
    def is_outside(self) -> bool:
        """Whether it is outside of every cluster."""
        return bool(self.addresses or self.names)


class Http(types.Value):
    """An HTTP request by method and path; a path ends in `*` for all that begin so."""

    method: types.Text | None = None
    path: types.Text | None = None


class Cassandra(types.Value):
    """Verbs on tables (`keyspace.table`, `keyspace.*`)."""

    verbs: Annotated[tuple[types.Text, ...], pydantic.Field(min_length=1)]
    tables: Annotated[tuple[types.Text, ...], pydantic.Field(min_length=1)]


class Rule(types.Value):
    """What is allowed: a port, and above it HTTP or CQL."""

    port: Annotated[types.Count, pydantic.Field(ge=1, le=65535)]
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    http: tuple[Http, ...] = ()
    cassandra: Cassandra | None = None

    @pydantic.model_validator(mode="after")
    def _over_tcp(self) -> Rule:
        if self.protocol != "tcp" and (self.http or self.cassandra):
            raise ValueError("HTTP and CQL run over TCP; leave `protocol` out")
        if self.http and self.cassandra:
            raise ValueError("one port speaks HTTP or CQL; write two rules for two ports")
        return self


class AccessSpec(types.Value):
    """Everything below `spec`; `from` is a word of Python, so the attribute is `source`."""

    source: Annotated[Peer, pydantic.Field(alias="from")]
    to: Peer
    allow: Annotated[tuple[Rule, ...], pydantic.Field(min_length=1)]

    @pydantic.model_validator(mode="after")
    def _somewhere_inside(self) -> AccessSpec:
        if self.source.names:
            raise ValueError("who connects has no DNS name here; write `addresses` in `from`")
        if self.source.is_outside and self.to.is_outside:
            raise ValueError("both ends are outside of the clusters; one of them is an App or a namespace")
        return self


class Access(types.Value):
    """An intent: who may reach what, at L3/L4, HTTP, or Cassandra keyspace, table and verb."""

    api_version: Literal["isthmus.dev/v1alpha1"] = document.API_VERSION
    kind: Literal["Access"] = "Access"
    metadata: document.Metadata
    spec: AccessSpec

    @property
    def name(self) -> str:
        """The intent's name."""
        return self.metadata.name
