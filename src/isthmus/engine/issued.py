"""Waits until cert-manager has issued what a step asked it for, and holds that to the Fleet's root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.clients import kinds
from isthmus.mesh.trust import managed
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.clients import kube
    from isthmus.engine import clock as clocks

Json = dict[str, Any]

EVERY = 0.5
TELL = 10.0


async def wait(
    server: kube.Cluster,
    body: Json,
    *,
    clock: clocks.Clock,
    seconds: float,
    say: Callable[[str], None],
) -> None:
    """Return when a Certificate is issued; DeadlineError with cert-manager's own words when it is not."""
    meta, end, told = body["metadata"], clock.monotonic() + seconds, 0.0
    where = f"Certificate {meta['namespace']}/{meta['name']}"
    while why := managed.progress(await server.get(kinds.CERTIFICATE, meta["name"], meta["namespace"])):
        if clock.monotonic() >= end:
            raise errors.DeadlineError(
                f"cert-manager did not issue {where} within {seconds:.0f} s",
                where=server.name,
                why=await _request(server, meta) or why,
                remedy=f"kubectl --context {server.name} -n {meta['namespace']} describe certificate "
                f"{meta['name']}",
            )
        if clock.monotonic() >= told:
            say(f"waiting for {where}: {why}")
            told = clock.monotonic() + TELL
        await clock.sleep(EVERY)
    secret = await server.get(kinds.SECRET, body["spec"]["secretName"], meta["namespace"])
    if wrong := managed.misplaced(body, secret):
        raise errors.ConflictError(
            f"what cert-manager issued for {where} does not do",
            where=server.name,
            why=wrong,
            remedy="give the issuer a certificate below that root, with the chain up to it in its Secret; or "
            "name the other root in `trust`",
        )


async def _request(server: kube.Cluster, meta: Json) -> str:
    """Return what the issuer says of the newest request for a Certificate; empty where nothing is known."""
    try:
        found = await server.list(kinds.CERTIFICATE_REQUEST, meta["namespace"])
    except errors.DeniedError:
        return ""
    return managed.answer(found, str(meta["name"]))


async def standing(server: kube.Cluster, namespace: str) -> managed.Standing | None:
    """Return the Certificates (the objects) of a namespace by name, None where cert-manager is not there.

    Who only reads may not see them, and needs them for nothing but what to write.
    """
    kind = kinds.CERTIFICATE
    if await server.resolve(kind.api_version, kind.kind) is None:
        return None
    try:
        found = await server.list(kind, namespace)
    except errors.DeniedError:
        return {}
    return {str(each["metadata"]["name"]): each for each in found}
