"""The Access: who may reach what. Parsed whole, and refused until something enforces it."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from isthmus.model import document, types


class Peer(types.Value):
    """Who connects, or what is reached: an App, or workloads by namespace and labels."""

    app: types.Label | None = None
    namespace: types.Label | None = None
    labels: dict[str, str] = {}
    clusters: tuple[types.Text, ...] = ("*",)


class Http(types.Value):
    """An HTTP request by method and path."""

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


class AccessSpec(types.Value):
    """Everything below `spec`; `from` is a word of Python, so the attribute is `source`."""

    source: Annotated[Peer, pydantic.Field(alias="from")]
    to: Peer
    allow: Annotated[tuple[Rule, ...], pydantic.Field(min_length=1)]


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
