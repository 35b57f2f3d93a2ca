"""`isthmus access matrix`: every connection that is allowed, as lines, as a table of data, or as a grid."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli import output
from isthmus.cli.judging import reading
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from isthmus.policy.reach import matrix as matrices


class Table(StrEnum):
    """Forms of a matrix."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"
    YAML = "yaml"


Picture = Annotated[str | None, typer.Option("--svg", metavar="FILE|-", help="Draw a grid as one picture.")]
Page = Annotated[str | None, typer.Option("--html", metavar="FILE|-", help="Draw a grid as a page.")]


def matrix(
    manifests: reading.Manifests = None,
    context: reading.Contexts = None,
    cilium: reading.Cilium = None,
    form: Annotated[Table, typer.Option("--output", "-o", help="Form of the output.")] = Table.TEXT,
    svg: Picture = None,
    html: Page = None,
    _verbose: reading.Verbose = False,
) -> None:
    """List every allowed connection between workloads and with the outside: source, destination, ports.

    What is not listed is denied. Workloads that no rule tells apart are judged once: many pods cost little.

    Examples:
        isthmus access matrix --manifests k8s
        isthmus access matrix --manifests k8s -o csv > connections.csv
        isthmus access matrix --context west --context east --html connections.html
    """
    read = reading.read(manifests, context, cilium)
    made = of(read)
    if svg is not None or html is not None:
        _draw(made, svg, html)
    elif form is Table.YAML:
        output.emit(list(_rows(made)), output.Output.YAML)
    else:
        _print(made, form)
    sys.stdout.flush()
    if form is Table.TEXT:
        reading.leave(read, output.Output.TEXT)
    # Who asks for rows by the hundred thousand is told what cannot be read, and no more: checks cost as much.
    output.print_findings(read.findings)
    raise typer.Exit(int(output.exit_code(read.findings)))


def of(read: reading.Read) -> matrices.Matrix:
    """Return the matrix of a world."""
    from isthmus.policy import rulebook
    from isthmus.policy.reach import matrix as matrices

    return matrices.Matrix(read.world, rulebook.read_all(read.world))


def _print(made: matrices.Matrix, form: Table) -> None:
    from isthmus.render import connections

    writers: dict[Table, Callable[[Iterable[matrices.Group]], Iterator[str]]] = {
        Table.TEXT: connections.text,
        Table.CSV: connections.csv,
        Table.JSON: connections.json,
    }
    for part in writers[form](made.groups()):
        sys.stdout.write(part)


def _rows(made: matrices.Matrix) -> Iterator[dict[str, str]]:
    from isthmus.render import connections

    for group in made.groups():
        for destination in group.destinations:
            for protocol, ports in connections.spelled(group.ports):
                yield {"src": group.source, "dst": destination, "protocol": protocol, "ports": ports}


def _draw(made: matrices.Matrix, svg: str | None, html: str | None) -> None:
    from isthmus.clients import files
    from isthmus.render import lattice

    if svg == html == "-":
        raise errors.InputError(
            "standard output takes one of them", remedy="name a file for `--html` or `--svg`"
        )
    drawn = lattice.of(made)
    for name, content in ((svg, lattice.svg(drawn)), (html, lattice.html(drawn))):
        if name == "-":
            sys.stdout.write(content)
        elif name is not None:
            files.write_atomic(Path(name), content)
            typer.echo(f"wrote {name}", err=True)
