"""Trouble 6: packets that are too large for the way they take.

Cilium takes the MTU of the nodes' interfaces and knows nothing of the path between clusters, so only a probe
proves a path; what is configured is compared here as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.analysis import report
from isthmus.analysis.snapshot import Missing, Site, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TROUBLE: Final = 6
HOST: Final = "cilium_host"
"""The device that has the MTU which agents gave to pods (Cilium 1.20 pkg/mtu/mtu.go, DeviceMTU)."""


def check(seen: Snapshot) -> Iterator[report.Said]:
    """Yield MTUs that differ from the plan, from one another, or from what agents run with."""
    yield from _configured(seen)
    for site in seen.answering:
        yield from _running(site)
    yield from _probed(seen)


def _configured(seen: Snapshot) -> Iterator[report.Said]:
    """Compare each cluster's setting with the plan's, else with the others'."""
    stated = {site.cluster: _mtu(site) for site in seen.meshed}
    for site in seen.meshed:
        if isinstance(site.config, Missing):
            yield report.unchecked(TROUBLE, site, "the configured MTU", site.config)
            continue
        wanted = seen.planned.mtu if seen.planned else None
        now = stated[site.cluster]
        if wanted is not None and now != wanted:
            is_larger = now is None or now > wanted
            yield report.found(
                TROUBLE,
                "mtu-not-planned",
                site,
                f"`mtu` is {now or 'auto (that of the node)'}, the plan says {wanted}: "
                + (
                    "larger packets than the path takes vanish"
                    if is_larger
                    else "packets are smaller than need be"
                ),
                seen.up,
                severity=report.Severity.ERROR if is_larger else report.Severity.WARNING,
                kind="ConfigMap",
                name="cilium-config",
                evidence=(f"cilium-config mtu: {now or 0}",),
            )
    if seen.planned is None and len(set(stated.values())) > 1:
        words = ", ".join(f"{name} {mtu or 'auto'}" for name, mtu in stated.items())
        yield report.found(
            TROUBLE,
            "mtu-mixed",
            None,
            f"clusters have different MTUs ({words}): the larger ones may send what the smaller ones "
            "do not take",
            "set one MTU in all of them: `MTU` in Helm's values, or `network: {mtu: N}` and isthmus "
            "connect up",
            severity=report.Severity.WARNING,
            evidence=(words,),
        )


def _running(site: Site) -> Iterator[report.Said]:
    """Compare the devices of each node with the setting: an agent reads it when it starts."""
    if isinstance(site.agents, Missing):
        yield report.unchecked(TROUBLE, site, "MTUs of devices", site.agents)
        return
    wanted = _mtu(site)
    unread: dict[Missing, str] = {}
    for agent in site.agents:
        if isinstance(agent.mtus, Missing):
            unread.setdefault(agent.mtus, agent.node)
            continue
        has = agent.mtus.get(HOST)
        if wanted is not None and has is not None and has != wanted:
            yield report.found(
                TROUBLE,
                "mtu-not-applied",
                site,
                f"the agent of {agent.node} runs with MTU {has}, and cilium-config says {wanted}",
                f"kubectl --context {site.context or site.cluster} -n kube-system rollout restart "
                "daemonset/cilium",
                severity=report.Severity.WARNING,
                kind="Node",
                name=agent.node,
                evidence=(f"{HOST} {has}",),
            )
    for why, node in unread.items():
        yield report.unchecked(TROUBLE, site, f"MTUs of devices on {node}", why)


def _probed(seen: Snapshot) -> Iterator[report.Said]:
    if isinstance(seen.proofs, Missing):
        for site in seen.meshed if len(seen.meshed) > 1 else ():
            yield report.unchecked(TROUBLE, site, "the largest packet to other clusters", seen.proofs)
        return
    for proof in seen.proofs:
        if proof.leg != "packet":
            continue
        site = seen.sites[proof.source]
        if proof.state == "not-proved":
            yield report.unchecked(
                TROUBLE, site, f"the largest packet to {proof.target}", Missing(why=proof.why)
            )
        elif proof.state == "failed" and "largest" in proof.figures:
            yield _vanishing(site, proof.target, proof.figures, proof.why)


def _vanishing(site: Site, target: str, figures: Mapping[str, float], why: str) -> report.Diagnosis:
    largest, planned = int(figures["largest"]), int(figures["planned"])
    lower = (_mtu(site) or 0) - (planned - largest)
    fix = f"`network: {{mtu: {lower}}}` in the Fleet and isthmus connect up" if lower > 0 else "a smaller MTU"
    return report.found(
        TROUBLE,
        "packets-vanish",
        site,
        f"packets of more than {largest} bytes do not reach pods of {target}, and pods send up to {planned}",
        f"let the path carry them (its MTU, ICMP type 3 code 4 unfiltered), or: {fix}",
        evidence=(why,),
    )


def _mtu(site: Site) -> int | None:
    """Return the MTU that is set; None where Cilium looks for itself (0)."""
    text = site.setting("mtu")
    return int(text) or None if text.isdigit() else None
