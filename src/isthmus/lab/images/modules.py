"""Files of the pinned Go modules: charts, eBPF sources and scripts ship inside them.

Go's own client fetches and checks a module; nothing here writes into its cache.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from isthmus.lab import binaries, build
from isthmus.model import errors

CILIUM = "github.com/cilium/cilium"
ISTIO = "istio.io/istio"
_WITHIN = 600.0  # seconds to download one module


def version(module: str) -> str:
    """Return the version that a module is pinned to, without the v."""
    text = (_pins(module) / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^(?:require )?\s*{re.escape(module)} v(\S+)", text, re.MULTILINE)
    assert found is not None, f"{module} is not pinned"
    return found[1]


def folder(module: str) -> Path:
    """Return the folder of the pinned module in Go's cache, downloaded when it is not there."""
    try:
        done = subprocess.run(
            [build.go(), "mod", "download", "-json", module],
            cwd=_pins(module),
            env=build.environment(),
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.DeadlineError(
            f"go did not download {module} within {_WITHIN:.0f} s",
            remedy="can this machine reach its Go module proxy?",
        ) from error
    if done.returncode != 0:
        raise errors.ToolError(
            f"go could not download {module}",
            why=(_reason(done.stdout) or done.stderr).strip(),
            remedy="can this machine reach its Go module proxy?",
        )
    return Path(json.loads(done.stdout)["Dir"])


def _reason(words: str) -> str:
    try:
        return str(json.loads(words).get("Error", ""))
    except ValueError:
        return ""


def _pins(module: str) -> Path:
    for family in binaries.FAMILIES:
        if any(package.startswith(f"{module}/") for package in family.packages.values()):
            return family.pins
    raise errors.InputError(f"the lab pins no {module}")
