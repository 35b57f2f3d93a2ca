"""Generated policies: a seed gives the same objects on every machine, with the features that they use."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING, Any, Final

from tests.fidelity import cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = dict[str, Any]
NAMESPACE: Final = "io.kubernetes.pod.namespace"
CLUSTER: Final = "io.cilium.k8s.policy.cluster"


@dataclasses.dataclass(frozen=True)
class Case:
    """Objects by cluster, and what of the policies' language they use."""

    seed: int
    objects: Mapping[str, tuple[Json, ...]]
    features: frozenset[str]

    def without(self, cluster: str, place: int) -> Case:
        """Return the case without one object: what a failing case is shrunk by."""
        kept = tuple(each for number, each in enumerate(self.objects[cluster]) if number != place)
        return dataclasses.replace(self, objects={**self.objects, cluster: kept})


def generate(seed: int, addresses: Mapping[str, Mapping[str, str]]) -> Case:
    """Return the case of a seed; `addresses` are those of pods by cluster and `namespace/name`."""
    made = _Maker(random.Random(seed), addresses)  # noqa: S311  # nothing secret
    objects: dict[str, list[Json]] = {cluster: [] for cluster in cast.CLUSTERS}
    for number in range(made.dice.randint(1, 4)):
        kind = made.dice.choice((made.kubernetes, made.cilium, made.cilium, made.clusterwide))
        for cluster in made.dice.choice((("west",), ("east",), cast.CLUSTERS)):
            state = made.dice.getstate()
            objects[cluster].append(kind(f"fid-{number}"))
            if cluster == "west":
                made.dice.setstate(state)  # the same policy in both clusters
    return Case(seed, {key: tuple(found) for key, found in objects.items()}, frozenset(made.features))


