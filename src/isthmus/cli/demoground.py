"""What the demo's clusters stand on: real nodes where this machine can have them, else fake ones.

It decides and writes the folder accordingly; the story is told by `demo`.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Final

from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

CLUSTERS: Final = 3
"""Of the example's Fleet, with a node each where nodes are real."""


UNCONNECTED: Final = """\
  # For `isthmus connect`, say where Cilium's chart is:
  # network: {chart: {path: charts/cilium}}
"""
"""What the example's Fleet says in the place of a network."""


class Choice(enum.StrEnum):
    """What a user asks for."""

    AUTO = "auto"
    CONTROL = "control"
    NETWORK = "network"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ground:
    """A profile of the lab, and what the example's folder needs to run on it."""

    profile: str
    why: str
    """Why it is not the other one; empty where that was asked for."""
    programs: tuple[str, ...]
    timeout: str
    """For each cluster: long enough for the good version, short enough to watch the bad one."""

    @property
    def is_real(self) -> bool:
        """Whether nodes are real, so that there is something to connect."""
        return self.profile == "network"

    def lacks(self, helm: Sequence[str]) -> str:
        """Return what has to be built first, '' where all is there."""
        from isthmus.lab import build
        from isthmus.lab.images import catalog, store

        lacking = build.estimate(dict.fromkeys([*self.programs, *helm]))
        programs = ", ".join(lacking.programs)
        images = f"images of {', '.join(catalog.NAMES)}" if self.is_real and store.find() is None else ""
        if not programs and not images:
            return ""
        minutes = lacking.minutes + (store.MINUTES if images else 0)
        named = "; ".join(each for each in (programs, images) if each)
        return f"{named} (at most {minutes:.0f} min on 2 cores)"

    def build(self, helm: Sequence[str]) -> list[str]:
        """Return the words of the command that builds it, with helm where there is none."""
        if self.is_real:
            return ["lab", "build", "--profile", "network"]
        from isthmus.lab import build

        return ["lab", "build", *build.estimate(self.programs).programs, *helm]

    def edits(self, lab: str) -> list[tuple[str, str, str]]:
        """Return what changes in the example: file, old text, new text."""
        names = [
            ("fleet.yaml", "context: lab-", f"context: {lab}-"),
            ("app.yaml", "timeout: 1m ", f"timeout: {self.timeout}"),
        ]
        return [*names, *(_real() if self.is_real else ())]


def choose(asked: Choice) -> Ground:
    """Return the ground that was asked for, by default the real one where this machine can have it."""
    if asked is Choice.CONTROL:
        return _control("")
    try:
        _check()
    except errors.ToolError as lacking:
        if asked is Choice.NETWORK:
            raise
        return _control(f"{lacking.brief}; {lacking.remedy}")
    from isthmus.lab import binaries

    return Ground(profile="network", why="", programs=binaries.profile("network"), timeout="75s")


def _control(why: str) -> Ground:
    from isthmus.lab import binaries

    return Ground(profile="control", why=why, programs=binaries.CONTROL, timeout="20s")


def _check() -> None:
    from isthmus.lab import profiles
    from isthmus.lab import spec as specs
    from isthmus.lab.network import requirements

    profiles.get(specs.LabSpec(profile=specs.NETWORK)).check()
    requirements.check_memory(CLUSTERS)


def _real() -> list[tuple[str, str, str]]:
    """Return what a Fleet says that is to be connected on the lab, and an image that its nodes have."""
    from isthmus.lab.images import catalog, charts

    network = f"""\
  network:
    cni: cilium
    version: "1.20.2"
    kubeProxyReplacement: true
    exposure: NodePort
    chart: {{path: {charts.folder("cilium")}}}
    # The lab's images have no Envoy, and each cluster has one node.
    values: {{envoy: {{enabled: false}}, l7Proxy: false, operator: {{replicas: 1}}}}
    rollout: {{waves: [[west, east, central]], timeout: 5m}}
"""
    return [
        (
            "fleet.yaml",
            UNCONNECTED,
            network,
        ),
        ("app.yaml", "    replicas: 3\n", f"    replicas: 3\n    image: {catalog.ref('busybox')}\n"),
    ]
