"""All policies of a cluster to its rules: Kubernetes' own everywhere, Cilium's where Cilium enforces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.policy import idle, world
from isthmus.policy.cilium import lint, translate
from isthmus.policy.istio import lint as istio
from isthmus.policy.istio import read
from isthmus.policy.kubernetes import rules

if TYPE_CHECKING:
    from isthmus.model import finding
    from isthmus.policy import rule


def of(known: world.World, settings: world.Settings, policies: str | None = None) -> rule.Rules:
    """Return the rules of a cluster; `policies` names the one whose objects it has, where that is another."""
    name = policies or settings.cluster
    objects = known.policies.get(name, ())
    found = rules.read(objects, settings)
    if settings.enforcer is world.Enforcer.CILIUM:
        own = tuple(each for each in known.services if each.cluster == name)
        found += translate.translate(objects, settings=settings, services=own)
    return found


def findings(known: world.World) -> tuple[finding.Finding, ...]:
    """Return what is wrong with the policies of every cluster, or means something else than it seems."""
    found: list[finding.Finding] = []
    for name, settings in known.settings.items():
        objects = known.policies.get(name, ())
        services = tuple(each for each in known.services if each.cluster == name)
        every = of(known, settings)
        found += every.findings
        if settings.enforcer is world.Enforcer.CILIUM:
            found += lint.check(objects, settings=settings, known=known)
        found += idle.check(known, every, name)
        mesh = read.read(objects, settings)
        endpoints = [each for each in known.endpoints if each.cluster == name]
        found += (*mesh.findings, *istio.lint(mesh, endpoints, services))
    return tuple(found)


def read_all(known: world.World) -> dict[str, rule.Rules]:
    """Return the rules of every cluster."""
    return {name: of(known, settings) for name, settings in known.settings.items()}
