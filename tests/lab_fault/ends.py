"""Both ends of a path in a lab: one that echoes UDP and takes TCP, one that asks, in namespaces of nodes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from isthmus.lab import labs
from isthmus.lab.faults import deeds, making

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.lab.network import layout

ECHO = """
import socket
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
line.bind(("", 9001))
print("ready", flush=True)
while True:
    line.sendto(*line.recvfrom(65535))
"""

# Sends one after another, each when the last was answered or given up; packets are never cut into fragments.
ASK = """
import json, socket, sys, time
address, count, size, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
line.connect((address, 9001))
line.settimeout(patience)
trips = []
for number in range(count):
    began = time.perf_counter()
    try:
        line.send(number.to_bytes(4) + bytes(size - 32))  # less 28 bytes of IP and UDP headers
        while int.from_bytes(line.recv(65535)[:4]) != number:
            pass
        trips.append(time.perf_counter() - began)
    except OSError:
        pass
print(json.dumps({"trips": trips, "mtu": line.getsockopt(socket.IPPROTO_IP, 14)}))
"""

# Sends many at an even pace and counts what comes back until nothing has come for a second.
COUNT = """
import socket, sys, threading, time
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
line.connect((sys.argv[1], 9001))
line.settimeout(1.0)
def send():
    for number in range(int(sys.argv[2])):
        line.send(bytes(100))
        if number % 20 == 19:
            time.sleep(0.005)
sender = threading.Thread(target=send)
sender.start()
found = 0
try:
    while line.recv(200):
        found += 1
except OSError:
    pass
print(found)
"""

SINK = """
import socket, time
with socket.create_server(("", 9002)) as server:
    print("ready", flush=True)
    line, _ = server.accept()
    began, size, room = time.perf_counter(), 0, bytearray(1 << 20)
    while found := line.recv_into(room):
        size += found
    print(size * 8 / (time.perf_counter() - began) / 1e9)
"""
POUR = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 9002)) as line:
    end = time.perf_counter() + float(sys.argv[2])
    while time.perf_counter() < end:
        line.sendall(bytes(1 << 18))
"""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What came of asking: seconds of each trip that was answered, and the path's MTU as it was learned."""

    trips: list[float]
    mtu: int

    @property
    def answered(self) -> int:
        """How many were answered."""
        return len(self.trips)


@dataclasses.dataclass(frozen=True)
class Ends:
    """A running lab with one node on either side of a path."""

    lab: labs.Lab
    here: layout.Node
    there: layout.Node

    def make(self, *wanted: deeds.Deed) -> list[deeds.Fault]:
        """Make faults."""
        with self.faults() as faults:
            return [faults.make(making.Step(deed=each)) for each in wanted]

    def heal(self, *wanted: deeds.Fault) -> None:
        """Take faults back; without any, all."""
        with self.faults() as faults:
            faults.heal_these(wanted or tuple(reversed(faults.all)))

    def states(self) -> dict[str, str]:
        """Return the state of each fault by its kind."""
        with self.faults() as faults:
            return {each.kind: faults.state(each) for each in faults.all}

    @contextlib.contextmanager
    def faults(self) -> Iterator[making.Faults]:
        """Hold the lab."""
        with labs.held(self.lab.name) as (lab, lock):
            yield making.Faults(lab, lock)

    def ask(self, *, count: int = 1, size: int = 100, patience: float = 0.5) -> Asked:
        """Send packets of this many bytes, all headers included, one after another."""
        return Asked(**json.loads(self._run(ASK, count, size, patience)))

    def count(self, sent: int) -> int:
        """Return how many of so many packets come back."""
        return int(self._run(COUNT, sent))

    def pour(self, seconds: float) -> float:
        """Return the Gbit/s of one TCP connection."""
        with started(self.there, SINK) as sink:
            self._run(POUR, seconds)
            return float(sink.communicate(timeout=30)[0])

    def _run(self, script: str, *arguments: Any) -> str:
        words = inside(self.here, script, self.there.address, *map(str, arguments))
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def inside(node: layout.Node, script: str, *arguments: str) -> list[str]:
    """Return the words that run a script in a node's network namespace."""
    return ["nsenter", f"--net=/run/netns/{node.namespace}", sys.executable, "-c", script, *arguments]


@contextlib.contextmanager
def started(node: layout.Node, script: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script on a node until the end of the block, once it has said that it is ready."""
    with subprocess.Popen(inside(node, script), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        try:
            yield running
        finally:
            running.kill()