class _Maker:
    """Makes objects by the dice, and notes what they use."""

    def __init__(self, dice: random.Random, addresses: Mapping[str, Mapping[str, str]]) -> None:
        self.dice = dice
        self.features: set[str] = set()
        self._addresses = addresses

    def uses(self, feature: str) -> None:
        """Note a feature."""
        self.features.add(feature)

    # ---- kinds

    def kubernetes(self, name: str) -> Json:
        self.uses("NetworkPolicy")
        spec: Json = {"podSelector": self._selector(), "policyTypes": []}
        for side, word in (("Ingress", "from"), ("Egress", "to")):
            if self.dice.random() < 0.6:
                spec["policyTypes"].append(side)
                spec[side.lower()] = [self._np_rule(word) for _ in range(self.dice.randint(0, 2))]
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": self._namespace()},
            "spec": spec,
        }

    def cilium(self, name: str) -> Json:
        self.uses("CiliumNetworkPolicy")
        return {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": name, "namespace": self._namespace()},
            "spec": self._spec(),
        }

    def clusterwide(self, name: str) -> Json:
        self.uses("CiliumClusterwideNetworkPolicy")
        spec = self._spec()
        # Only the pods of these cases: the cluster's own must go on.
        chosen = spec["endpointSelector"].setdefault("matchExpressions", [])
        chosen.append({"key": NAMESPACE, "operator": "In", "values": sorted(cast.NAMESPACES)})
        return {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumClusterwideNetworkPolicy",
            "metadata": {"name": name},
            "spec": spec,
        }

    # ---- parts of NetworkPolicy

    def _np_rule(self, word: str) -> Json:
        rule: Json = {}
        if self.dice.random() < 0.8:
            rule[word] = [self._np_peer() for _ in range(self.dice.randint(1, 2))]
        if self.dice.random() < 0.6:
            self.uses("ports")
            rule["ports"] = [self._np_port() for _ in range(self.dice.randint(1, 2))]
        return rule

    def _np_peer(self) -> Json:
        kind = self.dice.randrange(4)
        if kind == 0:
            self.uses("ipBlock of pods")
            return {"ipBlock": self._block()}
        if kind == 1:
            return {"podSelector": self._selector()}
        self.uses("namespaceSelector")
        peer: Json = {"namespaceSelector": self._space()}
        if kind == 2:
            peer["podSelector"] = self._selector()
        return peer

    def _np_port(self) -> Json:
        door = self.dice.choice(cast.DOORS)
        kind = self.dice.randrange(3)
        protocol = door.protocol.upper()
        if kind == 0:
            self.uses("named port")
            return {"protocol": protocol, "port": door.name}
        if kind == 1:
            self.uses("port range")
            return {"protocol": protocol, "port": door.port - 50, "endPort": door.port + 60}
        return {"protocol": protocol, "port": door.port}

    # ---- parts of Cilium's kinds

    def _spec(self) -> Json:
        spec: Json = {"endpointSelector": self._selector()}
        sides = [side for side in ("ingress", "egress") if self.dice.random() < 0.65] or ["ingress"]
        for side in sides:
            spec[side] = [self._rule(side) for _ in range(self.dice.randint(1, 2))]
            if self.dice.random() < 0.3:
                self.uses("deny")
                spec[f"{side}Deny"] = [self._rule(side)]
        if self.dice.random() < 0.2:
            self.uses("enableDefaultDeny")
            spec["enableDefaultDeny"] = {side: self.dice.random() < 0.5 for side in sides}
        return spec

    def _rule(self, side: str) -> Json:
        word = "from" if side == "ingress" else "to"
        kinds: tuple[Callable[[str], Json], ...] = (
            self._endpoints,
            self._endpoints,
            self._endpoints,
            self._entities,
            self._cidr,
            self._anyone,
        )
        rule = self.dice.choice(kinds)(word)
        if self.dice.random() < 0.6 or not rule:
            self.uses("toPorts")
            rule["toPorts"] = [{"ports": [self._port() for _ in range(self.dice.randint(1, 2))]}]
        return rule

    def _anyone(self, _: str) -> Json:
        self.uses("any peer")
        return {}

    def _endpoints(self, word: str) -> Json:
        if self.dice.random() < 0.08:
            self.uses("empty list of peers")
            return {f"{word}Endpoints": []}
        return {f"{word}Endpoints": [self._peer() for _ in range(self.dice.randint(1, 2))]}

    def _peer(self) -> Json:
        peer = self._selector()
        labels = peer.setdefault("matchLabels", {})
        spot = self.dice.randrange(4)
        if spot == 0:
            self.uses("namespace of peers")
            labels[f"k8s:{NAMESPACE}"] = self._namespace()
        elif spot == 1:
            self.uses("labels of namespaces")
            labels[f"k8s:io.cilium.k8s.namespace.labels.{self.dice.choice(('team', 'env'))}"] = (
                self.dice.choice(("a", "b", "prod", "test"))
            )
        reach = self.dice.randrange(4)
        some = peer.setdefault("matchExpressions", [])
        if reach == 0:
            self.uses("cluster of peers")
            labels[CLUSTER] = self.dice.choice(cast.CLUSTERS)
        elif reach == 1:
            self.uses("all clusters")
            some.append({"key": CLUSTER, "operator": "Exists"})
        return {key: value for key, value in peer.items() if value}

    def _entities(self, word: str) -> Json:
        entity = self.dice.choice(("all", "world", "cluster", "host", "remote-node", "none", "cluster-mesh"))
        self.uses(f"entity {entity}")
        return {f"{word}Entities": [entity]}

    def _cidr(self, word: str) -> Json:
        self.uses("CIDR of pods")
        block = self._block()
        if "except" in block:
            return {f"{word}CIDRSet": [block]}
        return {f"{word}CIDR": [block["cidr"]]}

    def _port(self) -> Json:
        door = self.dice.choice(cast.DOORS)
        kind = self.dice.randrange(5)
        if kind == 0:
            self.uses("named port")
            return {"port": door.name, "protocol": door.protocol.upper()}
        if kind == 1:
            self.uses("port range")
            return {"port": str(door.port - 50), "endPort": door.port + 60, "protocol": "ANY"}
        if kind == 2:
            self.uses("protocol ANY")
            return {"port": str(door.port), "protocol": "ANY"}
        return {"port": str(door.port), "protocol": door.protocol.upper()}

    # ---- parts of both

    def _namespace(self) -> str:
        return self.dice.choice(sorted(cast.NAMESPACES))

    def _space(self) -> Json:
        key, value = self.dice.choice((("team", "a"), ("team", "b"), ("env", "prod"), ("env", "test")))
        return self.dice.choice(({}, {"matchLabels": {key: value}}))

    def _selector(self) -> Json:
        kind = self.dice.randrange(4)
        if kind == 0:
            return {}
        key, values = self.dice.choice((("app", ("web", "db", "job")), ("tier", ("front", "back"))))
        if kind == 1:
            self.uses("matchExpressions")
            operator = self.dice.choice(("In", "NotIn"))
            return {"matchExpressions": [{"key": key, "operator": operator, "values": [values[0]]}]}
        return {"matchLabels": {key: self.dice.choice(values)}}

    def _block(self) -> Json:
        if self.dice.random() < 0.4:
            return {"cidr": "0.0.0.0/0"}
        cluster = self.dice.choice(cast.CLUSTERS)
        address = self.dice.choice(sorted(self._addresses[cluster].values()))
        first, second = address.split(".")[:2]
        block: Json = {"cidr": f"{first}.{second}.0.0/16"}
        if self.dice.random() < 0.4:
            self.uses("except")
            block["except"] = [f"{address}/32"]
        return block
