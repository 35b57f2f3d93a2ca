"""What to ask of a mesh: every ordered pair of clusters, itself included, over every leg.

It asks nobody, and it says what no question covers.
"""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from isthmus.mesh import settings
from isthmus.model import mesh as meshes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.model import fleet as fleets
    from isthmus.network import plan as networks

SERVICE: Final = "everywhere"
"""The global Service with backends in every cluster."""
ONLY: Final = "only"
"""What the name of a global Service begins with whose backends are in one cluster."""
EXPORTED: Final = "exported"
"""What the name of a Service begins with that one cluster exports to the clusterset."""
HTTP: Final = 8080
TCP: Final = 9000
UDP: Final = 9001
HEADERS: Final = 28
"""Bytes of IPv4 (20, RFC 791) and UDP (8, RFC 768) before a datagram's data."""
LARGEST: Final = 65507
"""Bytes of data in the largest datagram of IPv4: 65535 - 28."""
SEVERAL: Final = 3
"""Requests where one answer proves the leg and a lost packet must not disprove it."""
SAMPLES: Final = 50
"""Requests that latency is taken from."""
MOST: Final = 50
"""Requests to the shared Service in one command, at most: where nobody answers, each takes its whole time."""
DOUBT: Final = 1e-6
"""The chance that chance alone keeps a cluster from answering: below it silence is a failure."""


class Space(StrEnum):
    """A namespace of probes: of plain ones, and of those with a sidecar."""

    PLAIN = "isthmus-probe"
    MESHED = "isthmus-probe-mesh"


class Leg(StrEnum):
    """One way from a pod of a cluster to a pod of another."""

    POD_TCP = "pod-tcp"
    POD_UDP = "pod-udp"
    SERVICE_LOCAL = "service-local"
    SERVICE_REMOTE = "service-remote"
    NAME = "name"
    MESHED_LOCAL = "meshed-local"
    MESHED_REMOTE = "meshed-remote"
    PLAIN_REFUSED = "plain-refused"
    PACKET = "packet"
    LATENCY = "latency"
    THROUGHPUT = "throughput"
    POLICY = "policy"


WORDS: Final = {
    Leg.POD_TCP: "pod IP over TCP",
    Leg.POD_UDP: "pod IP over UDP",
    Leg.SERVICE_LOCAL: "global service with local backends too",
    Leg.SERVICE_REMOTE: "global service with backends there alone",
    Leg.NAME: "exported service by its clusterset name",
    Leg.MESHED_LOCAL: "from a sidecar: service with local backends too",
    Leg.MESHED_REMOTE: "from a sidecar: service with backends there alone",
    Leg.PLAIN_REFUSED: "a sidecar there refuses plain callers",
    Leg.PACKET: "largest unfragmented packet",
    Leg.LATENCY: "HTTP requests by pod IP",
    Leg.THROUGHPUT: "a TCP stream by pod IP",
    Leg.POLICY: "a policy that denies a port",
}
UNCOVERED: Final[tuple[tuple[str, str, Leg | None], ...]] = (
    ("identity", "mTLS and identities: the Fleet has no Istio", Leg.MESHED_REMOTE),
    ("encryption", "nobody looks at the packets between nodes", None),
    ("fragments", "a router that cuts the tunnel's own packets is not seen from pods", None),
    ("throughput", "throughput and CPU are measured with --throughput alone", Leg.THROUGHPUT),
    ("names", "names of the clusterset: the Fleet has none", Leg.NAME),
    ("stubs", "stub zones: a zone is a whole namespace, and every cluster has that of the probes", None),
    ("nodes", "one pod asks and one answers in each cluster: other nodes are not covered", None),
)
"""What a green matrix does not say, with the reason, and the leg that covers it if there is one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """What a pod of one cluster asks, and the clusters that the answers tell of."""

    source: str
    leg: Leg
    targets: tuple[str, ...]
    planned: int | None = None
    """Bytes of the largest IP packet between pods by the plan; only for a packet."""
    tries: int = SEVERAL
    seconds: float = 0.0
    """How long a stream takes; only for throughput."""
    headers: float | None = None
    """The share of full packets that headers take by the plan; only for throughput."""
    identity: str = ""
    """Whom the other side has to see by the plan, as a SPIFFE id; only for callers with a sidecar."""
    is_strict: bool = True
    """Whether the plan has plain callers refused; only for `plain-refused`."""

    @property
    def target(self) -> str:
        """The cluster, of a question that is about one."""
        return self.targets[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """What a Fleet says of the sidecars in some of its clusters: the trust domain of each, and mTLS."""

    domains: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_strict: bool = True

    def identity(self, cluster: str) -> str:
        """Return the SPIFFE id of the probes of a cluster: each cluster's have an account of their own."""
        return f"spiffe://{self.domains[cluster]}/ns/{Space.MESHED}/sa/{account(cluster)}"


