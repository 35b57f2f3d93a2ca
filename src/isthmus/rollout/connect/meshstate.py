"""How Istio of one cluster stands, as its objects and istiod itself say: releases, remotes, tokens, mTLS.

Pure: what was read comes in. Whether a call between pods is mTLS is not known from here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from isthmus.mesh import istio as istios
from isthmus.mesh import istiod, readers
from isthmus.mesh import remotes as flat
from isthmus.model import finding, plan
from isthmus.rollout.connect import closings, gateways, istio

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from isthmus.model import fleet

Json = dict[str, Any]

EXCLUSIVE, HOST_ONLY, REPLACED = "cni-exclusive", "bpf-lb-sock-hostns-only", "kube-proxy-replacement"
"""Keys of ConfigMap cilium-config that decide whether Istio works (Cilium 1.20)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remote:
    """How the istiod of a cluster reads another one."""

    cluster: str
    state: str | None
    """As istiod says; None where it does not list it."""
    endpoints: int
    server: str
    ends: dt.datetime | None
    is_ours: bool

    @property
    def is_read(self) -> bool:
        """Say whether istiod has that cluster's endpoints."""
        return istiod.is_read(self.state, self.endpoints)

    def to_json(self, now: dt.datetime) -> Json:
        """Return the public JSON form."""
        return {
            "cluster": self.cluster,
            "state": self.state,
            "read": self.is_read,
            "endpoints": self.endpoints,
            "server": self.server or None,
            "ends": f"{self.ends:%Y-%m-%dT%H:%M:%SZ}" if self.ends else None,
            "days": (self.ends - now).days if self.ends else None,
            "ours": self.is_ours,
        }


def remotes(known: fleet.Fleet, facts: istio.Facts, said: istiod.Told) -> tuple[Remote, ...]:
    """Return how a cluster reads each other one: those of the Fleet, and whatever else it has."""
    names = [each.name for each in istio.members(known) if each.name != facts.cluster]
    if facts.cluster not in flat.primaries(known):
        names = []
    names += [name for name in (*facts.remotes, *said.states) if name not in {*names, facts.cluster}]
    found = []
    for name in dict.fromkeys(names):
        body = facts.remotes.get(name)
        seen = readers.read(name, body) if body is not None else readers.Remote(cluster=name)
        found.append(
            Remote(
                cluster=name,
                state=said.states.get(name),
                endpoints=said.endpoints.get(name, 0),
                server=seen.server,
                ends=seen.ends,
                is_ours=seen.is_ours,
            )
        )
    return tuple(found)


def judge(
    known: fleet.Fleet,
    seen: Mapping[str, istio.Facts],
    said: Mapping[str, istiod.Told],
    configs: Mapping[str, Mapping[str, str]],
    *,
    now: dt.datetime,
) -> Iterator[finding.Finding]:
    """Yield what is wrong with Istio in each cluster of the Fleet that has it; `configs` are Cilium's."""
    here = []
    for each in istio.members(known):
        if not seen[each.name].error:
            here.append(each.name)
        elif each.name in configs:
            words = f"Istio could not be looked at: {seen[each.name].error}"
            yield _error("istio-not-asked", words, each.name, "isthmus permissions connect status")
    for name in here:
        yield from _of_cluster(known, name, seen, said.get(name, istiod.Told()), configs.get(name, {}))
    for left in closings.of(known, here, seen, now=now):
        yield from _left(left, seen, now)


def _of_cluster(
    known: fleet.Fleet,
    name: str,
    seen: Mapping[str, istio.Facts],
    told: istiod.Told,
    config: Mapping[str, str],
) -> Iterator[finding.Finding]:
    one = seen[name]
    for release in istio.releases_of(known):
        if release not in one.releases:
            yield _error("istio-not-installed", f"Helm has no release `{release}` here", name)
        elif not one.releases[release].is_deployed:
            words = f"release {release} is {one.releases[release].status}"
            yield _error("release-not-deployed", words, name, "isthmus connect resume, or abort")
    yield from _beside_cilium(known, one, config)
    yield from closings.plain(name, one)
    if one.deployment is not None:
        yield from _unread(known, one, told)
    yield from _of_remote(known, one)
    if one.deployment is not None and not told.error:
        yield from gateways.judge(known, one, seen, told.gateways)


