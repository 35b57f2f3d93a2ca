"""`make bench`: prints the figures of the design, each beside its target.

make bench                          # all
make bench ARGS="startup lab"       # some
make bench ARGS="rollout3 --turns 3" # fewer repetitions
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

from bench import clock, figures, world


def main() -> int:
    """Measure what was asked for and print it as it comes."""
    parser = argparse.ArgumentParser(prog="bench", description="Prints the figures of the design.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(figures.FIGURES))
    parser.add_argument(
        "--turns", type=int, default=5, help="repetitions of a rollout (default 5; the median counts)"
    )
    asked = parser.parse_args()
    names = asked.figures or list(figures.FIGURES)
    unknown = sorted(set(names) - set(figures.FIGURES))
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}; there are: {', '.join(figures.FIGURES)}")

    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<46}{'figure':>12}   target", flush=True)
    failed = False
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder:
        bench = world.World(Path(folder), turns=asked.turns)
        for name in names:
            try:
                rows = figures.FIGURES[name](bench)
            except clock.FailedError as error:
                failed = True
                rows = [figures.Row(name, "failed", str(error).splitlines()[-1])]
            for row in rows:
                print(f"{row.what:<46}{row.figure:>12}   {row.target:<12}{row.note}".rstrip(), flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
