from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from isthmus.clients import redactor
from isthmus.engine import record as records

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=30,
)
bodies = st.dictionaries(st.text(max_size=8), values, max_size=6)


def header(**fields: Any) -> records.Header:
    defaults: dict[str, Any] = {"operation": "op-1", "app": "data.app", "token": 2, "sequence": 7}
    return records.Header.of({"started": "2026-01-01", "phase": "forward"}, **(defaults | fields))


def stored(packed: records.Packed) -> tuple[records.Head, list[str]]:
    head = records.read_head(packed.head | {"metadata": packed.head["metadata"] | {"resourceVersion": "9"}})
    assert head is not None
    return head, [part["data"]["piece"] for part in packed.parts]


@given(bodies, st.sampled_from([5, 40, 10_000]))
def test_a_record_comes_back_whole_however_it_is_cut(body: dict[str, Any], limit: int) -> None:
    packed = records.pack(header(), body, limit=limit)
    head, pieces = stored(packed)

    assert records.unpack(head, pieces) == body
    assert head.header == header()
    assert head.names == packed.names
    assert all(len(piece) <= limit for piece in pieces)


@given(bodies, bodies, st.data())
def test_a_torn_record_is_never_read_as_whole(
    old: dict[str, Any], new: dict[str, Any], data: st.DataObject
) -> None:
    before, after = records.pack(header(), old, limit=10), records.pack(header(sequence=8), new, limit=10)
    head, pieces = stored(after)
    _, stale = stored(before)
    mixed = [
        data.draw(st.sampled_from([piece, None, *stale[number : number + 1]]))
        for number, piece in enumerate(pieces)
    ]

    assert records.unpack(head, mixed) == (new if mixed == pieces else None)


def test_a_small_record_reads_with_kubectl() -> None:
    packed = records.pack(header(), {"phase": "forward", "runs": []})

    assert packed.parts == ()
    assert packed.head["metadata"]["name"] == "journal.op-1"
    assert packed.head["data"]["record.json"] == '{\n "phase": "forward",\n "runs": []\n}'
    assert packed.head["data"]["summary"] == (
        "operation op-1 of data.app: unfinished, phase forward; started 2026-01-01; token 2, sequence 7"
    )


def test_every_object_stays_under_512_kib() -> None:
    packed = records.pack(header(), {"story": ["line" * 10] * 40_000})

    assert len(packed.parts) > 3
    assert max(len(json.dumps(body)) for body in (packed.head, *packed.parts)) < 600_000  # as JSON in JSON
    assert max(len(part["data"]["piece"]) for part in packed.parts) < 512 * 1024


def test_a_header_takes_its_words_from_the_record() -> None:
    body = {"started": "then", "phase": "finished", "bundles": {"west": "bb", "east": "aa"}}
    found = records.Header.of(body, operation="op", app="a", token=1, sequence=1)

    assert (found.finished, found.bundles) == (True, ("aa", "bb"))
    assert (
        records.Header.of(body | {"finished": False}, operation="o", app="a", token=1, sequence=1).finished
        is False
    )


def test_what_others_wrote_is_no_head() -> None:
    for data in (None, {}, {"header.json": "{"}, {"header.json": "[]"}, {"header.json": "{}"}):
        assert records.read_head({"metadata": {"resourceVersion": "1"}, "data": data}) is None


def test_secrets_are_cleaned_from_strings_and_keys() -> None:
    hide = redactor.Redactor.of(['p"ss\nword']).clean

    assert records.cleaned({'p"ss\nword': [{"a": 'x p"ss\nword y'}], "n": 1}, hide) == {
        "***": [{"a": "x *** y"}],
        "n": 1,
    }