def _of_remote(known: fleet.Fleet, one: istio.Facts) -> Iterator[finding.Finding]:
    """Yield what keeps a cluster without an istiod from that of its primary."""
    cluster = known.cluster(one.cluster)
    if flat.is_remote(known, cluster) and not flat.is_ours(one.service):
        yield _error(
            "istiod-not-reached",
            f"there is no Service {readers.NAMESPACE}/{flat.SERVICE} that leads to the istiod of "
            f"{flat.primary_of(known, cluster)}",
            one.cluster,
        )


def _unread(known: fleet.Fleet, one: istio.Facts, said: istiod.Told) -> Iterator[finding.Finding]:
    if said.error:
        yield _error(
            "istiod-not-asked",
            f"istiod does not say what it reads: {said.error}",
            one.cluster,
            "kubectl -n istio-system get pods -l app=istiod",
            severity=finding.Severity.WARNING,
        )
        return
    wanted = {each.name for each in istio.members(known)}
    for remote in remotes(known, one, said):
        if remote.cluster in wanted and not remote.is_read:
            state = f"its state is `{remote.state}`" if remote.state else "istiod does not list it"
            yield _error(
                "remote-not-read",
                f"istiod has no endpoints of {remote.cluster}: {state}",
                one.cluster,
                f"reach {remote.server or 'its API server'} from here; then isthmus connect up",
            )


def _left(left: plan.Closing, seen: Mapping[str, istio.Facts], now: dt.datetime) -> Iterator[finding.Finding]:
    if left.remote is None:
        yield _error(
            "mtls-not-strict", f"PeerAuthentication {left.namespace}/{left.name}: {left.why}", left.cluster
        )
        return
    body = seen[left.cluster].remotes.get(left.remote)
    ends = readers.read(left.remote, body).ends if body is not None else None
    is_late = ends is None or ends - now < readers.URGENT or "token" not in left.why
    yield _error(
        "remote-secret",
        f"Secret {left.namespace}/{left.name}: {'there is none' if body is None else left.why}",
        left.cluster,
        severity=finding.Severity.ERROR if is_late else finding.Severity.WARNING,
    )


def _beside_cilium(
    known: fleet.Fleet, one: istio.Facts, config: Mapping[str, str]
) -> Iterator[finding.Finding]:
    """Yield where Cilium and Istio would stand in each other's way, as the agents are told."""
    if config.get(EXCLUSIVE) == "true":
        yield _error(
            "cilium-excludes-istio",
            "Cilium is told `cni.exclusive: true`, which renames Istio's CNI configuration away",
            one.cluster,
        )
    if config.get(REPLACED) == "true" and config.get(HOST_ONLY) != "true":
        yield _error(
            "cilium-before-sidecar",
            "Cilium replaces kube-proxy without `socketLB.hostNamespaceOnly`: a ClusterIP is resolved before "
            "the sidecar sees it, so nothing is mTLS (cilium#16583)",
            one.cluster,
        )
    pod = istio.dig(one.deployment, "spec", "template", "spec")
    needs_host = istios.needs_host_network(known, known.cluster(one.cluster))
    if one.deployment is not None and needs_host and not istio.dig(pod, "hostNetwork"):
        yield _error(
            "istiod-off-host",
            "istiod is not on the host network: an API server outside of the overlay cannot reach it",
            one.cluster,
            severity=finding.Severity.WARNING,
        )


def _error(
    code: str,
    message: str,
    cluster: str,
    remedy: str = "isthmus connect up",
    *,
    severity: finding.Severity = finding.Severity.ERROR,
) -> finding.Finding:
    return finding.Finding(code=code, severity=severity, message=message, remedy=remedy, cluster=cluster)
