"""`isthmus plan show`: the plan to look at, on a terminal, as a page or as a picture."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli import output
from isthmus.cli.planning import reading
from isthmus.model import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network.consent import agreement
    from isthmus.render.plan import bars

Firewall = Annotated[bool, typer.Option("--firewall", help="Show every row of the firewall matrix.")]
Page = Annotated[str | None, typer.Option("--html", metavar="FILE|-", help="Write one page for all teams.")]
Picture = Annotated[str | None, typer.Option("--svg", metavar="FILE|-", help="Write one picture.")]

STYLE = {
    "strong": {"bold": True},
    "soft": {"dim": True},
    "used": {"fg": "blue"},
    "grown": {"fg": "cyan"},
    "spare": {"dim": True},
    "free": {"dim": True},
    "shut": {"fg": "magenta"},
}
"""How a terminal shows each tone; the glyphs say the same without colour."""


def show(
    source: reading.Source = Path(),
    only: reading.Only = None,
    form: reading.Form = output.Output.TEXT,
    firewall: Firewall = False,
    html: Page = None,
    svg: Picture = None,
    fail_on: reading.FailOn = output.FailOn.ERROR,
    _verbose: reading.Verbose = False,
) -> None:
    """Show the whole plan: clusters, address space, MTU per path, firewall and teams.

    Ranges with a star are given by the plan; the others are pinned in the folder.

    Examples:
        isthmus plan show -f shop
        isthmus plan show --only west,east -o yaml
        isthmus plan show --firewall
        isthmus plan show --html plan.html --svg plan.svg
    """
    _refuse(only, form, html, svg)
    found = reading.read(source, only, form)
    if form is not output.Output.TEXT:
        output.emit(found.to_json(), form)
    elif html is None and svg is None:
        _print(_lines(found, _agreed(found, source), firewall=firewall))
        output.print_findings(found.findings)
    else:
        _write(found, _agreed(found, source), html, svg)
        output.print_findings(found.findings)
    raise typer.Exit(int(output.exit_code(found.findings, fail_on)))


def _refuse(only: str | None, form: output.Output, html: str | None, svg: str | None) -> None:
    """Refuse flags that would not do what they say."""
    if html is None and svg is None:
        return
    if only is not None:
        raise errors.InputError("a page or picture shows the whole fleet", remedy="leave out `--only`")
    if form is not output.Output.TEXT:
        raise errors.InputError(
            "a page or picture is no JSON", remedy="leave out `-o`, or `--html` and `--svg`"
        )
    if html == svg == "-":
        raise errors.InputError(
            "standard output takes one of them", remedy="name a file for `--html` or `--svg`"
        )


def _agreed(found: reading.Reading, source: Path) -> agreement.Agreement | None:
    """Return who agreed to the plan, None before anybody signed."""
    from isthmus.cli.planning import signed
    from isthmus.clients import shelf

    held = shelf.read(source) if found.folder.fleet.spec.teams else {}
    return signed.read(found, held) if held else None


def _lines(
    found: reading.Reading, agreed: agreement.Agreement | None, *, firewall: bool
) -> Sequence[bars.Line]:
    from isthmus.render import table
    from isthmus.render.plan import text

    is_terminal = output.is_terminal()
    width = shutil.get_terminal_size().columns if is_terminal else table.WIDTH
    look = text.Look(width=max(width, 40), is_ascii=not _has_unicode(), firewall=firewall)
    kept = {each.cluster.name for each in found.clusters}
    return text.text(found.plan, found.folder, kept, look, agreed)


def _has_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}


def _print(lines: Sequence[bars.Line]) -> None:
    for line in lines:
        pieces = (typer.style(text, **STYLE[tone]) if tone in STYLE else text for text, tone in line)  # type: ignore[arg-type]  # flags of one style
        told = "".join(pieces)
        typer.echo(told.rstrip())


def _write(
    found: reading.Reading, agreed: agreement.Agreement | None, html: str | None, svg: str | None
) -> None:
    """Write what is asked for; both are made before either is written."""
    from isthmus.clients import files
    from isthmus.render.plan import html as pages
    from isthmus.render.plan import svg as pictures

    made: list[tuple[str, str]] = []
    if html is not None:
        made.append((html, pages.html(found.plan, found.folder, agreed=agreed)))
    if svg is not None:
        made.append((svg, pictures.svg(found.plan, found.folder)))
    for name, content in made:
        if name == "-":
            sys.stdout.buffer.write(content.encode())
            sys.stdout.flush()
        else:
            files.write_atomic(Path(name), content)
            typer.echo(f"wrote {name}", err=True)