def mesh(known: fleets.Fleet, clusters: Sequence[str]) -> Mesh:
    """Return what the Fleet says of sidecars in these clusters; ambient has none."""
    told = {name: settings.istio(known, known.cluster(name)) for name in clusters}
    domains = {
        name: one.trust_domain for name, one in told.items() if one and one.mode is meshes.Mode.SIDECAR
    }
    stated = known.spec.mesh.istio if known.spec.mesh else None
    return Mesh(domains=domains, is_strict=stated is None or stated.mtls is meshes.Mtls.STRICT)


def of(made: networks.Plan, clusters: Sequence[str], *, stream: float = 0.0) -> tuple[Question, ...]:
    """Return every question among these clusters of the plan; a stream of so many seconds, if any, last."""
    known = made.source.fleet
    planned = {pair.between: pair.pod_mtu for pair in made.paths.pairs}
    planned |= {(other, one): mtu for (one, other), mtu in planned.items()}
    found = [
        question
        for source in clusters
        for question in (*_pairs(source, clusters, planned), _shared(source, clusters))
    ]
    if settings.has_clusterset(known):
        found += [Question(source=one, leg=Leg.NAME, targets=(two,)) for one in clusters for two in clusters]
    found += _meshed(mesh(known, clusters))
    return (*found, *(_streams(made, clusters, stream) if stream else ()))


def uncovered(asked: Sequence[Question]) -> tuple[tuple[str, str], ...]:
    """Return what these questions leave open: each with the reason."""
    covered = {each.leg for each in asked}
    return tuple((what, why) for what, why, leg in UNCOVERED if leg not in covered)


def needs(question: Question, target: str) -> tuple[tuple[Space, str], ...]:
    """Return the probes without which nothing can be asked: by namespace and cluster."""
    if question.leg in {Leg.MESHED_LOCAL, Leg.MESHED_REMOTE}:
        return ((Space.MESHED, question.source), (Space.MESHED, target))
    plain = ((Space.PLAIN, question.source), (Space.PLAIN, target))
    if question.leg is Leg.PLAIN_REFUSED:
        return (plain[0], (Space.MESHED, question.source), (Space.MESHED, target))
    return plain


def account(cluster: str) -> str:
    """Return the name of the ServiceAccount of a cluster's probes with a sidecar."""
    return f"probe-{cluster}"


def exported(cluster: str) -> str:
    """Return the name of the Service that one cluster exports."""
    return f"{EXPORTED}-{cluster}"


def name_of(target: str) -> str:
    """Return the name of the global Service whose backends are in one cluster alone."""
    return f"{ONLY}-{target}"


def tries_for(clusters: int) -> int:
    """Return how often to ask a Service so that each of its equal backends answers, but for `DOUBT`.

    The chance that one of n is never taken in k tries is (1 - 1/n)^k.
    """
    if clusters < 2:
        return SEVERAL
    return math.ceil(math.log(DOUBT) / math.log(1 - 1 / clusters))


def miss(clusters: int, tries: int) -> float:
    """Return the chance that so many tries never take one of so many equal backends."""
    return (1 - 1 / clusters) ** tries


def _pairs(source: str, clusters: Sequence[str], planned: dict[tuple[str, str], int]) -> Iterator[Question]:
    for target in clusters:
        yield Question(source=source, leg=Leg.POD_TCP, targets=(target,))
        yield Question(source=source, leg=Leg.POD_UDP, targets=(target,))
        yield Question(source=source, leg=Leg.SERVICE_REMOTE, targets=(target,))
        yield Question(source=source, leg=Leg.LATENCY, targets=(target,), tries=SAMPLES)
        if (source, target) in planned:
            mtu = planned[source, target]
            yield Question(source=source, leg=Leg.PACKET, targets=(target,), planned=mtu)
        yield Question(source=source, leg=Leg.POLICY, targets=(target,))


def _streams(made: networks.Plan, clusters: Sequence[str], seconds: float) -> tuple[Question, ...]:
    """Return a stream for each ordered pair; a cluster itself is what the others are compared with."""
    lost = {pair.between: 1 - pair.pod_mtu / pair.underlay_mtu for pair in made.paths.pairs}
    lost |= {(other, one): share for (one, other), share in lost.items()}
    return tuple(
        Question(
            source=source,
            leg=Leg.THROUGHPUT,
            targets=(target,),
            seconds=seconds,
            headers=lost.get((source, target)),
        )
        for source in clusters
        for target in clusters
    )


def _meshed(made: Mesh) -> Iterator[Question]:
    """Yield what clusters with sidecars are asked, each by itself too."""
    names = tuple(made.domains)
    for source in names:
        said = made.identity(source)
        yield Question(
            source=source, leg=Leg.MESHED_LOCAL, targets=names, tries=tries_for(len(names)), identity=said
        )
        for target in names:
            yield Question(source=source, leg=Leg.MESHED_REMOTE, targets=(target,), identity=said)
            yield Question(
                source=source,
                leg=Leg.PLAIN_REFUSED,
                targets=(target,),
                identity=said,
                is_strict=made.is_strict,
            )


def _shared(source: str, clusters: Sequence[str]) -> Question:
    return Question(
        source=source,
        leg=Leg.SERVICE_LOCAL,
        targets=tuple(clusters),
        tries=tries_for(len(clusters)),
    )
