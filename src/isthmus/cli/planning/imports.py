"""`isthmus plan import`: the Fleet of clusters that exist already, from their API servers and from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import output
from isthmus.cli.planning import reading
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.network import imported
    from isthmus.network.imports import draft as drafts

Context = Annotated[
    list[str] | None,
    typer.Option("--context", metavar="NAME", help="A kubeconfig context to read; repeat it."),
]
Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE|DIR]...",
        help="Terraform state or tfvars, kind or Cluster API manifests.",
        show_default=False,
    ),
]
Write = Annotated[Path | None, typer.Option("--write", metavar="DIR", help="Write DIR/fleet.yaml as well.")]
Name = Annotated[str | None, typer.Option("--name", help="The Fleet's name; else that of DIR.")]
TIMEOUT = 10.0
"""Seconds for one try at a server; a cluster that is down is told after two."""


def run(
    sources: Files = None,
    context: Context = None,
    write: Write = None,
    name: Name = None,
    form: reading.Form = output.Output.YAML,
    fail_on: reading.FailOn = output.FailOn.ERROR,
    _verbose: reading.Verbose = False,
) -> None:
    """Write the Fleet that describes clusters which exist already.

    Reads live clusters (every context when nothing is named) and files, pins what it finds, invents nothing,
    and says what is missing. YAML is the Fleet alone; findings go to standard error. Exits 3 when a cluster
    did not answer; the others are written all the same.

    Examples:
        isthmus plan import --context west --context east > fleet.yaml
        isthmus plan import terraform.tfstate clusters/ --write shop
        isthmus plan import -o text
    """
    from isthmus.network.imports import draft as drafts

    lives, told, code = _live(context or [], wanted=bool(context) or not sources)
    filed, more = _filed(sources or [])
    draft = drafts.draft(_fleet_name(name, write), [*lives, *filed])
    findings = [*told, *more, *draft.findings]
    text = _text(draft)
    if text is not None:
        findings += _checked(str((write or Path()) / "fleet.yaml"), text)
    if write is not None and text is not None:
        _write(write, text)
    _show(draft, text, findings, form)
    if draft.document is None:
        typer.echo("no cluster was read, so there is no Fleet to write", err=True)
        code = code or errors.Exit.FAILED
    elif form is not output.Output.JSON:
        folder = f" -f {write}" if write is not None else ""
        typer.echo(f"next: isthmus plan check{folder}   # overlaps, sizes, limits", err=True)
    raise typer.Exit(int(code or output.exit_code(findings, fail_on)))


def _live(
    wanted_contexts: Sequence[str], *, wanted: bool
) -> tuple[Sequence[imported.Live], list[finding.Finding], errors.Exit | None]:
    """Return the clusters that answer, a finding for each other, and the exit code of the worst of those."""
    if not wanted:
        return (), [], None
    import asyncio

    from isthmus.cli import connection

    known = connection.contexts()
    for each in wanted_contexts:
        if each not in known.names():
            known.get(each)  # refuses, naming the near ones
    configs: dict[str, Any] = {}
    failed: dict[str, errors.IsthmusError] = {}
    for each in dict.fromkeys(wanted_contexts or known.names()):
        try:
            configs[each] = known.get(each)
        except errors.IsthmusError as error:
            failed[each] = error
    lives, silent = asyncio.run(_ask(configs))
    failed |= silent
    codes = {error.exit_code for error in failed.values()}
    return lives, [_failure(each, error) for each, error in failed.items()], max(codes, default=None)


async def _ask(
    configs: Mapping[str, Any],
) -> tuple[Sequence[imported.Live], dict[str, errors.IsthmusError]]:
    from isthmus.clients import kube, live, retry

    policy = retry.Retry(attempts=2)
    servers = {
        each: kube.Cluster(each, config, timeout=TIMEOUT, retry=policy) for each, config in configs.items()
    }
    try:
        return await live.read_all(servers)
    finally:
        for each in servers.values():
            await each.close()


def _failure(context: str, error: errors.IsthmusError) -> finding.Finding:
    is_away = isinstance(error, errors.UnreachableError)
    return finding.Finding(
        code="cluster-unreachable" if is_away else "cluster-not-read",
        severity=finding.Severity.ERROR,
        cluster=context,
        message=error.brief,
        remedy=error.remedy or "import it again when it answers",
    )


def _filed(paths: Sequence[Path]) -> tuple[Sequence[imported.Live], list[finding.Finding]]:
    if not paths:
        return (), []
    from isthmus.clients import foreign
    from isthmus.network.imports import files

    texts, failed = foreign.read(paths, files.SUFFIXES)
    lives, findings = files.read(texts)
    unread = [
        finding.Finding(
            code="not-read",
            severity=finding.Severity.WARNING,
            file=error.where,
            message=error.brief,
            remedy=error.remedy,
        )
        for error in failed
    ]
    return lives, [*unread, *findings]


def _fleet_name(name: str | None, write: Path | None) -> str:
    from isthmus.model import types
    from isthmus.network.imports import names

    if name is not None and not types.LABEL.fullmatch(name):
        raise errors.InputError(
            f"'{name}' cannot be the name of a Fleet",
            remedy="write 1 to 63 of a-z, 0-9 and '-', a letter or digit at both ends",
        )
    return name or (names.label(write.resolve().name) if write is not None else "") or "fleet"


def _text(draft: drafts.Draft) -> str | None:
    if draft.document is None:
        return None
    from isthmus.network.ipam import ranges
    from isthmus.render import fleet

    missing = {
        each.name: [
            *(["nodes"] if each.name in draft.guessed else []),
            *(role.field for role in ranges.Role if not each.of(role)),
        ]
        for each in draft.clusters
    }
    head = (
        "The Fleet of clusters that exist, as `isthmus plan import` found them; it invents nothing.",
        "Its ranges are pinned, since those of a running cluster cannot be changed. Next: isthmus plan check",
    )
    return fleet.text(draft.document, head=head, open_fields=missing)


def _checked(file: str, text: str) -> Sequence[finding.Finding]:
    """Return what our own reader says of the document, which must be nothing."""
    from isthmus.model import folder

    return folder.parse([(file, text)]).findings


def _write(directory: Path, text: str) -> None:
    from isthmus.clients import files

    path = directory / "fleet.yaml"
    if path.exists() or path.is_symlink():
        raise errors.InputError(
            "the file would be overwritten",
            where=str(path),
            remedy="name another folder, or move the file away",
        )
    files.write_atomic(path, text)
    typer.echo(f"wrote {path}", err=True)


def _show(
    draft: drafts.Draft, text: str | None, findings: Sequence[finding.Finding], form: output.Output
) -> None:
    if form is output.Output.JSON:
        value = {
            "findings": [each.to_json() for each in findings],
            "fleet": draft.document,
            "clusters": [each.to_json() for each in draft.clusters],
        }
        output.emit(value, form)
        return
    if form is output.Output.YAML:
        typer.echo(text or "", nl=False)
    elif draft.clusters:
        _table(draft)
    output.print_findings(findings)


HEADINGS = ("CLUSTER", "FIELD", "VALUE", "READ FROM")


def _table(draft: drafts.Draft) -> None:
    """Print each field with where it was read; no range is cut."""
    from isthmus.render import table

    assert draft.document is not None
    rows = []
    for each, row in zip(draft.clusters, draft.document["spec"]["clusters"], strict=True):
        sources = {_camel(key): value for key, value in each.sources.items()}
        for field, value in row.items():
            if field in sources and not isinstance(value, dict):
                shown = ", ".join(value) if isinstance(value, list) else str(value)
                rows.append((each.name, field, shown, sources[field]))
        rows += [
            (each.name, field, "as in the document", sources[field])
            for field in ("network", "istio")
            if field in sources
        ]
    for line in table.columns(rows, HEADINGS, width=160):
        typer.echo(line)


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)
