"""`isthmus account`: the ServiceAccount by which Isthmus works in each cluster, and the way to work as it.

One function per verb; what the account holds is decided in `holding`, and written by `engine/account`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import holding, output, running
from isthmus.model import errors, finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.clients import kube
    from isthmus.engine import account as accounts
    from isthmus.model import folder as folders

app = typer.Typer(help="Work in the clusters as an account with few rights.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--file", "-f", help="Folder or file with the Fleet.")]
Only = Annotated[str | None, typer.Option("--only", help="Only these clusters, comma-separated.")]
Form = Annotated[output.Output, typer.Option("--output", "-o", help="Form of the output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change and stop.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more when something fails.")]
Verb = Annotated[
    list[str] | None,
    typer.Option(
        "--for",
        help=f"What it may do; repeatable. One of: {', '.join(holding.VERBS)}. "
        f"Without it: {', '.join(holding.USUAL)}.",
        metavar="VERB",
    ),
]
HOUR = 3600
"""Seconds that a token lives; API servers give none for less than 600."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """What one cluster would change, and what is to say; with `error` nothing is known."""

    changes: tuple[accounts.Change, ...] = ()
    rules: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    findings: tuple[finding.Finding, ...] = ()
    error: errors.IsthmusError | None = None

    def to_json(self, name: str) -> dict[str, Any]:
        """Return the public form."""
        return {
            "cluster": name,
            "error": None if self.error is None else self.error.brief,
            "changes": [each.to_json() for each in self.changes],
            "rights": self.rules,
        }


@app.command()
def up(
    folder: Folder = Path(),
    verbs: Verb = None,
    group: Annotated[
        str, typer.Option("--group", help="A group of users that may take the account's tokens.")
    ] = "",
    only: Only = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Make the account in every cluster, with what its verbs need and nothing else.

    Whoever runs it holds all that he gives (a cluster administrator). Again with other verbs it takes back
    what they do not need.

    Examples:
        isthmus account up -f shop --dry-run
        isthmus account up -f shop --for connect --for doctor --group sre
    """
    chosen = tuple(dict.fromkeys(verbs or holding.USUAL))
    holding.check(chosen)
    read = _read(folder)
    asyncio.run(_run(read, only, _Ways(chosen, group, yes, dry_run, form)))


@app.command()
def down(
    folder: Folder = Path(),
    only: Only = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    form: Form = output.Output.TEXT,
    _verbose: Verbose = False,
) -> None:
    """Delete the account, its roles and their bindings; its tokens are refused then. Namespaces stay.

    Examples:
        isthmus account down -f shop
    """
    asyncio.run(_run(_read(folder), only, _Ways(None, "", yes, dry_run, form)))


@app.command()
def kubeconfig(
    path: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")],
    folder: Folder = Path(),
    seconds: Annotated[int, typer.Option("--seconds", min=600, help="How long a token lives.")] = HOUR,
    _verbose: Verbose = False,
) -> None:
    """Write a kubeconfig with the Fleet's contexts as the account; there is no token in it.

    Whoever uses it runs `isthmus account token`, which asks for a new token with the credentials of your
    own kubeconfig as often as one ends.

    Examples:
        isthmus account kubeconfig shop.kubeconfig -f shop
        KUBECONFIG=shop.kubeconfig isthmus connect up -f shop
    """
    from isthmus.cli import connection
    from isthmus.clients import files
    from isthmus.clients import kubeconfig as configs
    from isthmus.rollout import plan as rollouts

    read = _read(folder)
    known = connection.contexts()
    if path.absolute() in {each.absolute() for each in known.paths}:
        raise errors.InputError(
            "the file would be its own way to a token",
            where=str(path),
            why="it is among the kubeconfigs in use, which tokens are asked for with",
            remedy="name another file, or set KUBECONFIG to your own",
        )
    sources = [str(each.absolute()) for each in known.paths if files.is_file(each)]
    words = [word for each in sources for word in ("--kubeconfig", each)]
    entries = {}
    for _, context in rollouts.voters(read.fleet):
        config = known.get(context)
        if config.user is not None and config.user.exec is not None and _is_ours(config.user.exec.args):
            raise errors.InputError(
                f"context '{context}' is that of the account already",
                where=", ".join(sources),
                remedy="run it with a kubeconfig of your own: KUBECONFIG=FILE",
            )
        argv = ["-m", "isthmus", *PLUGIN, "--context", context, *words, "--seconds", str(seconds)]
        entries[context] = (config, argv)
    body = configs.for_plugin(entries, command=sys.executable)
    files.write_atomic(path, json.dumps(body, indent=2) + "\n", 0o600)
    typer.echo(f"{path} has {len(entries)} contexts; work as the account: KUBECONFIG={path}", err=True)


