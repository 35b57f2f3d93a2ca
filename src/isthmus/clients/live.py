"""Reads what a live cluster says of its own network: nodes, ranges, Cilium, Istio.

It changes nothing. A part that the user may not read is a finding and hides no other; what the objects mean
is in `network.imports`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds
from isthmus.model import errors
from isthmus.network.imports import cluster as clusters
from isthmus.network.imports import objects

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from isthmus.clients import kube
    from isthmus.network import imported

Json = dict[str, Any]
SERVICE_RANGE = ("networking.k8s.io/v1", "networking.k8s.io/v1beta1")
"""Versions that serve ServiceCIDR, newest first: v1 since Kubernetes 1.33, v1beta1 since 1.31."""


async def read(server: kube.Cluster, context: str) -> imported.Live:
    """Return one cluster as it is; UnreachableError when it does not answer."""
    return clusters.live(await read_objects(server, context))


async def read_objects(server: kube.Cluster, context: str) -> objects.Objects:
    """Return what tells of the network of one cluster; UnreachableError when it does not answer."""
    parts = _Parts(server)
    try:
        found = await _objects(parts, context)
        if not found.states_services():
            found = found.with_services(await parts.many(kinds.SERVICE))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return found


async def _objects(parts: _Parts, context: str) -> objects.Objects:
    """Ask for all parts at once; the first that fails ends the others."""
    system, istio = objects.SYSTEM, objects.ISTIO
    async with asyncio.TaskGroup() as group:
        home = group.create_task(parts.one(kinds.NAMESPACE, system))
        nodes = group.create_task(parts.many(kinds.NODE))
        agents = group.create_task(parts.many(kinds.DAEMON_SET, system, labels="k8s-app=cilium"))
        cilium = group.create_task(parts.one(kinds.CONFIG_MAP, "cilium-config", system))
        kubeadm = group.create_task(parts.one(kinds.CONFIG_MAP, "kubeadm-config", system))
        control = group.create_task(parts.many(kinds.POD, system, labels="tier=control-plane"))
        gateway = group.create_task(parts.one(kinds.SERVICE, "clustermesh-apiserver", system))
        mesh = group.create_task(parts.many(kinds.CONFIG_MAP, istio))
        istiod = group.create_task(parts.many(kinds.DEPLOYMENT, istio, labels="app=istiod"))
        ztunnel = group.create_task(parts.one(kinds.DAEMON_SET, "ztunnel", istio))
        istio_home = group.create_task(parts.one(kinds.NAMESPACE, istio))
        ranges = group.create_task(parts.service_ranges())
    return objects.Objects(
        context=context,
        system=home.result(),
        nodes=nodes.result(),
        agents=agents.result(),
        cilium=cilium.result(),
        kubeadm=kubeadm.result(),
        control=control.result(),
        gateway=gateway.result(),
        mesh=mesh.result(),
        istiod=istiod.result(),
        ztunnel=ztunnel.result(),
        istio_home=istio_home.result(),
        service_ranges=ranges.result(),
        denied=parts.denied,  # grows while Services are listed
    )


async def read_all(
    servers: Mapping[str, kube.Cluster],
) -> tuple[tuple[imported.Live, ...], dict[str, errors.IsthmusError]]:
    """Return the clusters that answer, by context, and for the others why they do not."""

    async def one(context: str) -> imported.Live | errors.IsthmusError:
        try:
            return await read(servers[context], context)
        except errors.IsthmusError as error:
            return error

    answers = dict(zip(servers, await asyncio.gather(*(one(each) for each in servers)), strict=True))
    lives = tuple(each for each in answers.values() if not isinstance(each, errors.IsthmusError))
    return lives, {key: each for key, each in answers.items() if isinstance(each, errors.IsthmusError)}


class _Parts:
    """Reads the parts of one cluster, and notes those that it refuses."""

    def __init__(self, server: kube.Cluster) -> None:
        self._server = server
        self.denied: dict[str, str] = {}

    async def one(self, kind: kinds.Kind, name: str, namespace: str | None = None) -> Json | None:
        where = f"{namespace}/{name}" if namespace else name
        found: Json | None = await self._tried(
            f"{kind.kind} {where}", self._server.get(kind, name, namespace), None
        )
        return found

    async def many(
        self, kind: kinds.Kind, namespace: str | None = None, *, labels: str = ""
    ) -> tuple[Json, ...]:
        what = f"{kind.plural} of {namespace}" if namespace else f"all {kind.plural}"
        return tuple(await self._tried(what, self._server.list(kind, namespace, labels=labels), []))

    async def service_ranges(self) -> tuple[Json, ...]:
        for version in SERVICE_RANGE:
            kind = await self._tried(
                f"kinds of {version}", self._server.resolve(version, "ServiceCIDR"), None
            )
            if kind is not None:
                return await self.many(kind)
        return ()

    async def _tried(self, what: str, asked: Awaitable[Any], otherwise: Any) -> Any:
        try:
            return await asked
        except errors.UnauthenticatedError:
            raise  # nothing else will be answered
        except errors.DeniedError as error:
            self.denied[what] = error.why or error.what
            return otherwise
