from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.engine import lease, voters

ME = lease.Identity(
    user="ann", host="laptop", pid=7, start_time=1, boot_id="b", pid_namespace="pid:[4]", operation="op-1"
)
OTHER = dataclasses.replace(ME, user="bob", pid=8, operation="op-2")
words = st.text(max_size=12)
identities = st.builds(
    lease.Identity,
    user=words,
    host=words.map(lambda text: text.replace("@", "")),
    pid=st.integers(0, 2**22),
    start_time=st.integers(0, 2**40),
    boot_id=words,
    pid_namespace=words,
    operation=words,
)
tokens = st.integers(0, 100)
held = lease.Record(version="5", holder=OTHER.to_text(), token=3, duration=15)


def judged(record: lease.Record, *, since: float, now: float, alive: bool | None = None) -> bool:
    seen = {"west": lease.Sight(record.version, since)}
    found = lease.judge({"west": record}, ME, seen, now, is_alive=lambda _: alive)
    return "west" in found.free


@given(identities)
def test_an_identity_comes_back_from_its_text(identity: lease.Identity) -> None:
    assert lease.Identity.from_text(identity.to_text()) == identity


def test_an_identity_reads_without_a_manual() -> None:
    assert ME.to_text() == "ann@laptop pid=7 start=1 boot=b ns=pid:[4] op=op-1"
    assert str(ME) == "ann on laptop (pid 7, operation op-1)"


@pytest.mark.parametrize("text", ["", "kube-scheduler_1", "ann@laptop pid=x start=1 boot=b ns=n op=o"])
def test_text_of_another_origin_is_no_identity(text: str) -> None:
    assert lease.Identity.from_text(text) is None


@pytest.mark.parametrize(
    ("record", "age", "alive", "free"),
    [
        (lease.Record(), 0, None, True),  # no Lease yet
        (dataclasses.replace(held, holder=""), 0, None, True),  # given back
        (dataclasses.replace(held, holder=ME.to_text()), 0, None, True),  # mine
        (held, 14.9, None, False),
        (held, 15.1, None, False),  # the allowance for two clocks' rates
        (held, 15.4, None, True),
        (held, 0, False, True),  # provably dead on this host
        (held, 0, True, False),
        (held, 15.4, True, True),  # alive but silent for too long: frozen
        (dataclasses.replace(held, holder="somebody else's tool"), 0, False, False),
        (dataclasses.replace(held, holder="somebody else's tool"), 15.4, False, True),
    ],
)
def test_a_record_is_free_when_nobody_can_rely_on_it(
    record: lease.Record, age: float, alive: bool | None, free: bool
) -> None:
    assert judged(record, since=100.0, now=100.0 + age, alive=alive) is free


def test_a_changed_record_is_observed_anew() -> None:
    seen = lease.look({}, {"west": held}, 100.0)
    later = lease.look(seen, {"west": held}, 110.0)
    moved = lease.look(later, {"west": dataclasses.replace(held, version="6")}, 112.0)

    assert later["west"] == lease.Sight("5", 100.0)
    assert moved["west"] == lease.Sight("6", 112.0)


@given(st.dictionaries(st.sampled_from("abcde"), tokens), tokens)
def test_the_next_token_is_higher_than_every_one_seen(seen: dict[str, int], floor: int) -> None:
    records = {name: lease.Record(version="1", token=token) for name, token in seen.items()}
    found = lease.judge(records, ME, {}, 0.0, is_alive=lambda _: None, floor=floor)

    assert found.token == 1 + max([floor, *seen.values()])


@given(tokens, st.floats(0.1, 60), st.booleans())
def test_a_record_comes_back_from_its_lease(token: int, duration: float, is_held: bool) -> None:
    record = dataclasses.replace(held, token=token, duration=duration, acquired="2026-01-01T00:00:00.000000Z")
    record = record if is_held else dataclasses.replace(record, holder="")
    body = lease.write("data.app", record, datetime(2026, 1, 1, tzinfo=UTC))
    found = lease.read(body)

    assert (found.version, found.holder, found.token) == (record.version, record.holder, token)
    assert found.duration >= duration or not is_held  # rounded up: an observer waits rather longer


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", fullmatch=True),
    st.from_regex(r"[a-z]{1,63}", fullmatch=True),
)
def test_a_key_fits_into_names_and_labels(namespace: str, app: str) -> None:
    key = voters.app_key(namespace, app)

    assert len(key) <= 50
    assert ".-" not in key
    assert "-." not in key or namespace.endswith("-")
    assert key == f"{namespace}.{app}" or key[-13] == "-"


def test_long_keys_that_begin_alike_differ() -> None:
    assert voters.app_key("n" * 60, "a") != voters.app_key("n" * 60, "b")
