"""What doctor prints for people, and what it reads out of the words of tools in pods."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
from typing import Any

import pytest
from inline_snapshot import snapshot as inline

from isthmus.analysis import checks, snapshot
from isthmus.cli import doctor as verb
from isthmus.doctor import agents, diagnose, probing
from isthmus.model import datapath
from isthmus.render import doctor as render
from tests.analysis import scenes


def examined(**changes: Any) -> diagnose.Examined:
    seen = scenes.mesh(**changes)
    return diagnose.Examined(seen=seen, report=checks.examine(seen))


def test_a_person_reads_what_is_wrong_its_remedy_and_what_was_not_checked() -> None:
    found = examined(
        west={"services": snapshot.Missing(why="forbidden", remedy="ask for it")}, east={"users": None}
    )

    assert render.text(found.to_json(), width=80) == inline("""\
error: east: ConfigMap/kube-system/clustermesh-remote-users: its mesh server
  knows no user remote-west, as which west asks: that cluster reads nothing from
  here [remote-user-missing]
  read: users: none
  → isthmus connect up -f shop (`clustermesh.config.enabled: true` with that
  cluster under `clusters`)

Not checked:
  - east, west: the largest packet to other clusters: no packet was sent (→
  isthmus doctor --probe sends some from pods)
  - east, west: Istio: there is none in this cluster
  - west: policies before global services: forbidden (→ ask for it)
  - west: Services: forbidden (→ ask for it)

2 clusters; 1 error; 5 of 15 kinds of trouble only partly checked\
""")


def test_it_exits_3_for_a_silent_cluster_1_for_an_error_and_0_else() -> None:
    gone = snapshot.Missing(why="no route to host")

    assert verb.exit_of(examined()) == 0
    assert verb.exit_of(examined(east={"users": None})) == 1
    assert verb.exit_of(examined(west={"silent": gone}, east={"users": None})) == 3


@pytest.mark.parametrize(("links", "expected"), [
    ([{"ifname": "eth0", "mtu": 1500}, {"ifname": "lo"}, "odd"], {"eth0": 1500}),
    ({"no": "list"}, {}),
])  # fmt: skip
def test_mtus_are_read_of_what_has_one(links: Any, expected: dict[str, int]) -> None:
    assert agents.mtus(links) == expected


def test_without_a_plan_the_probe_asks_for_what_the_smaller_end_may_send() -> None:
    sites = []
    for name, mtu in (("west", 1400), ("east", 1500)):
        site = scenes.site(name)
        assert site.live is not None
        assert not isinstance(site.agents, snapshot.Missing)
        one = dataclasses.replace(site.agents[0], mtus={"cilium_host": mtu})
        live = dataclasses.replace(site.live, network=datapath.ClusterNetwork())
        sites.append(dataclasses.replace(site, agents=(one,), live=live))

    asked = {(each.source, each.leg.value): each.planned for each in probing.asked(sites, {})}
    stated = {
        each.planned for each in probing.asked(sites, {("west", "east"): 1300}) if each.source == "west"
    }

    assert asked == {
        (name, leg): 1350 if leg == "packet" else None
        for name in scenes.CLUSTERS
        for leg in ("pod-tcp", "pod-udp", "packet")
    }
    assert stated == {None, 1300}


def test_an_agent_says_which_addresses_take_a_connection_now() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        words = ["bash", "-c", agents.CONNECT, "bash", port, "50", "127.0.0.1", "127.0.0.9"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["127.0.0.1"], "")
