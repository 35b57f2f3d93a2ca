"""Small meshes for tests of Istio's layer: workloads, objects and calls in a few words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.address import prefix
from isthmus.policy import labels, layer7, world
from isthmus.policy.istio import decide, read

if TYPE_CHECKING:
    from isthmus.policy.istio import model

SIDECAR, AMBIENT, NONE = world.Mesh.SIDECAR, world.Mesh.AMBIENT, world.Mesh.NONE
API = "security.istio.io/v1"
SETTINGS = world.Settings(cluster="one")


def pod(
    name: str, *, mesh: world.Mesh = SIDECAR, address: str | None = None, **fields: Any
) -> world.Endpoint:
    """Return the pod `namespace/name`, whose account has its name and whose label `app` too."""
    namespace, _, short = name.partition("/")
    cluster = fields.pop("cluster", "one")
    own = {"app": short, labels.NAMESPACE: namespace, labels.CLUSTER: cluster, **fields.pop("own", {})}
    addresses = (prefix.parse(address).first,) if address else ()
    fields = {"account": short, **fields}
    return world.Endpoint(cluster, namespace, short, "Pod", own, addresses, mesh=mesh, **fields)


def outside(address: str) -> world.Endpoint:
    """Return an address outside every cluster."""
    place = prefix.parse(address).first
    return world.Endpoint("", None, address, "Address", {"reserved:world": ""}, (place,), is_managed=False)


def objects(text: str) -> list[world.Object]:
    """Return the objects of a YAML text."""
    return [world.Object(each) for each in yaml.safe_load_all(text) if each]


def authorization(name: str = "p", namespace: str = "a", **spec: Any) -> dict[str, Any]:
    """Return an AuthorizationPolicy; `annotations` are lifted out of the spec."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if "annotations" in spec:
        metadata["annotations"] = spec.pop("annotations")
    return {"apiVersion": API, "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def peer(name: str = "p", namespace: str = "a", created: str = "", **spec: Any) -> dict[str, Any]:
    """Return a PeerAuthentication."""
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": created}
    return {"apiVersion": API, "kind": "PeerAuthentication", "metadata": metadata, "spec": spec}


def policies(*data: dict[str, Any], settings: world.Settings = SETTINGS) -> model.Policies:
    """Return the policies of plain objects, which must be good."""
    found = read.read([world.Object(each) for each in data], settings)
    assert not found.findings, found.findings
    return found


def request(method: str = "GET", path: str = "/", host: str = "b.a.svc", **headers: str) -> layer7.Request:
    """Return a request; underscores of header names are dashes."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return layer7.Request(method=method, path=path, host=host, headers=pairs)


def say(
    given: model.Policies | tuple[dict[str, Any], ...] | list[dict[str, Any]],
    source: world.Endpoint,
    destination: world.Endpoint,
    port: int = 8080,
    **fields: Any,
) -> decide.Decision:
    """Return the decision on a call; with a request it is HTTP."""
    known = policies(*given) if isinstance(given, tuple | list) else given
    fields.setdefault("is_http", fields.get("request") is not None)
    call = decide.Call(source=source, destination=destination, port=port, **fields)
    return decide.decide(call, {known.settings.cluster: known})


def across(
    known: dict[str, model.Policies], source: world.Endpoint, destination: world.Endpoint, port: int = 8080
) -> decide.Decision:
    """Return the decision on a TCP call between clusters."""
    return decide.decide(decide.Call(source=source, destination=destination, port=port), known)


def moved(each: world.Endpoint, **fields: Any) -> world.Endpoint:
    """Return an endpoint with other fields."""
    return dataclasses.replace(each, **fields)