PLUGIN = ("account", "token")


@app.command()
def token(
    context: Annotated[str, typer.Option("--context", help="The context to ask with.")],
    kubeconfig: Annotated[
        list[Path] | None, typer.Option("--kubeconfig", help="Files that have it; repeatable.")
    ] = None,
    seconds: Annotated[int, typer.Option("--seconds", min=600, help="How long it lives.")] = HOUR,
    _verbose: Verbose = False,
) -> None:
    """Print a token of the account as kubectl's credential plugins do; the kubeconfig runs it.

    Examples:
        isthmus account token --context west | kubectl create --dry-run=client -o yaml -f -
    """
    if output.is_terminal():
        raise errors.InputError(
            "a token is not shown on a terminal",
            why="it is a credential, and terminals keep what they show",
            remedy="isthmus account kubeconfig FILE writes what runs this",
        )
    print(json.dumps(asyncio.run(_issue(context, kubeconfig, seconds))))


async def _issue(context: str, paths: Sequence[Path] | None, seconds: int) -> dict[str, Any]:
    from isthmus.cli import connection
    from isthmus.clients import kube
    from isthmus.clients import kubeconfig as configs
    from isthmus.engine import account, fence

    known = configs.load(paths) if paths else connection.contexts()
    config = known.get(context)
    if config.user is not None and config.user.exec is not None and _is_ours(config.user.exec.args):
        raise errors.InputError(
            f"context '{context}' is that of the account itself",
            remedy="--kubeconfig names the file with credentials of your own",
        )
    async with kube.Cluster(context, config) as server:
        given = await account.token(server, seconds)
    ends = fence.expiry(given)
    status = {"token": given} | ({"expirationTimestamp": _stamp(ends)} if ends is not None else {})
    return {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}


