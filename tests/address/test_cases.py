"""Expected answers of two projects that have planned networks for years (facts, transcribed)."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from isthmus.address import pool, prefix, space

FILE = Path(__file__).parents[3] / "shared" / "data" / "net-planning" / "cases.json"
CASES: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}

pytestmark = pytest.mark.skipif(not CASES, reason="../shared/data/net-planning is missing")


def parse(text: str) -> prefix.Prefix | None:
    try:
        return prefix.parse(text)
    except ValueError:
        return None


def test_new_ranges_against_existing_ones() -> None:
    for case in CASES["new_cidr_overlaps"]:
        new = parse(case["new"])
        existing = space.of(prefix.parse(text) for text in case["existing"])
        assert (new is None or existing.overlaps(new.first, new.end)) == case["reject"], case["name"]


def test_the_first_free_aligned_block() -> None:
    within = prefix.parse(CASES["allocate_block"]["range"])
    for case in CASES["allocate_block"]["cases"]:
        taken = [prefix.parse(text) for text in case["allocated"]]
        found = pool.first_free(within, case["cluster_size"], taken)
        assert (found and str(found)) == case["expected"], case


def test_ranges_that_nobody_can_use() -> None:
    reserved = space.of(prefix.parse(text) for text, _ in prefix.RESERVED)
    for text in CASES["invalid_global_cidr"]:
        each = parse(text)
        assert each is None or reserved.overlaps(each.first, each.end), text


def test_pairs() -> None:
    for case in CASES["pair_overlap"]:
        assert prefix.overlap(prefix.parse(case["a"]), prefix.parse(case["b"])) == case["overlap"], case[
            "name"
        ]


def test_blocks_of_nodes() -> None:
    for case in CASES["node_block_by_index"]:
        block = prefix.block(prefix.parse(case["cluster_cidr"]), case["node_mask"], case["index"])
        assert str(block) == case["block"]
    for case in CASES["node_block_allocation"]:
        outer = prefix.parse(case["cluster_cidr"])
        left = pool.Pool(space.of([outer]))
        size = prefix.size(case["node_mask"], outer.bits)
        assert [str(left.take(size)), str(left.take(size))] == [case["first"], case["second"]]


def test_masks_of_nodes() -> None:
    for case in CASES["node_mask_validity"]:
        outer = prefix.parse(case["cluster_cidr"])
        try:
            prefix.block(outer, case["node_mask"], 0)
        except ValueError:
            assert case["error"]
        else:
            assert not case["error"]


def test_indexes_of_subnets() -> None:
    for case in CASES["subnet_index"]:
        outer, inner = prefix.parse(case["cluster_cidr"]), prefix.parse(case["subnet"])
        if case["error"]:
            with pytest.raises(ValueError, match="is not in"):
                prefix.index(outer, inner)
        else:
            assert prefix.index(outer, inner) == case["index"]


def test_usable_addresses() -> None:
    for text, count in CASES["usable_ips"].items():
        assert prefix.usable(prefix.parse(text)) == count, text


def test_coalescing() -> None:
    for case in CASES["coalesce"]:
        merged = space.of(prefix.parse(text) for text in case["input"])
        assert [str(each) for each in merged.prefixes()] == case["expected"]


def test_the_smallest_prefix_over_two_addresses() -> None:
    for case in CASES["spanning"]:
        ends = [prefix.parse(str(ipaddress.ip_address(case[end]))) for end in ("first", "last")]
        assert str(prefix.spanning(*ends)) == case["expected"]


def test_taking_a_range_out() -> None:
    for case in CASES["exclude"]:
        rest = space.of([prefix.parse(case["target"])]) - space.of([prefix.parse(case["exclude"])])
        assert sorted(map(str, rest.prefixes())) == sorted(case["remaining"])
