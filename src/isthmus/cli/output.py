"""What every verb shares: reading the folder, printing values and findings, exit codes.

Only `cli` prints; other rooms hand values up to here, and errors rise to `border`. Heavy imports stay
inside the functions, since start-up time is a promise.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from isthmus.model import errors, finding

if TYPE_CHECKING:
    from isthmus.model import folder


class Output(StrEnum):
    """Forms of output; json and yaml have the same field names."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class FailOn(StrEnum):
    """The least severity that makes a command exit 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


RANK = {finding.Severity.ERROR: 0, finding.Severity.WARNING: 1, finding.Severity.INFO: 2}
COLOUR = {finding.Severity.ERROR: "red", finding.Severity.WARNING: "yellow", finding.Severity.INFO: "cyan"}


def emit(value: Any, output: Output) -> None:
    """Print a value of plain data to standard output as JSON or YAML; text is JSON too."""
    if output is Output.YAML:
        import yaml

        plain = json.loads(json.dumps(value))  # enums and tuples become what JSON has
        sys.stdout.write(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    else:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_findings(findings: Iterable[finding.Finding], *, err: bool = True) -> None:
    """Print findings for people, worst first, each with where, why and the way out."""
    for found in sorted(findings, key=lambda each: RANK[each.severity]):
        typer.secho(f"{found.severity.value}: ", fg=COLOUR[found.severity], bold=True, nl=False, err=err)
        place = where(found)
        typer.echo(f"{place}: " if place else "", nl=False, err=err)
        typer.echo(f"{found.message} [{found.code}]", err=err)
        typer.echo(f"  → {found.remedy}", err=err)


def where(found: finding.Finding) -> str:
    """Return file:line, or cluster/kind/namespace/name, of a finding."""
    if found.file:
        return f"{found.file}:{found.line}" if found.line else found.file
    parts = (found.cluster, found.kind, found.namespace, found.name)
    return "/".join(part for part in parts if part)


def exit_code(findings: Iterable[finding.Finding], fail_on: FailOn = FailOn.ERROR) -> errors.Exit:
    """Return 1 when any finding is at least as severe as `fail_on`, else 0."""
    limit = RANK[finding.Severity(fail_on.value)]
    return errors.Exit.FAILED if any(RANK[each.severity] <= limit for each in findings) else errors.Exit.DONE


def load_folder(path: Path, *, output: Output = Output.TEXT) -> folder.Folder:
    """Read and parse the folder or file; print what is wrong with it and leave with 2 on an error."""
    parsed = read_or_leave(path, output)
    assert parsed.folder is not None
    print_findings(parsed.findings)
    return parsed.folder


def read_or_leave(path: Path, output: Output) -> folder.Parsed:
    """Read and parse the folder or file; on an error print every finding and leave with 2.

    The findings of a folder that can be read are left to the caller.
    """
    parsed = parse_folder(path)
    if parsed.folder is None:
        if output is Output.TEXT:
            print_findings(parsed.findings)
        else:
            emit({"findings": [each.to_json() for each in parsed.findings]}, output)
        raise typer.Exit(int(errors.Exit.UNREADABLE))
    return parsed


def parse_folder(path: Path) -> folder.Parsed:
    """Read and parse the folder or file; findings are returned and nothing is printed.

    Files are named as the user would name them from where the command runs, so that editors open them.
    """
    from isthmus.clients import files
    from isthmus.model import folder

    above = path.parent if path.is_file() else path
    read, unread = files.read_documents(path)
    told = [
        finding.Finding(
            code="file-unreadable",
            severity=finding.Severity.ERROR,
            file=str(above / each.name),
            line=each.line,
            message=each.why,
            remedy=each.remedy,
        )
        for each in unread
    ]
    return folder.parse([(str(above / name), text) for name, text in read], told)


def is_terminal() -> bool:
    """Say whether standard output is a terminal that takes colour and live views."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def pick(names: Sequence[str], only: str | None) -> tuple[str, ...]:
    """Return the names that `--only A,B` keeps, in their own order; all when it is not given."""
    if only is None:
        return tuple(names)
    from isthmus.model import fleet

    wanted = [each.strip() for each in only.split(",") if each.strip()]
    if not wanted:
        raise errors.InputError("--only names no cluster", remedy=f"use some of: {', '.join(names)}")
    for each in wanted:
        if each not in names:
            remedy = f"use one of: {fleet.near(each, names)}"
            raise errors.InputError(f"--only names no cluster '{each}'", remedy=remedy)
    return tuple(name for name in names if name in wanted)


def refuse(said: Sequence[finding.Finding], form: Output) -> NoReturn:
    """Print why nothing is done, and leave with 1."""
    if form is Output.TEXT:
        print_findings(said)
    else:
        emit({"findings": [each.to_json() for each in said]}, form)
    raise typer.Exit(int(errors.Exit.FAILED))
