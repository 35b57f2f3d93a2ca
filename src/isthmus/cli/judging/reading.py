"""What the judging verbs read to a world: files, folders and standard input, or live clusters."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import typer

from isthmus.cli import output
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from isthmus.policy import world

Manifests = Annotated[
    list[str] | None,
    typer.Option(
        "--manifests",
        metavar="[CLUSTER=]PATH",
        help="A file or folder of manifests, `-` for standard input (helm template … | isthmus …); "
        "repeatable. CLUSTER says whose they are.",
    ),
]
Contexts = Annotated[list[str] | None, typer.Option("--context", help="Read this live cluster; repeatable.")]
Cilium = Annotated[
    str | None,
    typer.Option(
        "--cilium", metavar="VERSION", help="Judge as this version of Cilium does; 1.20 where it is used."
    ),
]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more when something fails.")]


SHOWN = 3
"""Findings of one code, not errors, that people are shown before the rest is counted."""


class Read(NamedTuple):
    """A world and what is wrong with what it was read from."""

    world: world.World
    findings: tuple[finding.Finding, ...]


def read(manifests: Sequence[str] | None, contexts: Sequence[str] | None, cilium: str | None = None) -> Read:
    """Return the world of manifests or of live clusters; InputError when nothing was given.

    A file that cannot be read ends the command with 2, after every such file was told.
    """
    if bool(manifests) == bool(contexts):
        raise errors.InputError(
            "give manifests or contexts" if not manifests else "manifests and contexts are two worlds",
            remedy="--manifests PATH for files, --context NAME for live clusters",
        )
    from isthmus.policy.manifests import enforcers

    version = enforcers.version(cilium) if cilium else None
    if contexts:
        return assembled(*asyncio.run(_live(contexts)), version)
    objects: dict[str, tuple[world.Object, ...]] = {}
    told: list[finding.Finding] = []
    for cluster, paths in grouped(manifests or ()).items():
        objects[cluster], found = of_paths(paths)
        told += found
    leave_unreadable(told)
    return assembled(objects, told, version)


def grouped(manifests: Iterable[str]) -> dict[str, list[str]]:
    """Return the paths of `[CLUSTER=]PATH` texts by cluster."""
    groups: dict[str, list[str]] = {}
    for each in manifests:
        cluster, path = _split(each)
        groups.setdefault(cluster, []).append(path)
    return groups


def _split(text: str) -> tuple[str, str]:
    """Return cluster and path of `[CLUSTER=]PATH`; manifests of nobody are the default cluster's."""
    from isthmus.policy import world

    cluster, sign, path = text.partition("=")
    if sign and cluster and not Path(text).exists():
        return cluster, path
    return world.DEFAULT_CLUSTER, text


def of_paths(paths: Sequence[str]) -> tuple[tuple[world.Object, ...], list[finding.Finding]]:
    """Return the objects of files and folders, and a finding for all that cannot be read."""
    from isthmus.clients import foreign
    from isthmus.policy.manifests import text

    texts, failed = foreign.read([Path(path) for path in paths if path != "-"], text.SUFFIXES)
    if "-" in paths:
        texts.append(("(standard input)", sys.stdin.read()))
    objects, told = text.objects(texts)
    return objects, [*(_unreadable(each) for each in failed), *told]


def assembled(
    objects: Mapping[str, Sequence[world.Object]],
    told: Sequence[finding.Finding],
    cilium: tuple[int, int] | None,
) -> Read:
    """Return the world of objects by cluster."""
    from isthmus.policy.manifests import cluster, enforcers

    settings = {name: enforcers.settings(name, found, cilium) for name, found in objects.items()}
    known, found = cluster.read(objects, settings)
    return Read(known, (*told, *found))


def leave(read: Read, form: output.Output, *, is_met: bool = True) -> NoReturn:
    """Tell people what is wrong with the policies; leave with 1 on an error or what was not expected."""
    found = all_findings(read)
    if form is output.Output.TEXT:
        output.print_findings(brief(found))
    code = output.exit_code(found) if is_met else errors.Exit.FAILED
    raise typer.Exit(int(code))


def brief(found: Sequence[finding.Finding]) -> list[finding.Finding]:
    """Return every error, and the first few of each other code with how many more there are."""
    shown: list[finding.Finding] = []
    counts: dict[str, int] = {}
    for each in found:
        counts[each.code] = counts.get(each.code, 0) + 1
        if each.severity is finding.Severity.ERROR or counts[each.code] <= SHOWN:
            shown.append(each)
    mild = {each.code: each for each in found if each.severity is not finding.Severity.ERROR}
    for code, each in mild.items():
        if counts[code] > SHOWN:
            more = f"{counts[code] - SHOWN} more like these"
            remedy = "isthmus access verdict … -o json lists all of them"
            shown.append(finding.Finding(code=code, severity=each.severity, message=more, remedy=remedy))
    return shown


def all_findings(read: Read) -> tuple[finding.Finding, ...]:
    """Return what is wrong with the manifests, and with the policies among them."""
    from isthmus.policy import rulebook

    return (*read.findings, *rulebook.findings(read.world))


def leave_unreadable(told: Sequence[finding.Finding]) -> None:
    """Leave with 2, every reason told, where anything could not be read at all."""
    if finding.has_errors(list(told)):
        output.print_findings(told)
        raise typer.Exit(int(errors.Exit.UNREADABLE))


async def _live(
    contexts: Sequence[str],
) -> tuple[dict[str, tuple[world.Object, ...]], list[finding.Finding]]:
    from isthmus.cli import connection
    from isthmus.clients import policed
    from isthmus.policy import world

    async with connection.opened([(each, each) for each in contexts], with_helm=False) as opened:
        found = await asyncio.gather(*(policed.read(each) for each in opened.clusters.values()))
        names = list(opened.clusters)
    objects = {
        name: tuple(world.Object(each) for each in one) for name, (one, _) in zip(names, found, strict=True)
    }
    return objects, [each for _, refused in found for each in refused]


def _unreadable(error: errors.InputError) -> finding.Finding:
    return finding.Finding(
        code="file-unreadable",
        severity=finding.Severity.ERROR,
        file=error.where or None,
        message=error.brief,
        remedy=error.remedy,
    )
