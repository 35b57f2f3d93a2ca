"""Reads how the network of every cluster stands, and the operation on it.

Nothing is changed, and one silent cluster hides no other.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from isthmus.analysis import addresses, components
from isthmus.clients import kinds
from isthmus.engine import operations
from isthmus.engine import world as worlds
from isthmus.engine.connect import draft, look
from isthmus.engine.connect import istio as istios
from isthmus.mesh import istiod, readers
from isthmus.mesh import remotes as flat
from isthmus.mesh.trust import intermediate, judge, leaves, secrets
from isthmus.model import errors
from isthmus.model import fleet as fleets
from isthmus.rollout.connect import closings, facts, gateways, istio, meshstate, peers, state, system

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography import x509

    from isthmus.clients import kube
    from isthmus.model import finding

Json = dict[str, Any]

WORKLOADS = {
    "agents": (kinds.DAEMON_SET, "cilium"),
    "operator": (kinds.DEPLOYMENT, "cilium-operator"),
    "mesh": (kinds.DEPLOYMENT, look.SERVICE),
    "relay": (kinds.DEPLOYMENT, "hubble-relay"),
}
ASKING = 20.0
"""Seconds for one page of istiod."""


async def states(
    world: worlds.World,
    known: fleets.Fleet,
    *,
    roots: Sequence[x509.Certificate],
    is_stated: bool,
    istio_roots: Sequence[x509.Certificate] = (),
) -> dict[str, state.State]:
    """Return how each cluster stands; a Fleet that is not `is_stated` was made up from contexts alone."""
    seen, meshes = await asyncio.gather(look.look(world, known), istios.look(world, known))

    async def one(name: str) -> state.State:
        found = await _state(world, known, name, seen, roots=roots, is_stated=is_stated)
        primary = flat.primary_of(known, known.cluster(name)) or name
        rules = meshes.get(primary, meshes[name])
        return await _with_istio(world, known, found, meshes[name], istio_roots, rules=rules)

    found = await worlds.each(tuple(seen), one)
    return {
        name: state.State(cluster=name, error=world.secrets.clean(str(each)))
        if isinstance(each, errors.IsthmusError)
        else each
        for name, each in found.items()
    }


def findings(
    world: worlds.World, known: fleets.Fleet, states: Mapping[str, state.State]
) -> tuple[finding.Finding, ...]:
    """Return what is wrong in each cluster, with Cilium and with Istio."""
    here = {name: one.facts for name, one in states.items() if one.facts is not None}
    said = {name: one.told for name, one in states.items() if one.told is not None}
    configs = {name: one.config for name, one in states.items() if not one.error}
    absent = {
        each.name: istio.Facts(cluster=each.name, error="not asked")
        for each in known.clusters
        if each.name not in here
    }
    of_istio = meshstate.judge(known, {**absent, **here}, said, configs, now=world.clock.now())
    return (*state.judge_all(states), *of_istio)


async def _with_istio(
    world: worlds.World,
    known: fleets.Fleet,
    found: state.State,
    seen: istio.Facts,
    roots: Sequence[x509.Certificate],
    *,
    rules: istio.Facts,
) -> state.State:
    """Return the state with that of Istio, where there is any; `rules` is the cluster whose policies hold."""
    if found.error or seen.error or not (seen.deployment or seen.releases or seen.cacerts):
        return dataclasses.replace(found, facts=None if found.error else seen)
    name = found.cluster if found.cluster in known.by_name else seen.cluster
    said = await _told(world, name) if seen.deployment is not None else istiod.Told()
    is_member = any(each.name == name for each in istio.members(known))
    is_remote = is_member and flat.is_remote(known, known.cluster(name))
    wanted = intermediate.name(known.name, name) if is_member and istio.names_authorities(known) else ""
    own = intermediate.judge(wanted, seen.cacerts, roots=roots, now=world.clock.now())
    return dataclasses.replace(
        found,
        istio=state.Istio(
            releases=seen.releases,
            ours=seen.ours,
            istiod=components.of(seen.deployment),
            authority=own if (is_member and not is_remote) or seen.cacerts else None,
            is_strict=closings.is_strict(rules),
            primary=flat.primary_of(known, known.cluster(name)) if is_remote else None,
            remotes=meshstate.remotes(known, seen, said),
            network=gateways.network(seen),
            gateway=components.of(seen.gateway),
            reached=gateways.reached(known, seen),
            gateways=said.gateways,
            error=said.error,
        ),
        facts=seen,
        told=said,
    )


async def _told(world: worlds.World, name: str) -> istiod.Told:
    """Ask one istiod, from inside its pod."""
    server = world.cluster(name)
    try:
        pods = await server.list(kinds.POD, readers.NAMESPACE, labels="app=istiod")
        running = [each for each in pods if (each.get("status") or {}).get("phase") == "Running"]
        if not running:
            return istiod.Told(error="none of its pods runs")
        pod = str(running[0]["metadata"]["name"])
        pages = await asyncio.gather(*(_page(server, pod, words) for words in istiod.REQUESTS))
        return istiod.parse(*map(json.loads, pages))
    except errors.IsthmusError as error:
        return istiod.Told(error=world.secrets.clean(error.brief))
    except ValueError as error:
        return istiod.Told(error=str(error))


async def _page(server: kube.Cluster, pod: str, words: Sequence[str]) -> str:
    done = await server.run(readers.NAMESPACE, pod, words, container="discovery", seconds=ASKING)
    return done.stdout.decode(errors="replace")


async def operation(world: worlds.World, voters: Sequence[tuple[str, str]]) -> Json:
    """Return the newest operation on the network and who holds its lock; `error` without a majority."""
    body: Json = {"operation": None, "lock": None, "error": None}
    try:
        found = await operations.all_of(world, voters, system.NAMESPACE, system.NAME)
        holder = await operations.holder(world, voters, system.NAMESPACE, system.NAME)
    except errors.UnreachableError as error:
        return {**body, "error": str(error)}
    if found:
        body["operation"] = found[-1].to_json()
    if holder.holder is not None:
        body["lock"] = {
            "holder": str(holder.holder),
            "since": holder.since,
            "clusters": list(holder.clusters),
        }
    return body


async def _state(
    world: worlds.World,
    known: fleets.Fleet,
    name: str,
    seen: Mapping[str, facts.Facts],
    *,
    roots: Sequence[x509.Certificate],
    is_stated: bool,
) -> state.State:
    here, server = seen[name], world.cluster(name)
    if here.error:
        return state.State(cluster=name, error=here.error)
    *bodies, config, mesh = await asyncio.gather(
        *(server.get(kind, label, system.NAMESPACE) for kind, label in WORKLOADS.values()),
        server.get(kinds.CONFIG_MAP, "cilium-config", system.NAMESPACE),
        server.get(kinds.SECRET, "cilium-kvstoremesh", system.NAMESPACE),
    )
    told = state.settings(config)
    cluster = known.cluster(name)
    if not is_stated:
        cluster = cluster.model_copy(update={"name": told.get("cluster-name", name)})
    parts = {
        part: components.of(body) for part, body in zip(WORKLOADS, bodies, strict=True) if body is not None
    }
    wanted = (
        draft.wanted(known, cluster, here)
        if is_stated
        else leaves.of(cluster, is_meshed="mesh" in parts, hubble="relay" in parts)
    )
    return state.State(
        cluster=name,
        release=here.release,
        is_ours=here.is_ours,
        components=parts,
        settings=told,
        config=dict((config or {}).get("data") or {}),
        certificates=_judged(wanted, here, roots, world) if here.release is not None else (),
        peers=_peers(known, cluster, seen, addresses.configured(mesh), is_stated=is_stated),
    )


def _judged(
    wanted: Sequence[leaves.Leaf],
    here: facts.Facts,
    roots: Sequence[x509.Certificate],
    world: worlds.World,
) -> tuple[judge.Certificate, ...]:
    found = []
    for leaf in wanted:
        secret = here.secrets.get(leaf.secret)
        judged = judge.judge(leaf, secret, roots=roots, now=world.clock.now())
        found.append(dataclasses.replace(judged, is_ours=secrets.is_ours(secret)))
    return tuple(found)


def _peers(
    known: fleets.Fleet,
    cluster: fleets.Cluster,
    seen: Mapping[str, facts.Facts],
    configured: Mapping[str, tuple[str, ...]],
    *,
    is_stated: bool,
) -> tuple[state.PeerState, ...]:
    if not is_stated:
        return tuple(state.PeerState(cluster=name, configured=found) for name, found in configured.items())
    wanted = peers.of(known, cluster, seen)
    names = [each.name for each in known.clusters if each.name != cluster.name]
    names += [name for name in configured if name not in names and name != cluster.name]
    return tuple(
        state.PeerState(
            cluster=name,
            configured=configured.get(name, ()),
            wanted=state.wanted(wanted[name]) if name in wanted else None,
        )
        for name in names
    )