def _stamp(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _is_ours(words: Sequence[str] | None) -> bool:
    return "isthmus" in (words or ()) and set(PLUGIN) <= set(words or ())


@dataclasses.dataclass(frozen=True)
class _Ways:
    """How a verb runs; without `verbs` the account is taken out."""

    verbs: tuple[str, ...] | None
    group: str
    yes: bool
    dry_run: bool
    form: output.Output


def _read(folder: Path) -> folders.Folder:
    read = output.load_folder(folder)
    if read.fleet is None:
        raise errors.InputError(
            "the folder has no Fleet", where=str(folder), remedy="isthmus init writes one"
        )
    return read


async def _run(read: folders.Folder, only: str | None, ways: _Ways) -> None:
    """Show what would change, ask, write it, and leave with the exit code."""
    from isthmus.cli import connection
    from isthmus.engine import account
    from isthmus.engine import world as worlds
    from isthmus.rollout import plan as rollouts

    voters = rollouts.voters(read.fleet)
    chosen = output.pick([name for name, _ in voters], only)
    async with connection.opened(voters, with_helm=False) as world:

        async def look(name: str) -> Seen:
            return await _look(world.cluster(name), read, name, ways)

        found = await worlds.each(chosen, look)
        seen = {
            name: Seen(error=each) if isinstance(each, errors.IsthmusError) else each
            for name, each in found.items()
        }
        if ways.form is output.Output.TEXT or ways.dry_run:
            _show(seen, ways.form)
        failed = {name: each.error for name, each in seen.items() if each.error is not None}
        if not ways.dry_run and not failed and any(each.changes for each in seen.values()):
            running.confirm(yes=ways.yes)
            wrote = await worlds.each(
                tuple(seen), lambda name: account.apply(world.cluster(name), seen[name].changes)
            )
            failed = {name: each for name, each in wrote.items() if isinstance(each, errors.IsthmusError)}
            _told(seen, failed)
        if ways.form is not output.Output.TEXT and not ways.dry_run:
            _show({name: dataclasses.replace(each, error=failed.get(name)) for name, each in seen.items()},
                  ways.form)  # fmt: skip
    silent = any(isinstance(each, errors.UnreachableError) for each in failed.values())
    if failed:
        raise typer.Exit(int(errors.Exit.UNREACHABLE if silent else errors.Exit.FAILED))


def _told(seen: Mapping[str, Seen], failed: Mapping[str, errors.IsthmusError]) -> None:
    for name, each in seen.items():
        if name in failed:
            typer.echo(f"{name}: {failed[name]}", err=True)
        else:
            typer.echo(f"{name}: {len(each.changes)} objects written", err=True)


async def _look(server: kube.Cluster, read: folders.Folder, name: str, ways: _Ways) -> Seen:
    from isthmus.engine import account

    if ways.verbs is None:
        return Seen(changes=await account.changes(server, (), holding.LABELS))
    has_home = await account.has_namespace(server, "istio-system")
    mine = _holding(read, name, ways, has_home=has_home)
    wanted = holding.documents(mine)
    found = await account.changes(server, wanted, holding.LABELS)
    said = [_deployer(name)] if await account.has_admin(server) else []
    return Seen(changes=found, rules=_rules(wanted), findings=tuple(said))


def _holding(read: folders.Folder, name: str, ways: _Ways, *, has_home: bool) -> holding.Holding:
    from isthmus.rollout.connect import istio

    members = [each.name for each in istio.members(read.fleet)]
    return holding.Holding(
        verbs=ways.verbs or (),
        apps=tuple(each for each in read.apps if name in each.spec.clusters),
        others=tuple(each for each in members if each != name),
        meshed=name in members,
        has_istio_home=has_home,
        group=ways.group,
        is_target=name in read.fleet.by_name,
    )


def _rules(wanted: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the rights by namespace, in words."""
    found: dict[str, list[str]] = {}
    for body in wanted:
        place = body["metadata"].get("namespace") or "cluster"
        if body["metadata"]["name"] == holding.NAME and "rules" in body:
            found.setdefault(place, []).extend(map(holding.words, body["rules"]))
        if body.get("roleRef", {}).get("name") == "admin":
            found.setdefault(place, []).append("all that ClusterRole admin gives")
    return found


def _deployer(name: str) -> finding.Finding:
    return finding.Finding(
        code="deployer-admin",
        severity=finding.Severity.WARNING,
        cluster=name,
        kind="ClusterRoleBinding",
        name="isthmus-deployer",
        message="isthmus-deployer is cluster-admin here since somebody worked without the account: whoever "
        "keeps Secrets in isthmus-system can have its token",
        remedy="when no operation runs: kubectl delete clusterrolebinding isthmus-deployer",
    )


def _show(seen: Mapping[str, Seen], form: output.Output) -> None:
    said = [found for each in seen.values() for found in each.findings]
    if form is not output.Output.TEXT:
        body = {
            "clusters": [each.to_json(name) for name, each in seen.items()],
            "findings": [each.to_json() for each in said],
        }
        output.emit(body, form)
        return
    for name, each in seen.items():
        if each.error is not None:
            typer.echo(f"{name}: {each.error}", err=True)
            continue
        typer.echo(f"{name}: {len(each.changes)} changes" if each.changes else f"{name}: as it should be")
        for change in each.changes:
            typer.echo(f"  {change}")
    for names, rules in _alike(seen):
        typer.echo(f"rights in {', '.join(names)}")
        for place, lines in rules.items():
            typer.echo(f"  {place}")
            for line in lines:
                typer.echo(f"    {line}")
    output.print_findings(said)


def _alike(seen: Mapping[str, Seen]) -> list[tuple[list[str], dict[str, list[str]]]]:
    """Return the rights with the clusters that share them."""
    found: list[tuple[list[str], dict[str, list[str]]]] = []
    for name, each in seen.items():
        if not each.rules:
            continue
        same = next((names for names, rules in found if rules == each.rules), None)
        if same is not None:
            same.append(name)
        else:
            found.append(([name], each.rules))
    return found
