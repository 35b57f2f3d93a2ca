"""What is written at the end of `connect up`, when every istiod stands: who reads whom, and mTLS for all.

Pure: what the clusters say comes in. Tokens that are good are kept; what is not ours is left as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from isthmus.mesh import readers, remotes
from isthmus.mesh.trust import secrets
from isthmus.model import finding, plan
from isthmus.model import mesh as meshes
from isthmus.rollout.connect import istio

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator, Mapping

    from isthmus.model import fleet

Json = dict[str, Any]

SECRET, POLICY = "Secret", "PeerAuthentication"
PLAIN: Final = frozenset({"PERMISSIVE", "DISABLE"})
"""Modes in which a pod takes plain traffic (Istio security/v1 PeerAuthentication)."""


def of(
    known: fleet.Fleet,
    chosen: Collection[str],
    seen: Mapping[str, istio.Facts],
    *,
    now: dt.datetime,
    adopt: bool = False,
) -> tuple[plan.Closing, ...]:
    """Return what is left to write at the end in the clusters that are chosen."""
    here = {each.name: seen[each.name] for each in istio.members(known)}
    found, reading = list[plan.Closing](), remotes.primaries(known)
    for name, one in here.items():
        if name in chosen and name in reading and not one.error:
            found += _reading(name, here, chosen, now=now, adopt=adopt)
            found += _policy(known, one, adopt=adopt)
    return tuple(found)


def findings(
    known: fleet.Fleet, chosen: Collection[str], seen: Mapping[str, istio.Facts]
) -> Iterator[finding.Finding]:
    """Yield where one cluster does not read another although the Fleet wants it, and plain traffic."""
    here = {each.name: seen[each.name] for each in istio.members(known)}
    for name, one in here.items():
        if one.error:
            continue
        for remote, other in here.items() if name in remotes.primaries(known) else ():
            if remote != name and _is_later(name, remote, here, chosen):
                yield _about(
                    "reader-later",
                    finding.Severity.INFO,
                    f"istiod does not read {remote} yet"
                    + (f": {remote} does not answer" if other.error else ""),
                    f"isthmus connect up --only {remote},{name}",
                    name,
                )
        if name in chosen:
            yield from plain(name, one)


def _is_later(name: str, remote: str, here: Mapping[str, istio.Facts], chosen: Collection[str]) -> bool:
    """Say whether this operation leaves a cluster not reading another one, with which it has to do."""
    if remote in here[name].remotes:
        return False
    if name in chosen:
        return not _is_readable(name, remote, here[remote], chosen)
    return remote in chosen


def plain(name: str, one: istio.Facts) -> Iterator[finding.Finding]:
    """Yield each policy of a cluster by which pods of the mesh take plain traffic."""
    for body in one.policies:
        meta, spec = body["metadata"], body.get("spec") or {}
        ports = spec.get("portLevelMtls") or {}
        loose = sorted(str(port) for port, mtls in ports.items() if (mtls or {}).get("mode") in PLAIN)
        if readers.mode(body) in PLAIN or loose:
            what = f"on port {', '.join(loose)}" if loose else f"(mode {readers.mode(body)})"
            yield _about(
                "plain-traffic",
                finding.Severity.WARNING,
                f"PeerAuthentication {meta['namespace']}/{meta['name']} lets pods take plain traffic {what}",
                "make it STRICT, or take it out, once every caller has a sidecar",
                name,
            )


def is_strict(one: istio.Facts) -> bool:
    """Say whether mTLS alone is what the mesh takes where no narrower policy says otherwise."""
    found = _standing(one)
    return found is not None and readers.mode(found) == readers.STRICT


def _reading(
    name: str,
    here: Mapping[str, istio.Facts],
    chosen: Collection[str],
    *,
    now: dt.datetime,
    adopt: bool,
) -> Iterator[plan.Closing]:
    one = here[name]
    for remote, other in here.items():
        if remote == name or not _is_readable(name, remote, other, chosen):
            continue
        body = one.remotes.get(remote)
        why = "new" if body is None else _outdated(readers.read(remote, body), name, other, now, adopt=adopt)
        if why:
            yield plan.Closing(
                cluster=name,
                verb=plan.Verb.CREATE if body is None else plan.Verb.UPDATE,
                kind=SECRET,
                namespace=readers.NAMESPACE,
                name=readers.name(remote),
                remote=remote,
                server=other.server,
                why=why,
            )
    for remote, body in one.remotes.items():
        if remote not in here and secrets.is_ours(body):
            yield plan.Closing(
                cluster=name,
                verb=plan.Verb.DELETE,
                kind=SECRET,
                namespace=readers.NAMESPACE,
                name=readers.name(remote),
                remote=remote,
                why=f"{remote} has no Istio in this Fleet",
            )


def _is_readable(name: str, remote: str, other: istio.Facts, chosen: Collection[str]) -> bool:
    """Say whether the account by which a cluster reads another is there, or comes with this operation."""
    return not other.error and (remote in chosen or name in other.accounts)


def _outdated(found: readers.Remote, name: str, other: istio.Facts, now: dt.datetime, *, adopt: bool) -> str:
    """Return why a remote Secret is written anew; empty where it is kept."""
    if not found.is_ours:
        return "taken over" if adopt else ""
    ends = f"its token ends at {found.ends:%Y-%m-%d}" if found.ends else "its token tells no end"
    reasons = {
        found.problem: bool(found.problem),
        f"its API server is at {other.server}": found.server != other.server,
        "its API server has another authority": found.authority != other.authority,
        "its account is a new one": other.accounts.get(name, found.account) != found.account,
        ends: found.ends is None or found.ends - now < readers.RENEW,
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _policy(known: fleet.Fleet, one: istio.Facts, *, adopt: bool) -> Iterator[plan.Closing]:
    stated = known.spec.mesh.istio if known.spec.mesh else None
    wanted = stated.mtls if stated else meshes.Mtls.STRICT
    live = _standing(one)
    is_ours = secrets.is_ours(live)
    verb = None
    if wanted is meshes.Mtls.STRICT and live is None:
        verb = plan.Verb.CREATE
    elif wanted is meshes.Mtls.STRICT and readers.mode(live or {}) != readers.STRICT and (is_ours or adopt):
        verb = plan.Verb.UPDATE
    elif wanted is meshes.Mtls.PERMISSIVE and is_ours:
        verb = plan.Verb.DELETE
    if verb is not None:
        why = "mTLS alone, for the whole mesh" if verb is not plan.Verb.DELETE else "mtls: permissive"
        yield plan.Closing(
            cluster=one.cluster,
            verb=verb,
            kind=POLICY,
            namespace=readers.NAMESPACE,
            name=readers.POLICY,
            why=why,
        )


def _standing(one: istio.Facts) -> Json | None:
    """Return the policy of the whole mesh that is there."""
    for body in one.policies:
        meta = body["metadata"]
        if (meta["namespace"], meta["name"]) == (readers.NAMESPACE, readers.POLICY):
            return body
    return None


def _about(code: str, severity: finding.Severity, message: str, remedy: str, cluster: str) -> finding.Finding:
    return finding.Finding(code=code, severity=severity, message=message, remedy=remedy, cluster=cluster)
