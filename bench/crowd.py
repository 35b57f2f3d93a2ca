"""Measures the matrix of 100,000 pods and 10,000 policies in a process of its own; prints JSON.

python -m bench.crowd 20000   # distinct sets of labels
"""

from __future__ import annotations

import gc
import json
import random
import resource
import statistics
import sys
import time

from bench import policies
from isthmus.policy import decide, labels, ports, rule, world
from isthmus.policy.kubernetes import rules
from isthmus.policy.reach import matrix, whatif

PODS = 100_000
POLICIES = 10_000
PAIRS = 10_000
CHANGES = 30
PROBES = (*((ports.Protocol.TCP, port) for port in (80, 8080, 9050)), (ports.Protocol.UDP, 53))


def main(distinct: int) -> None:
    """Make the world, then measure reading the policies and going through the whole matrix."""
    known = policies.world_of(pods=PODS, distinct=distinct, policies=POLICIES)
    gc.collect()
    gc.freeze()  # what was made for the measurement is no garbage that the measured code would make
    began, worked = time.perf_counter(), time.process_time()
    found = rules.read(known.policies[policies.CLUSTER], known.settings[policies.CLUSTER])
    made = matrix.Matrix(known, {policies.CLUSTER: found})
    blocks = list(made.blocks())
    told = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - worked,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    dice = random.Random(policies.SEED)  # noqa: S311  # nothing secret
    told["unlike"] = _unlike(dice, made, blocks, found)
    told["change"] = _change(dice, made)
    print(json.dumps(told))


def _unlike(dice: random.Random, made: matrix.Matrix, blocks: list[matrix.Block], found: rule.Rules) -> int:
    """Return how many of some pairs the matrix judges otherwise than a single verdict does."""
    at = {source: block for block in blocks for source in block.sources}
    book = decide.Book(made.world.settings[policies.CLUSTER], found)
    places = range(len(made.places.members))
    unlike = 0
    for _ in range(PAIRS):
        source, destination = dice.choice(places), dice.choice(places)
        reached = next(
            (held for held, there in at[source].destinations.items() if there >> destination & 1), ports.NONE
        )
        for probe in PROBES:
            ask = decide.Ask(dice.choice(made.places.members[source]), _any(dice, made, destination), *probe)
            single = all(book.decide(direction, ask).is_allowed for direction in rule.Direction)
            unlike += single is not ports.has(reached, *probe)
    return unlike


def _any(dice: random.Random, made: matrix.Matrix, place: int) -> world.Endpoint:
    return dice.choice(made.places.members[place])


def _change(dice: random.Random, made: matrix.Matrix) -> float:
    """Return the median seconds to tell what replacing one policy by another of its namespace changes."""
    held = made.world.policies[policies.CLUSTER]
    settings = made.world.settings[policies.CLUSTER]
    took = []
    for turn in range(CHANGES + 1):
        gone, come = dice.choice(held), dice.choice(held)
        origin = rule.Origin(gone.kind, gone.namespace, gone.name, policies.CLUSTER)
        began = time.perf_counter()
        added = rules.read([come], settings)
        for shift in whatif.shifts(made, policies.CLUSTER, without=[origin], added=added):
            labels.places(shift.destinations)
        if turn:  # the first makes ready what all use
            took.append(time.perf_counter() - began)
    return statistics.median(took)


if __name__ == "__main__":
    main(int(sys.argv[1]))
