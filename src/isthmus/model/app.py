"""The App: chart, values per cluster, waves and gates.

Budget, probes, SOPS files and OCI charts are refused until something implements them (`later.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import pydantic

from isthmus.model import document, errors, fleet, types
from isthmus.model.chart import Chart
from isthmus.model.rollout import MESH, READY, Gate, Membership, OnFailure, Rollout

__all__ = [
    "MAX_RELEASE",
    "MESH",
    "READY",
    "App",
    "AppSpec",
    "Certificate",
    "Chart",
    "Exposed",
    "Gate",
    "Member",
    "Membership",
    "OnFailure",
    "Origin",
    "Port",
    "Rollout",
    "Transport",
    "Usage",
    "ValuesFrom",
    "merge_values",
]

MAX_RELEASE = 53
"""Helm's longest release name in characters."""


class ValuesFrom(types.Value):
    """Values kept in each target cluster: a key of a Secret or of a ConfigMap in the App's namespace."""

    secret: types.Text | None = None
    config_map: types.Text | None = None
    key: types.Text = "values.yaml"

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> ValuesFrom:
        if (self.secret is None) == (self.config_map is None):
            raise ValueError("a reference names one object; write `secret: NAME` or `configMap: NAME`")
        return self


class Origin(StrEnum):
    """Who connects to a port of the App.

    `app`: its own pods, in all its clusters; `fleet`: pods of any cluster of the Fleet; `clients`: who is
    outside of the Fleet. A port that only its own pod uses (Cassandra's JMX, 7199) is not written at all.
    """

    APP = "app"
    FLEET = "fleet"
    CLIENTS = "clients"


