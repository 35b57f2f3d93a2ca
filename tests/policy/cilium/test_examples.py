"""Cilium's own examples, known to be good: none is refused, none has an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isthmus.model import finding
from isthmus.policy.cilium import lint
from tests.policy.cilium import ground

if TYPE_CHECKING:
    from isthmus.policy import world

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "cilium-examples" / "policies"
STALE = "l3/requires/requires.yaml"
FILES = sorted(str(each.relative_to(FOLDER)) for each in FOLDER.rglob("*.yaml"))

pytestmark = pytest.mark.skipif(not FILES, reason="../shared/data/cilium-examples is missing")


def _objects(name: str) -> tuple[world.Object, ...]:
    return ground.objects((FOLDER / name).read_text(encoding="utf-8"), file=name)


@pytest.mark.parametrize("name", [each for each in FILES if each != STALE])
def test_a_good_example_has_no_error(name: str) -> None:
    said = lint.check(_objects(name), settings=ground.settings())
    assert not [each.message for each in said if each.severity is finding.Severity.ERROR]


def test_the_stale_example_is_refused_since_1_19_and_warned_of_before() -> None:
    for version in ground.VERSIONS:
        said = lint.check(_objects(STALE), settings=ground.settings(version))
        severities = {each.severity for each in said if each.code == "CIL-2"}
        is_gone = version >= (1, 19)
        assert severities == {finding.Severity.ERROR if is_gone else finding.Severity.WARNING}, version
        assert {each.file for each in said} == {STALE}
