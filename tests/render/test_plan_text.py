"""The plan on a terminal: what it says, in the width and the characters that there are."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from isthmus.render.plan import text, words
from tests.render import fleets


def lines(written: str, look: text.Look, kept: set[str] | None = None) -> list[str]:
    plan, source = fleets.planned(written)
    names = {each.name for each in source.fleet.clusters}
    found = text.text(plan, source, kept or names, look)
    return ["".join(piece for piece, _ in line) for line in found]


def test_a_small_fleet_is_told_whole() -> None:
    told = "\n".join(lines(fleets.SHOP, text.Look(width=90)))

    assert told.partition("\nFirewall")[0] == snapshot("""\
CLUSTER  ID  REGION        NODES    PODS            SERVICES       NODE RANGE
west     1   us-west4      30 → 90  10.0.0.0/17*    10.96.0.0/22*  10.64.0.0/25*
east     2   us-east1      30       10.8.0.0/16     10.96.4.0/22*  10.64.0.128/26*
paris    3   europe-west1  12 → 24  10.0.128.0/19*  10.96.8.0/22*  10.64.0.192/27*
* given by this plan; room for more clusters as large as the largest: pods 122,
services 1,021, nodes 8,190

Addresses
█ in use  ▒ after growth  ░ left over  · free  x kept out
Pods 10.0.0.0/10  3 clusters, 0.4 % in use, 0.9 % after growth, 95.9 % free
  [█·xx······█░··········································································]
  east   10.8.0.0/16   [███░░░░░░░░░░░░░░░░░░░░░░░░░░]  30 nodes, 60 fit
  west   10.0.0.0/17   [███████▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░░]  30 nodes, 90 after growth, 124 fit
  paris  10.0.128.0/19 [███████████▒▒▒▒▒▒▒▒▒▒▒░░░░░░░]  12 nodes, 24 after growth, 28 fit
Services 10.96.0.0/12  3 clusters, 0.3 % in use, 99.7 % free
  [█·····················································································]
  enlarged, 10.96.0.0/20 [███████████████████████████████████████████████················]
Nodes 10.64.0.0/12  3 clusters, < 0.1 % in use, < 0.1 % after growth, > 99.9 % free
  [█·····················································································]
  enlarged, 10.64.0.0/24 [████████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░█████████░░░░░░░████▒▒▒░········]

MTU per path: Cilium's `MTU` is 1400 in every cluster
BETWEEN       PODS  NETWORK  LATENCY  PAIRS  WHY
west – paris  1350  1400     140ms    1      stated between us-west4 and europe-west1
west – east   1410  1460     60ms     1      stated between us-west4 and us-east1
east – paris  1410  1460     90ms     1      stated between us-east1 and europe-west1
Headers take 50 bytes of each packet (VXLAN over IPv4): of full ones 3.3 % at MTU 1500,
0.6 % at MTU 9000.
VXLAN over IPv4, offload: segmentation and checksums of UDP tunnels (ethtool -k:
tx-udp_tnl-segmentation, tx-udp_tnl-csum-segmentation).
""")


def test_only_some_clusters_are_told_when_asked() -> None:
    told = "\n".join(lines(fleets.SHOP, text.Look(), {"west", "paris"}))

    assert "us-west4" in told
    assert "10.8.0.0/16" not in told
    assert "3 clusters" in told  # a supernet belongs to all


def test_every_row_of_the_firewall_is_there_when_asked() -> None:
    plan, _ = fleets.planned(fleets.SHOP)
    short = lines(fleets.SHOP, text.Look())
    whole = lines(fleets.SHOP, text.Look(width=400, firewall=True))

    begin = next(number for number, line in enumerate(whole) if line.startswith("Firewall"))
    assert len(whole[begin + 2 : whole.index("", begin)]) == len(plan.firewall)
    assert len(short) < len(whole)


@pytest.mark.parametrize("written", [fleets.SHOP, fleets.sixty()])
def test_without_unicode_there_is_ascii_alone(written: str) -> None:
    assert all(line.isascii() for line in lines(written, text.Look(is_ascii=True)))


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_bars_follow_the_width(width: int) -> None:
    bars = [line for line in lines(fleets.SHOP, text.Look(width=width)) if line.startswith("  [")]

    assert {len(bar) for bar in bars} == {width}


def test_a_large_fleet_is_told_in_lines_that_somebody_reads() -> None:
    told = lines(fleets.all_ids(), text.Look())

    assert len(told) < 511 + 150
    assert any("others: `-o json` has every pair" in line for line in told) or len(told) < 700


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0, "0 %"),
        (1e-9, "< 0.1 %"),
        (0.0049, "0.5 %"),
        (0.5, "50 %"),
        (0.9999, "> 99.9 %"),
        (1, "100 %"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_all(share: float, told: str) -> None:
    assert words.percent(share) == told


@pytest.mark.parametrize(
    ("number", "told"), [(1, "1"), (1024, "1,024"), (1 << 64, "2^64"), (5 << 64, "~2^66")]
)
def test_amounts_of_any_size_can_be_read(number: int, told: str) -> None:
    assert words.amount(number) == told


@pytest.mark.parametrize(
    ("name", "width", "cut"), [("short", 5, "short"), ("gcp-us-west4-1", 9, "gcp-…t4-1"), ("abc", 2, "a…")]
)
def test_a_name_that_is_cut_keeps_both_ends(name: str, width: int, cut: str) -> None:
    assert words.cut(name, width) == cut
