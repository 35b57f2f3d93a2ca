"""The App: chart, values per cluster, waves and gates.

Budget, probes, SOPS files and OCI charts are refused until something implements them (`later.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import pydantic
import pydantic_core
from pydantic import json_schema

from isthmus.model import document, errors, fleet, later, types

MAX_RELEASE = 53
"""Helm's longest release name in characters."""


class Membership(StrEnum):
    """How much the whole depends on a cluster.

    The App is whole when all required clusters are; an optional one may fail; a catch-up one may be
    absent and is levelled later.
    """

    REQUIRED = "required"
    OPTIONAL = "optional"
    CATCH_UP = "catch-up"


class OnFailure(StrEnum):
    """What a failed gate or cluster leads to."""

    ROLLBACK_ALL = "rollback-all"
    ROLLBACK_FAILED = "rollback-failed"
    HOLD = "hold"


class Chart(types.Value):
    """A chart on disk (`path`, relative to the folder) or in a repository (`repo`, `name`, `version`)."""

    path: types.Text | None = None
    repo: types.Text | None = None
    name: types.Text | None = None
    version: types.Text | None = None

    @pydantic.model_validator(mode="after")
    def _one_place(self) -> Chart:
        if "oci://" in (self.path or "") + (self.repo or ""):
            raise pydantic_core.PydanticCustomError(
                "later", "{what}", {"what": later.message("oci://", later.OCI)}
            )
        remote = (self.repo, self.name, self.version)
        if self.path is None and None in remote:
            raise ValueError("a chart has one place; write `path`, or `repo`, `name` and `version` together")
        if self.path is not None and remote != (None, None, None):
            raise ValueError("a chart has one place; write either `path` or `repo`, `name` and `version`")
        return self


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


class Member(types.Value):
    """What differs in one cluster."""

    values: types.Values = {}
    values_from: tuple[ValuesFrom, ...] = ()
    membership: Membership = Membership.REQUIRED


class Gate(types.Value):
    """A condition that holds before the next wave, and after the last.

    Written `ready`, `{bake: 2m}` or `approve`; `bake` is in seconds and zero for the other two.
    """

    name: Literal["ready", "bake", "approve"]
    bake: types.Duration = 0.0

    @pydantic.model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        if value in ("ready", "approve"):
            return {"name": value}
        if isinstance(value, dict) and set(value) == {"bake"}:
            return {"name": "bake", "bake": value["bake"]}
        if info.context != types.WRITTEN:
            return value
        name = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else value
        purpose = later.FIELDS["Gate"].get(name) if isinstance(name, str) else None
        if purpose is not None:
            what = {"what": later.message(f"gate {name}", purpose)}
            raise pydantic_core.PydanticCustomError("later", "{what}", what)
        raise ValueError("no such gate; write `ready`, `{bake: 2m}` or `approve`")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> json_schema.JsonSchemaValue:
        """Describe a gate as it is written."""
        bake = {
            "type": "object",
            "properties": {"bake": {"type": "string", "pattern": f"^{types.DURATION.pattern}$"}},
            "required": ["bake"],
            "additionalProperties": False,
        }
        return {"description": cls.__doc__, "oneOf": [{"enum": ["ready", "approve"]}, bake]}

    def __str__(self) -> str:
        return f"bake {types.duration_text(self.bake)}" if self.name == "bake" else self.name


READY = Gate(name="ready")


class Rollout(types.Value):
    """Clusters that go together, what holds between waves, and what a failure leads to."""

    waves: tuple[tuple[types.ClusterName, ...], ...] = ()
    gates: tuple[Gate, ...] = (READY,)
    on_failure: OnFailure = OnFailure.ROLLBACK_ALL
    timeout: types.Duration = 600.0


class AppSpec(types.Value):
    """Everything below `spec`."""

    service_account: types.Label | None = None
    chart: Chart
    release: types.Label | None = None
    values: types.Values = {}
    values_from: tuple[ValuesFrom, ...] = ()
    ports: tuple[Port, ...] = ()
    clusters: Annotated[dict[types.ClusterName, Member], pydantic.Field(min_length=1)]
    rollout: Rollout = Rollout()

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
