"""Reads every tracked file and names what must not be in the tree.

Looks for the addresses of package indexes, paths of the machine something was written on, binaries, and files
that bring such things along. Prints one line per finding and exits 1 when there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

LARGEST = 512 * 1024
"""Bytes; nothing a person writes here comes near."""

# Each pair is joined by a dot: spelt out here, the addresses would be in the tree.
INDEXES = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("registry.npmjs", "org"),
    ("proxy.golang", "org"),
    ("sum.golang", "org"),
    ("static.crates", "io"),
    ("index.crates", "io"),
    ("repo1.maven", "org"),
    ("repo.maven.apache", "org"),
    ("deb.debian", "org"),
)
INDEX = re.compile("|".join(re.escape(f"{name}.{top}") for name, top in INDEXES))
HOME_OF_SOMEBODY = re.compile(
    r"""(?:^|[\s"'=(:`])/(?:work|root|home/(?!kubernetes/bin\b)\w+|Users/\w+|opt/wheels|tmp/out)(?:/|\b)"""
)
UNWANTED = {"uv.lock": "it names an index; the locks are requirements*.lock", ".env": "it may hold secrets"}


def tracked() -> list[Path]:
    """Return what git tracks."""
    names = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in names.split("\0") if name]


def read(path: Path) -> list[str]:
    """Return what is wrong with one file."""
    if path.name in UNWANTED:
        return [f"{path}: {UNWANTED[path.name]}"]
    content = path.read_bytes()
    if b"\0" in content:
        return [f"{path}: a binary"]
    if len(content) > LARGEST:
        return [f"{path}: {len(content)} bytes; the most is {LARGEST}"]
    found = []
    for number, line in enumerate(content.decode().splitlines(), start=1):
        if INDEX.search(line):
            found.append(f"{path}:{number}: the address of a package index")
        if HOME_OF_SOMEBODY.search(line):
            found.append(f"{path}:{number}: a path of one machine")
    return found


def main() -> int:
    """Read the tree and report."""
    files = [path for path in tracked() if path.is_file() and not path.is_symlink()]
    findings = [finding for path in files for finding in read(path)]
    print("\n".join(findings) or f"tree: {len(files)} files, nothing that does not belong")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
