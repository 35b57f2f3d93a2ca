"""A mesh of two healthy clusters as a value, in a few lines, and what is changed in it."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import functools
import hashlib
from typing import TYPE_CHECKING, Any

import yaml

from isthmus.address import prefix
from isthmus.analysis import checks, offloads, snapshot
from isthmus.mesh.trust import authority, leaves, secrets
from isthmus.network import imported

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
CLUSTERS = ("west", "east")
VERSION = "1.20.2"


def random(seed: str) -> Callable[[int], bytes]:
    """Return bytes that are the same in every run."""
    return lambda count: hashlib.shake_256(seed.encode()).digest(count)


@functools.cache
def root(name: str) -> authority.Authority:
    """Return an authority; all have the same subject, as Cilium's do."""
    return authority.create("Cilium CA", random=random(name), now=NOW)


@functools.cache
def certificates(name: str, ca: str = "mesh", trusts: str = "mesh") -> dict[str, Json]:
    """Return the Secrets of trust of a cluster."""
    from isthmus.model import fleet

    cluster = fleet.Cluster.model_construct(name=name, id=0, nodes=1)
    wanted = leaves.of(cluster, is_meshed=True, hubble=False)
    return {
        leaf.secret: secrets.body(
            leaf,
            authority.issue(root(ca), leaf, random=random(name + leaf.secret), now=NOW),
            [root(trusts).certificate],
        )
        for leaf in wanted
    }


def peer(name: str, *addresses: str, port: int = 32379) -> str:
    """Return an entry of cilium-kvstoremesh, in base64."""
    entry = {
        "endpoints": [f"https://{name}.mesh.cilium.io:{port}"],
        "cilium-host-aliases": [{"hostname": f"{name}.mesh.cilium.io", "ips": list(addresses)}],
    }
    return base64.b64encode(yaml.safe_dump(entry).encode()).decode()


def ready(name: str, number: int = 2) -> Json:
    """Return a remote cluster that is read whole."""
    return {
        "name": name,
        "ready": True,
        "connected": True,
        "config": {"required": True, "retrieved": True, "cluster-id": number},
        "synced": dict.fromkeys(("nodes", "endpoints", "identities", "services"), True),
    }


def probe(why: str = "") -> Json:
    """Return what an agent knows of one way."""
    leg = {"lastProbed": "2026-11-28T00:00:00Z", **({"status": why} if why else {})}
    return {"primary-address": {"icmp": leg, "http": leg}}


def node(name: str, address: str) -> Json:
    """Return a node."""
    return {
        "metadata": {"name": name},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


def interface(**off: bool) -> snapshot.Interface:
    """Return a network device that does all by itself."""
    features = dict.fromkeys((*offloads.PLAIN, *offloads.TUNNEL), True)
    return snapshot.Interface(name="eth0", driver="ena", features=features | off)


def site(name: str) -> snapshot.Site:
    """Return a healthy cluster."""
    number = CLUSTERS.index(name) + 1
    other = next(each for each in CLUSTERS if each != name)
    address, reached = f"10.64.{number}.1", f"10.64.{3 - number}.1"
    nodes = [{"name": f"{each}/{each}-1", "host": probe(), "health-endpoint": probe()} for each in CLUSTERS]
    status = {"cluster-mesh": {"clusters": [ready(other, 3 - number)]}}
    part = functools.partial(snapshot.Part, version=VERSION, ready=1, desired=1, updated=1)
    return snapshot.Site(
        cluster=name,
        context=name,
        live=imported.Live(
            name=name,
            pods=(prefix.parse(f"10.{number}.0.0/16"),),
            services=(prefix.parse(f"10.96.{number}.0/24"),),
        ),
        config={
            "cluster-name": name,
            "cluster-id": str(number),
            "mtu": "1400",
            "routing-mode": "tunnel",
            "tunnel-protocol": "vxlan",
            "policy-default-local-cluster": "true",
        },
        nodes=(node(f"{name}-1", address),),
        parts={
            "agents": part(workload="cilium"),
            "operator": part(workload="cilium-operator"),
            "mesh": part(workload="clustermesh-apiserver"),
        },
        service={"spec": {"type": "NodePort", "ports": [{"port": 2379, "nodePort": 32379}]}},
        secrets={
            **certificates(name),
            "cilium-kvstoremesh": {"data": {other: peer(other, reached)}},
            "cilium-clustermesh": {"data": {other: peer(other, "10.96.0.1", port=2379)}},
        },
        users={"data": {"users.yaml": yaml.safe_dump({"users": [{"name": f"remote-{other}"}]})}},
        agents=(
            snapshot.Agent(
                pod="cilium-1", node=f"{name}-1", version=VERSION, status=status, health={"nodes": nodes},
                mtus={"cilium_host": 1400, "eth0": 1500},
            ),
        ),
        interfaces={f"{name}-1": (interface(),)},
        kvstoremesh=(ready(other, 3 - number),),
        services=(service(),),
        backends={"shop/orders": (pod(),)},
        namespaces=({"metadata": {"name": "shop"}},),
        server=f"{address}:6443",
    )  # fmt: skip


def service(**annotations: str) -> Json:
    """Return the global service of the scene, with other annotations."""
    notes = {"service.cilium.io/global": "true", **annotations}
    return {
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": "orders", "annotations": notes},
        "spec": {"selector": {"app": "orders"}, "ports": [{"name": "http", "port": 80}]},
    }


def pod(**labels: str) -> Json:
    """Return a pod behind it."""
    return {"metadata": {"namespace": "shop", "name": "orders-1", "labels": {"app": "orders", **labels}}}


def mesh(**changes: Any) -> snapshot.Snapshot:
    """Return the scene; `west` and `east` change their clusters, everything else the snapshot."""
    sites = {name: dataclasses.replace(site(name), **changes.pop(name, {})) for name in CLUSTERS}
    planned = snapshot.Planned(folder="shop", ids={"west": 1, "east": 2}, mtu=1400)
    return snapshot.Snapshot(**{"sites": sites, "now": NOW, "planned": planned, **changes})


def config(name: str, **keys: str) -> Json:
    """Return a change of a cluster's cilium-config."""
    found = site(name).config
    assert isinstance(found, dict)
    return {"config": {**found, **{key.replace("_", "-"): value for key, value in keys.items()}}}


def secrets_of(name: str) -> dict[str, Json]:
    """Return the Secrets of a healthy cluster."""
    found = site(name).secrets
    assert isinstance(found, dict)
    return found


def live_of(name: str) -> imported.Live:
    """Return the network of a healthy cluster."""
    found = site(name).live
    assert found is not None
    return found


def secret(name: str, **data: Json | None) -> Json:
    """Return a change of a cluster's Secrets."""
    found = secrets_of(name)
    return {"secrets": {**found, **{key.replace("_", "-"): value for key, value in data.items()}}}


def codes(seen: snapshot.Snapshot) -> set[tuple[int, str, str | None]]:
    """Return trouble, code and cluster of everything that is found."""
    return {
        (each.trouble, each.finding.code, each.finding.cluster) for each in checks.examine(seen).diagnoses
    }