class Transport(StrEnum):
    """What a port is a port of."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Port(types.Value):
    """A port that the App's pods listen on: `{port: 9042, purpose: CQL, from: clients}`.

    Only the firewall matrix of `plan` reads it; the chart is not touched. A port that two kinds of peers
    use is written twice.
    """

    port: Annotated[types.Count, pydantic.Field(ge=1, le=65535)]
    protocol: Transport = Transport.TCP
    purpose: types.Text
    source: Annotated[Origin, pydantic.Field(alias="from")] = Origin.APP


class Exposed(types.Value):
    """A Service of the chart that other clusters reach by name: `{name: db, global: true, affinity: local}`.

    `global` merges it with the Services of its name in the other clusters, `shared: false` keeps this App's
    backends to their own cluster, `affinity` prefers backends; `export` makes it a Service of the clusterset
    (`NAME.NAMESPACE.svc.clusterset.local`).
    """

    name: types.Label
    is_global: Annotated[types.Flag, pydantic.Field(alias="global")] = False
    shared: types.Flag = True
    affinity: Literal["local", "remote"] | None = None
    export: types.Flag = False

    @pydantic.model_validator(mode="after")
    def _says_something(self) -> Exposed:
        if not (self.is_global or self.export):
            raise ValueError("the entry exposes nothing; write `global: true` or `export: true`")
        if not self.shared and not self.is_global:
            raise ValueError("`shared` is of a global Service; write `global: true` too")
        return self


class Usage(StrEnum):
    """What a certificate proves."""

    SERVER = "server"
    CLIENT = "client"


class Certificate(types.Value):
    """A certificate of the App in a Secret of its namespace, as of Secrets of type kubernetes.io/tls.

    It is made out to the names of `services` (inside the cluster, of single pods of a headless one, of the
    clusterset) and to `names`: further DNS names, `*.` before one included, and IP addresses.
    """

    secret: types.Label
    services: tuple[types.Label, ...] = ()
    names: tuple[types.Subject, ...] = ()
    usages: Annotated[tuple[Usage, ...], pydantic.Field(min_length=1)] = (Usage.SERVER, Usage.CLIENT)

    @pydantic.model_validator(mode="after")
    def _names_somebody(self) -> Certificate:
        if Usage.SERVER in self.usages and not (self.services or self.names):
            raise ValueError(
                "a server's certificate names nobody; write `services: [NAME]` or `names: [HOST]`, or "
                "`usages: [client]`"
            )
        return self


class Member(types.Value):
    """What differs in one cluster."""

    values: types.Values = {}
    values_from: tuple[ValuesFrom, ...] = ()
    membership: Membership = Membership.REQUIRED


class AppSpec(types.Value):
    """Everything below `spec`."""

    service_account: types.Label | None = None
    chart: Chart
    release: types.Label | None = None
    values: types.Values = {}
    values_from: tuple[ValuesFrom, ...] = ()
    ports: tuple[Port, ...] = ()
    services: tuple[Exposed, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    clusters: Annotated[dict[types.ClusterName, Member], pydantic.Field(min_length=1)]
    rollout: Rollout = Rollout()

    @pydantic.field_validator("services")
    @classmethod
    def _each_once(cls, services: tuple[Exposed, ...]) -> tuple[Exposed, ...]:
        names = [each.name for each in services]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"Service '{twice}' is written twice; write it once")
        return services

    @pydantic.field_validator("certificates")
    @classmethod
    def _each_of_its_own(cls, certificates: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
        names = [each.secret for each in certificates]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"Secret '{twice}' is written twice; write it once, with all names")
        return certificates

    @pydantic.field_validator("ports")
    @classmethod
    def _once(cls, ports: tuple[Port, ...]) -> tuple[Port, ...]:
        seen = set()
        for each in ports:
            key = (each.port, each.protocol, each.source)
            if key in seen:
                written = f"{each.port}/{each.protocol.value} from {each.source.value}"
                raise ValueError(f"{written} is written twice; write it once")
            seen.add(key)
        return ports

    @pydantic.field_validator("rollout")
    @classmethod
    def _own_gates(cls, rollout: Rollout, info: pydantic.ValidationInfo) -> Rollout:
        # `connect` runs Cilium as an App, made in code: there the gate is at its place.
        if info.context == types.WRITTEN and MESH in rollout.gates:
            raise ValueError("gate `mesh` is of the network; write it in the Fleet's `network.rollout.gates`")
        return rollout


class App(types.Value):
    """The distributed application: one Helm release per cluster."""

    api_version: Literal["isthmus.dev/v1alpha1"] = document.API_VERSION
    kind: Literal["App"] = "App"
    metadata: document.Metadata
    spec: AppSpec

    @property
    def name(self) -> str:
        """The App's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The namespace of the release in every cluster."""
        return self.metadata.namespace

    @property
    def release(self) -> str:
        """The name of the Helm release in every cluster."""
        return self.spec.release or self.metadata.name

    @property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        """The waves; one with every cluster when none is written."""
        return self.spec.rollout.waves or (tuple(self.spec.clusters),)

    def member(self, cluster: str) -> Member:
        """Return what differs in that cluster, or refuse naming the near ones."""
        found = self.spec.clusters.get(cluster)
        if found is None:
            raise errors.InputError(
                f"App '{self.name}' does not run in cluster '{cluster}'",
                remedy=f"use one of: {fleet.near(cluster, self.spec.clusters)}",
            )
        return found

    def layers(self, cluster: str) -> tuple[dict[str, Any] | ValuesFrom, ...]:
        """Return the values of one cluster in rising precedence.

        The App's references and values, then the cluster's: what is written inline wins over what is
        referenced beside it, and the cluster wins over the App.
        """
        member = self.member(cluster)
        return (*self.spec.values_from, self.spec.values, *member.values_from, member.values)

    def values_for(self, cluster: str) -> dict[str, Any]:
        """Return the values written in the folder for one cluster, references left out."""
        return merge_values(self.spec.values, self.member(cluster).values)


def merge_values(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over values as `helm -f base -f over` does: maps merge, all else is replaced.

    A null replaces too and stays: Helm then deletes the chart's default of that key. Dropping it
    here would bring the default back.
    """
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge_values(below, value)
        else:
            merged[key] = value
    return merged
