"""`isthmus access verdict --batch`: many questions, each set of manifests read once."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from isthmus.cli.judging import reading
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isthmus.policy import world
    from isthmus.policy.verdict import judge


def run(path: Path) -> errors.Exit:
    """Answer every line of a file in the order asked; 2 when any of them could not be read."""
    court = Court()
    is_whole = True
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        told = court.answer(line, number)
        is_whole = is_whole and "error" not in told
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    return errors.Exit.DONE if is_whole else errors.Exit.UNREADABLE


def _lines(path: Path) -> Iterator[str]:
    if str(path) == "-":
        yield from sys.stdin
        return
    from isthmus.clients import files

    yield from files.read_text(path).splitlines()


class Court:
    """Judges by set of manifests and version of Cilium, each made once."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, ...], dict[str, tuple[world.Object, ...]]] = {}
        self._judges: dict[tuple[tuple[str, ...], str | None], judge.Judge] = {}

    def answer(self, line: str, number: int) -> dict[str, Any]:
        """Return the answer to one line: `{"id","verdict","layers"}`, or `{"id","error"}`."""
        try:
            data = json.loads(line)
        except ValueError as error:
            return {"id": None, "error": f"line {number}: no JSON: {error}"}
        if not isinstance(data, dict):
            return {"id": None, "error": f"line {number}: a question is an object"}
        try:
            return {"id": data.get("id"), **self._judge(data)}
        except errors.IsthmusError as error:
            return {"id": data.get("id"), "error": f"line {number}: {error}; {error.remedy}"}

    def _judge(self, data: dict[str, Any]) -> dict[str, Any]:
        from isthmus.policy.verdict import question

        asked = question.read(data)
        manifests = data.get("manifests")
        if not isinstance(manifests, list) or not all(isinstance(each, str) for each in manifests):
            raise errors.InputError("`manifests` is no list of paths", remedy='write ["k8s/policies.yaml"]')
        cilium = data.get("cilium")
        version = str(cilium) if cilium is not None else None
        return self._court(tuple(manifests), version).ask(asked).to_json()

    def _court(self, manifests: tuple[str, ...], cilium: str | None) -> judge.Judge:
        from isthmus.policy.manifests import enforcers
        from isthmus.policy.verdict import judge

        known = self._judges.get((manifests, cilium))
        if known is None:
            version = enforcers.version(cilium) if cilium else None
            read = reading.assembled(self._read(manifests), (), version)
            known = self._judges[manifests, cilium] = judge.Judge(read.world)
        return known

    def _read(self, manifests: tuple[str, ...]) -> dict[str, tuple[world.Object, ...]]:
        known = self._objects.get(manifests)
        if known is None:
            known = {}
            for cluster, paths in reading.grouped(manifests).items():
                known[cluster], told = reading.of_paths(paths)
                wrong = [each for each in told if each.severity is finding.Severity.ERROR]
                if wrong:
                    place = f"{wrong[0].file}:{wrong[0].line}" if wrong[0].line else wrong[0].file or ""
                    raise errors.InputError(wrong[0].message, where=place, remedy=wrong[0].remedy)
            self._objects[manifests] = known
        return known
