"""How the network of one cluster stands, as its objects say: components, certificates, peers.

Pure: live objects come in. Whether packets pass is not known from here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from isthmus.analysis import addresses, components, trust
from isthmus.model import finding

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from isthmus.mesh import cilium, istiod
    from isthmus.mesh.trust import judge
    from isthmus.rollout import release as releases
    from isthmus.rollout.connect import istio as istios
    from isthmus.rollout.connect import meshstate

Json = dict[str, Any]

COMPONENTS: Final = ("agents", "operator", "mesh", "relay")
SETTINGS: Final = ("cluster-name", "cluster-id", "mtu", "routing-mode", "tunnel-protocol", "enable-wireguard")
"""Keys of ConfigMap cilium-config that are shown (Cilium 1.20 templates/cilium-configmap.yaml)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeerState:
    """Where a cluster reaches another: as it is configured, and as the Fleet wants it (None: unknown)."""

    cluster: str
    configured: tuple[str, ...] = ()
    wanted: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Istio:
    """Istio of one cluster: its releases, the ones of ours among them, istiod, whom it reads, its gateway."""

    releases: Mapping[str, releases.Release]
    ours: frozenset[str]
    istiod: components.Component | None
    is_strict: bool
    authority: judge.Certificate | None
    """What istiod signs with."""
    remotes: tuple[meshstate.Remote, ...]
    primary: str | None = None
    """The cluster whose istiod it uses; None where it has its own."""
    network: str | None = None
    gateway: components.Component | None = None
    reached: tuple[str, ...] = ()
    """Where other networks reach its east-west gateway."""
    gateways: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Where istiod sends what goes to each network."""
    error: str = ""

    def to_json(self, now: dt.datetime) -> Json:
        """Return the public JSON form."""
        return {
            "releases": {
                name: _release(found, is_ours=name in self.ours) for name, found in self.releases.items()
            },
            "istiod": _component(self.istiod),
            "primary": self.primary,
            "strict": self.is_strict,
            "remotes": [each.to_json(now) for each in self.remotes],
            "network": self.network,
            "gateway": {**dataclasses.asdict(self.gateway), "reached": list(self.reached)}
            if self.gateway is not None
            else None,
            "gateways": {network: list(found) for network, found in self.gateways.items()},
            "error": self.error or None,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class State:
    """One cluster; with `error` nothing else is known."""

    cluster: str
    error: str = ""
    release: releases.Release | None = None
    is_ours: bool = False
    components: Mapping[str, components.Component | None] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    certificates: tuple[judge.Certificate, ...] = ()
    peers: tuple[PeerState, ...] = ()
    config: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """All of ConfigMap cilium-config."""
    istio: Istio | None = None
    facts: istios.Facts | None = None
    told: istiod.Told | None = None
    """What the cluster and its istiod said, from which that follows."""

    @property
    def all_certificates(self) -> tuple[judge.Certificate, ...]:
        """Those of ClusterMesh and Hubble, and Istio's authority."""
        own = self.istio.authority if self.istio is not None else None
        return (*self.certificates, *((own,) if own is not None else ()))

    def to_json(self, now: dt.datetime) -> Json:
        """Return the public JSON form."""
        return {
            "cluster": self.cluster,
            "error": self.error or None,
            "release": _release(self.release, is_ours=self.is_ours),
            **{name: _component(self.components.get(name)) for name in COMPONENTS},
            "settings": dict(self.settings),
            "certificates": [each.to_json(now) for each in self.all_certificates],
            "peers": [dataclasses.asdict(each) for each in self.peers],
            "istio": self.istio.to_json(now) if self.istio is not None else None,
        }


def settings(config: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what agents are told, as far as it is shown."""
    data = (config or {}).get("data") or {}
    return {key: str(data[key]) for key in SETTINGS if key in data}


def wanted(peer: cilium.Peer) -> tuple[str, ...]:
    """Return the addresses of a peer as HOST:PORT."""
    return tuple(sorted(addresses.joined(host, peer.port) for host in peer.ips or (peer.address,)))


def judge_all(states: Mapping[str, State]) -> Iterator[finding.Finding]:
    """Yield what is wrong in each cluster."""
    for name, one in states.items():
        if one.error:
            yield components.silent(name, one.error)
            continue
        if one.release is None:
            yield _finding(
                "not-connected", "Cilium is not installed here by Helm", "isthmus connect up", name
            )
            continue
        yield from _parts(name, one)
        yield from trust.of_certificates(name, one.all_certificates)


def _parts(name: str, one: State) -> Iterator[finding.Finding]:
    if one.release is not None and not one.release.is_deployed:
        yield _finding(
            "release-not-deployed",
            f"the release is {one.release.status} at revision {one.release.revision}",
            "isthmus connect resume goes on, isthmus connect abort takes it back",
            name,
        )
    parts = {**one.components}
    if one.istio is not None:
        parts |= {"istiod": one.istio.istiod, "gateway": one.istio.gateway}
    for part, seen in parts.items():
        if seen is not None and not seen.is_whole:
            yield components.not_ready(name, part, seen)
    for peer in one.peers:
        if peer.wanted is not None and peer.wanted != peer.configured:
            now = ", ".join(peer.configured) or "nowhere"
            message = f"reaches {peer.cluster} at {now}, and it is at {', '.join(peer.wanted)}"
            yield _finding("peer-differs", message, "isthmus connect up", name)


def _finding(code: str, message: str, remedy: str, cluster: str) -> finding.Finding:
    return finding.Finding(
        code=code,
        severity=finding.Severity.ERROR,
        message=message,
        remedy=remedy,
        cluster=cluster,
    )


def _release(found: releases.Release | None, *, is_ours: bool) -> Json | None:
    if found is None:
        return None
    return {
        "revision": found.revision,
        "status": found.status,
        "chart": f"{found.chart}-{found.chart_version}",
        "modified": found.modified[:19],
        "ours": is_ours,
    }


def _component(found: components.Component | None) -> Json | None:
    return dataclasses.asdict(found) if found is not None else None
