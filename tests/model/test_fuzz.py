"""Whatever stands in a file, parsing gives a folder or findings and raises nothing."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.model import finding, folder
from tests.model import worlds

RIGHT = f"{worlds.FLEET}---\n{worlds.APP}---\n{worlds.ACCESS}"
WORDS = st.sampled_from(
    [
        "no",
        "~",
        "[]",
        "{}",
        "!!binary x",
        "&a",
        "*a",
        "<<: *a",
        "\t",
        "'",
        '"',
        ": ",
        "- ",
        "{",
        "}",
        "---\n",
        "\x00",
        "1e999",
        ".nan",
        "0o9",
        "[[[[",
        "? ",
        "|",
        ">",
        "%YAML 9.9",
        "\ufeff",
        "\ud800",
        "10.0.0.0/33",
        "🦀",
        "9" * 5000,
    ]
)


def check(*texts: str) -> None:
    parsed = worlds.parse(*texts)

    assert isinstance(parsed, folder.Parsed)
    assert (parsed.folder is None) == finding.has_errors(parsed.findings)
    for found in parsed.findings:
        assert found.message
        assert found.remedy
        assert (
            found.file is None
            or 1 <= (found.line or 0) <= max(len(text.splitlines()) + 1 for text in texts) + 1
        )


@given(st.text(st.characters(), max_size=80))
def test_any_text(text: str) -> None:
    check(text)


@given(st.binary(max_size=80))
def test_any_bytes(noise: bytes) -> None:
    check(noise.decode("latin-1"), noise.decode("utf-8", "surrogateescape"))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200, deadline=None)
@given(st.integers(0, len(RIGHT)), st.integers(0, 30), WORDS | st.text(max_size=5))
def test_a_right_folder_with_a_part_replaced(start: int, length: int, noise: str) -> None:
    check(RIGHT[:start] + noise + RIGHT[start + length :])


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["ready", "2m"])
)
TREES = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(["name", "spec", "clusters", "bake", "id", "waves", "secret", "key"]),
            below,
            max_size=3,
        )
    ),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    [
        "metadata",
        "spec",
        "chart",
        "values",
        "valuesFrom",
        "clusters",
        "rollout",
        "waves",
        "gates",
        "addressing",
        "pods",
        "supernets",
        "nodeMask",
        "witness",
        "id",
        "nodes",
        "growth",
        "from",
        "to",
        "allow",
        "cassandra",
        "name",
        "context",
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200, deadline=None)
@given(FIELDS, TREES)
def test_a_right_folder_with_any_value_in_a_field(field: str, tree: object) -> None:
    import yaml

    documents = [_put(each, field, tree) for each in yaml.safe_load_all(RIGHT)]

    check(yaml.safe_dump_all(documents, allow_unicode=True))


def _put(document: object, field: str, tree: object) -> object:
    if isinstance(document, dict):
        return {key: tree if key == field else _put(value, field, tree) for key, value in document.items()}
    return [_put(item, field, tree) for item in document] if isinstance(document, list) else document


def test_nesting_aliases_and_size_have_bounds() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + number)}: &{chr(98 + number)} [{','.join(['*' + chr(97 + number)] * 9)}]\n"
        for number in range(9)
    )

    assert [found.code for found in worlds.parse(bomb).findings] == ["yaml-size"]
    assert [found.code for found in worlds.parse("[" * 100_000).findings] == ["yaml-syntax"]
    assert [found.code for found in worlds.parse("a: &x [*x]").findings] == ["yaml-recursion"]
