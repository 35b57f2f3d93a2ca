"""What is read quickly is what the whole parser reads, and what it would tell of is left to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from isthmus.model import quick, source

PARTS = [
    "",
    "a: 1",
    "b:",
    "- x",
    "- a: b",
    "-",
    "- - y",
    "c: [a, b]",
    "c: {a: b}",
    'd: "q"',
    "e: 'q'",
    "# c",
    "f: yes",
    "g: ~",
    "h: 0x1F",
    "i: 1e3",
    "j: foo bar",
    "k: foo # c",
    '"q": 1',
    "l: -1",
    "m: - 1",
    "n: |",
    "text",
    "p: &a x",
    "q: *a",
    "r: !!str 1",
    's: "a\\n"',
    "t: a: b",
    "u: http://x:80/y",
    "? v",
    "w: {}",
    "x: []",
    "y: [a,]",
    "z: [[a]]",
    "aa: 'it''s'",
    'bb: "x" y',
    "cc: 012",
    "dd: 1_000",
    "ee: .5",
    "ff: .inf",
    "hh: 2001-01-01",
    "ii: 12:30",
    "a: 2",
    "<<: {a: b}",
    "jj: @x",
    "ll: `",
    'mm: "#"',
    "nn: #",
    "oo: a#b",
    "qq: -",
    "tt: =",
    "80: x",
    "vv:x",
    "ww : x",
    '- "k": v',
    "- {a: 1}",
    "-  b: 1",
    "zz: {a: 1, a: 2}",
    'ab: ""',
    "ae: ..",
    "af: 1.",
    "ah: 0o17",
    "ak: [~, null]",
    "am: .nan",
    "ao: {a: }",
    "ap: {a}",
    "",
    "ax: x\u3000",
    "",
][1:-1]
"""Parts of documents, one a line."""
lines = some.tuples(some.integers(0, 3).map(lambda depth: "  " * depth), some.sampled_from(PARTS)).map(
    "".join
)

READ = {
    "a: 1\nb:\n- x: yes\n  y: [tcp, 'udp']\n- z\n": {"a": 1, "b": [{"x": True, "y": ["tcp", "udp"]}, "z"]},
    "# none\n\n": None,
    '{"a": [1, 2.5, null, true], "b": "\\u00e9"}': {"a": [1, 2.5, None, True], "b": "é"},
    "on: off # a key is text\n": {"on": False},
    "image: host:5000/x:1.0\n": {"image": "host:5000/x:1.0"},
}
ODD = (
    "a: &x 1",
    "a: |\n  text",
    "a: 1\na: 2",
    "a: one\n  two",
    '{"a": 1, "a": 2}',
    '{"a": 1e999}',
    "a:\tb",
    "a: !!str 1",
    "a: .inf",
    "\n".join(f"{' ' * depth}a:" for depth in range(80)),
)


@pytest.mark.parametrize("text", READ)
def test_plain_documents_are_read(text: str) -> None:
    assert quick.read(text, {}) == READ[text]


@pytest.mark.parametrize("text", ODD)
def test_odd_documents_are_left_to_the_whole_parser(text: str) -> None:
    with pytest.raises(quick.OddError):
        quick.read(text, {})


@settings(max_examples=500, deadline=None)
@given(some.lists(lines, max_size=6).map("\n".join))
def test_what_is_read_quickly_is_what_the_whole_parser_reads(text: str) -> None:
    try:
        found = quick.read(text, {})
    except quick.OddError:
        return
    documents, told = source.read("any.yaml", text)
    assert not told
    # As text, for True is not 1 here.
    assert repr(found) == repr(documents[0].data if documents else None)
