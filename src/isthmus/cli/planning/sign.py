"""`isthmus plan sign`: a team agrees to the parts of the plan that it owns."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli import output
from isthmus.cli.planning import reading, signed
from isthmus.model import errors, finding, team

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.network.consent import agreement

Team = Annotated[str, typer.Option("--team", metavar="NAME", help="The team that agrees.")]
Parts = Annotated[
    list[team.Part] | None,
    typer.Option("--part", help="This part only; may be repeated.", show_default=False),
]
Key = Annotated[
    Path,
    typer.Option("--key", metavar="FILE", help="The private key; a .pub file signs through the agent."),
]
Agent = Annotated[bool, typer.Option("--agent", help="Sign through ssh-agent.")]
Print = Annotated[bool, typer.Option("--print", help="Print the text of the part, to sign it elsewhere.")]
Bring = Annotated[
    Path | None, typer.Option("--signature", metavar="FILE", help="Keep this signature, made elsewhere.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def sign(
    name: Team,
    source: reading.Source = Path(),
    parts: Parts = None,
    key: Key = Path("~/.ssh/id_ed25519"),
    agent: Agent = False,
    show: Print = False,
    bring: Bring = None,
    yes: Yes = False,
    _verbose: reading.Verbose = False,
) -> None:
    """Agree to parts of the plan for a team: all that it owns and has not signed as they are now.

    Shows what changed since the team signed last, asks, and writes into the folder `signatures`,
    which belongs under version control. `ssh-keygen -Y verify` can check them.

    Examples:
        isthmus plan sign --team network
        isthmus plan sign --team network --part addressing --key ~/.ssh/id_ed25519.pub
        isthmus plan sign --team network --part addressing --print > addressing.txt
        isthmus plan sign --team network --part addressing --signature addressing.txt.sig
    """
    from isthmus.clients import shelf

    found = reading.read(source, None, output.Output.TEXT)
    held = shelf.read(source)
    agreed = signed.read(found, held)
    signed.refuse(found, agreed)
    chosen = _chosen(agreed, name, parts or [], wants_all=show or bring is not None)
    if show or bring is not None:
        only = _one(chosen)
        if bring is None:
            sys.stdout.write(agreed.texts[only.part])
        else:
            _bring(source, agreed, only, bring)
        return
    if not chosen:
        typer.echo(f"team '{name}' agrees to everything that it has a say in")
        return
    _preview(agreed, chosen)
    _warn(found.findings)
    _confirm(len(chosen), yes=yes)
    for each, armored in zip(chosen, _signatures(agreed, chosen, key, agent=agent), strict=True):
        _keep(source, agreed, each, armored)
    _tell(source, found)


def _chosen(
    agreed: agreement.Agreement, name: str, parts: Sequence[team.Part], *, wants_all: bool
) -> list[agreement.Standing]:
    """Return where the team stands on the parts that it is to sign."""
    own = [each for each in agreed.standings if each.team == name]
    if not own:
        known = sorted({each.team for each in agreed.standings})
        remedy = f"use one of: {', '.join(known)}" if known else "write `teams` with `keys` into the Fleet"
        raise errors.InputError(f"no team '{name}' has a part to sign", remedy=remedy)
    for part in parts:
        if part not in {each.part for each in own}:
            owned = ", ".join(each.part.value for each in own)
            raise errors.InputError(f"team '{name}' has no say in {part.value}", remedy=f"it signs: {owned}")
    picked = [each for each in own if not parts or each.part in parts]
    return [each for each in picked if wants_all or each.trouble is not None]


def _one(chosen: Sequence[agreement.Standing]) -> agreement.Standing:
    if len(chosen) != 1:
        names = ", ".join(each.part.value for each in chosen)
        raise errors.InputError("one part is printed or brought at a time", remedy=f"name it: --part {names}")
    return chosen[0]


def _preview(agreed: agreement.Agreement, chosen: Sequence[agreement.Standing]) -> None:
    for each in chosen:
        since = "since it was signed last" if each.change else each.why
        typer.secho(f"{each.part.value}, {since}:", bold=True)
        for line in each.change or agreed.texts[each.part].splitlines():
            typer.echo(f"  {line}")
        typer.echo()


def _warn(findings: Sequence[finding.Finding]) -> None:
    count = sum(each.severity is finding.Severity.ERROR for each in findings)
    if count:
        plural = "s" if count > 1 else ""
        typer.secho(f"the plan has {count} error{plural}: isthmus plan check", fg="yellow", err=True)


def _confirm(count: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise errors.InputError("nobody is there to confirm the signature", remedy="repeat with --yes")
    typer.confirm("Sign this?" if count == 1 else f"Sign these {count} parts?", abort=True, err=True)


def _signatures(
    agreed: agreement.Agreement, chosen: Sequence[agreement.Standing], key: Path, *, agent: bool
) -> list[str]:
    from isthmus.clients import signer

    own = signer.read(key.expanduser(), agent=agent)
    for each in chosen:
        _permit(agreed, each, own.public)

    async def made() -> list[str]:
        return [await own.sign(agreed.texts[each.part]) for each in chosen]

    return asyncio.run(made())


def _permit(agreed: agreement.Agreement, each: agreement.Standing, public: str) -> None:
    """Refuse a key that does not count for the team."""
    from isthmus.network.consent import keys

    allowed = agreed.allowed(each.part, each.team)
    if public not in allowed:
        known = ", ".join(map(keys.fingerprint, allowed)) or "none"
        raise errors.InputError(
            f"{keys.fingerprint(public)} is no key with which team '{each.team}' signs {each.part.value}",
            why="the keys that count are those that all teams agreed to last",
            remedy=f"sign with one of: {known}",
        )


def _bring(source: Path, agreed: agreement.Agreement, each: agreement.Standing, path: Path) -> None:
    from isthmus.clients import files, signature

    armored = files.read_text(path)
    found = signature.verify(armored, agreed.texts[each.part])
    if found.fault is not None:
        raise errors.InputError(
            f"the signature does not fit {each.part.value} as it is now",
            where=str(path),
            why=found.why,
            remedy=f"sign what this prints: isthmus plan sign --team {each.team} --part {each.part.value} "
            "--print",
        )
    _permit(agreed, each, found.key)
    _keep(source, agreed, each, armored)


def _keep(source: Path, agreed: agreement.Agreement, each: agreement.Standing, armored: str) -> None:
    """Write the text and then the signature, so that a crash leaves a signature that is void and told."""
    from isthmus.clients import shelf
    from isthmus.network.consent import agreement, chain, teams

    text = agreed.texts[each.part]
    if each.part is team.Part.TEAMS:
        generation = teams.read(text).generation
        name = chain.text_name(generation)
        held = shelf.read(source)
        if held.get(name) != text:
            for old in held:
                if old.startswith(f"teams.{generation}."):
                    shelf.drop(source, old)
    else:
        name = agreement.text_name(each.part, each.team)
    shelf.write(source, name, text)
    typer.echo(f"signed {each.part.value}: {shelf.write(source, each.file, armored)}")


def _tell(source: Path, found: reading.Reading) -> None:
    """Say who must still sign the teams, and what to trust once all have."""
    from isthmus.clients import shelf

    agreed = signed.read(found, shelf.read(source))
    waiting = [
        each.team for each in agreed.standings if each.part is team.Part.TEAMS and each.trouble is not None
    ]
    if waiting:
        typer.echo(f"the keys of the teams count once these have signed `teams`: {', '.join(waiting)}")
    elif agreed.chain.digests:
        typer.echo(
            f"let CI insist: isthmus plan check --require-signatures --trust {agreed.chain.digests[-1]}"
        )
