from __future__ import annotations

import pytest

from isthmus.model import source


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", "a"),
        ("1", 1),
        ("-1", -1),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("08", 8.0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("22:22", "22:22"),
        ("2024-01-01", "2024-01-01"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2m", "2m"),
        ("-", "-"),
        (".", "."),
        ("true", True),
        ("no", False),
        ("y", "y"),
        ("", None),
        ("~", None),
        ("null", None),
    ],
)
def test_a_plain_scalar_means_what_it_means_to_helm(text: str, value: object) -> None:
    read = source.scalar(text)

    assert read == value
    assert type(read) is type(value)


def test_quotes_and_tags_make_text() -> None:
    [document], problems = source.read("a.yaml", "a: 'no'\nb: !!str 5\nc: \"1\"\nd: |\n  1\n")

    assert document.data == {"a": "no", "b": "5", "c": "1", "d": "1\n"}
    assert problems == []


def test_anchors_and_merges_share_values() -> None:
    [document], _ = source.read("a.yaml", "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n1: key\n")

    assert document.data == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "1": "key"}
