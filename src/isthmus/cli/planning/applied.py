"""Holds the plan against what was applied: the record in the folder, and the clusters that run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.cli.planning import reading
    from isthmus.clients import kube
    from isthmus.network import imported

TIMEOUT = 10.0
"""Seconds for one try at a server; a cluster that is down is told after two."""


def recorded(found: reading.Reading, source: Path) -> tuple[finding.Finding, ...]:
    """Return what the plan changes of its record; nothing where there is no record."""
    from isthmus.clients import files
    from isthmus.network import place
    from isthmus.network.changes import change, record

    path = _path(source)
    if not files.is_file(path) and not files.is_folder(path):
        return ()
    try:
        before = record.read(files.read_text(path))
    except (ValueError, RecursionError) as error:
        raise errors.InputError(
            "the record of the applied plan cannot be read",
            where=str(path),
            why=str(error)[:200],
            remedy="Bring it back from version control.",
        ) from error
    known = found.folder.fleet
    changes = change.Changes(known, place.Places(found.folder), str(path))
    return tuple(changes.findings(before, record.of(known, found.plan.addresses)))


def keep(found: reading.Reading, source: Path) -> tuple[Path, int]:
    """Record the plan as applied; return the file, and how many clusters it holds."""
    from isthmus.clients import files
    from isthmus.network.changes import record

    made = record.of(found.folder.fleet, found.plan.addresses)
    files.write_atomic(_path(source), record.write(made))
    return _path(source), len(made.rows)


def _path(source: Path) -> Path:
    from isthmus.network.changes import record

    return (source.parent if source.is_file() else source) / record.FILE


def live(found: reading.Reading) -> tuple[tuple[finding.Finding, ...], errors.Exit | None]:
    """Return where clusters that run differ from the plan, and the exit code when one did not answer."""
    import asyncio

    from isthmus.cli import connection
    from isthmus.network import place
    from isthmus.network.changes import change, record

    known = found.folder.fleet
    contexts = connection.contexts()
    wanted = {each.cluster.name: each.cluster.context for each in found.clusters}
    configs: dict[str, Any] = {}
    failed: dict[str, errors.IsthmusError] = {}
    absent = [name for name, context in wanted.items() if context not in contexts.names()]
    for name in wanted.keys() - set(absent):
        try:
            configs[name] = contexts.get(wanted[name])
        except errors.IsthmusError as error:
            failed[name] = error
    lives, silent = asyncio.run(_ask(configs))
    failed |= silent
    places = place.Places(found.folder)
    before, after = record.of_live(known.name, lives), record.of(known, found.plan.addresses)
    told = [
        *change.Changes(known, places, "in the cluster that runs").findings(before, after),
        *(each for one in lives for each in one[1].findings),
        *(_failure(places, known.cluster(name), error) for name, error in sorted(failed.items())),
        *_absent(places, absent),
    ]
    return tuple(told), max((each.exit_code for each in failed.values()), default=None)


async def _ask(
    configs: Mapping[str, Any],
) -> tuple[Sequence[tuple[str, imported.Live]], dict[str, errors.IsthmusError]]:
    """Return what each cluster says by its name in the Fleet, and why others say nothing."""
    import asyncio

    from isthmus.clients import kube, live, retry

    policy = retry.Retry(attempts=2)
    servers = {
        each: kube.Cluster(each, config, timeout=TIMEOUT, retry=policy) for each, config in configs.items()
    }

    async def one(name: str, server: kube.Cluster) -> tuple[str, imported.Live] | errors.IsthmusError:
        try:
            return name, await live.read(server, name)
        except errors.IsthmusError as error:
            return error

    try:
        answers = await asyncio.gather(*(one(name, each) for name, each in servers.items()))
    finally:
        for each in servers.values():
            await each.close()
    pairs = dict(zip(servers, answers, strict=True))
    lives = [each for each in answers if not isinstance(each, errors.IsthmusError)]
    return lives, {name: each for name, each in pairs.items() if isinstance(each, errors.IsthmusError)}


def _failure(places: Any, cluster: Any, error: errors.IsthmusError) -> finding.Finding:
    is_away = isinstance(error, errors.UnreachableError)
    told: finding.Finding = places.finding(
        places.of(cluster, "context"),
        code="cluster-unreachable" if is_away else "cluster-not-read",
        message=f"'{cluster.name}' was not compared: {error.brief}",
        remedy=error.remedy or "check again when it answers",
        cluster=cluster.name,
    )
    return told


def _absent(places: Any, names: Sequence[str]) -> Iterator[finding.Finding]:
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        yield places.finding(
            ("spec", "clusters"),
            code="cluster-not-there",
            message=f"no kubeconfig has the context of {shown}, so it was not compared",
            remedy="nothing to do while it is not built; else bring its kubeconfig",
            severity=finding.Severity.INFO,
        )
