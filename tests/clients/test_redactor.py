from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.clients import redactor


@pytest.mark.parametrize(
    "said",
    [
        'value pa$$"wörd is wrong',
        json.dumps({"x": 'pa$$"wörd'}),
        json.dumps({"x": 'pa$$"wörd'}, ensure_ascii=False),
        base64.b64encode('pa$$"wörd'.encode()).decode(),
        base64.b64encode('pa$$"wörd:and more'.encode()).decode(),
        urllib.parse.quote('pa$$"wörd'),
    ],
)
def test_a_secret_is_hidden_however_it_is_written(said: str) -> None:
    cleaned = redactor.Redactor.of(['pa$$"wörd']).clean(said)

    assert redactor.MASK in cleaned
    assert "pa$$" not in cleaned
    assert base64.b64encode(b"pa$$").decode()[:4] not in cleaned


def test_each_line_of_a_key_is_hidden() -> None:
    cleaned = redactor.Redactor.of(["BEGIN\nabcdefgh\nEND"]).clean("near abcdefgh")

    assert cleaned == "near ***"


def test_words_of_less_than_four_letters_stay() -> None:
    assert redactor.Redactor.of(["no", "on"]).clean("no, go on") == "no, go on"


def test_a_secret_inside_a_longer_one_leaves_no_rest() -> None:
    assert redactor.Redactor.of(["pass", "password1"]).clean("password1") == "***"


def test_all_strings_of_a_tree_are_secrets() -> None:
    hidden = redactor.Redactor.of_values({"a": {"b": ["first", {"c": "second"}]}, "n": 12345})

    assert hidden.clean("first second 12345") == "*** *** 12345"


def test_secrets_are_not_in_repr() -> None:
    assert "hidden" not in repr(redactor.Redactor.of(["hidden-word"]))


@given(st.lists(st.text(min_size=4), max_size=4), st.text(), st.text())
def test_no_secret_survives(secrets: list[str], before: str, after: str) -> None:
    hidden = redactor.Redactor.of(secrets)
    for secret in secrets:
        cleaned = hidden.clean(f"{before}{secret}{after}")
        assert secret not in cleaned or secret in redactor.MASK * 4


def test_a_secret_that_a_cut_has_left_half_of_is_hidden() -> None:
    hidden = redactor.Redactor.of(["correct-horse"])

    assert hidden.clean("it was correct-ho …") == "it was *** …"
    assert hidden.clean("it was correct-ho") == "it was correct-ho"
    assert hidden.clean("it was a long text …") == "it was a long text …"
