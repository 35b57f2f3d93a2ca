"""Compares the tests that were skipped with the list of those that may be.

A skipped test proves nothing; one that slips in unseen proves nothing for a long time. Reads the JUnit report
named as the first argument and the list named as the second, one `file: reason` a line.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def skipped(report: Path) -> set[str]:
    """Return `file: reason` of each skipped test."""
    found = set()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it a moment ago
        for mark in case.iter("skipped"):
            if mark.get("type") != "pytest.xfail":
                found.add(f"{case.get('classname', '')}: {mark.get('message', '')}")
    return found


def allowed(path: Path) -> set[str]:
    """Return the lines of the list that are no comments."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def main(report: str, listed: str) -> int:
    """Compare and report."""
    unexpected = sorted(skipped(Path(report)) - allowed(Path(listed)))
    for line in unexpected:
        print(f"error: skipped, and not in {listed}: {line}")
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
