"""Tells which signatures a plan lacks: errors where they are required, else a word where some are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.model import finding, team
from isthmus.network.consent import agreement, chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import folder
    from isthmus.network import place

LINES: Final = 8
"""Lines of a change that a finding shows."""


def findings(
    found: agreement.Agreement,
    source: folder.Folder,
    places: place.Places,
    *,
    folder_name: str,
    required: bool,
    trusted: str | None = None,
) -> Iterator[finding.Finding]:
    """Yield each signature that is wanted and not good: errors where they are required, else a word."""
    index = {each.name: number for number, each in enumerate(source.fleet.spec.teams)}
    if required:
        yield from _whole(found, source, places, trusted)
    if found.chain.broken:
        yield places.finding(
            ("spec", "teams"),
            code="teams-chain-broken",
            message=f"the chain of agreed teams cannot be followed: {folder_name}/{found.chain.broken}",
            remedy="bring the files back as they were signed; for a Fleet with another name, all teams sign "
            "anew in an empty folder",
            severity=finding.Severity.ERROR if required else finding.Severity.WARNING,
        )
    for each in found.standings:
        if each.trouble is None or (not required and not each.has_keys):
            continue
        path: place.Path = ("spec", "teams", index[each.team]) if each.team in index else ("spec", "teams")
        yield places.finding(
            path,
            code=f"signature-{each.trouble.value}" if each.has_keys else "team-without-keys",
            message=_message(each, folder_name),
            remedy=_remedy(each),
            severity=_severity(each.trouble, required=required),
        )


def _severity(trouble: chain.Trouble, *, required: bool) -> finding.Severity:
    if required:
        return finding.Severity.ERROR
    return finding.Severity.WARNING if trouble in agreement.TAMPERED else finding.Severity.INFO


def _message(each: agreement.Standing, folder_name: str) -> str:
    if not each.has_keys:
        return f"team '{each.team}' owns {each.part.value} and {each.why}"
    lines = [f"{each.part.value} is not agreed to by team '{each.team}': {each.why}"]
    if each.trouble is not chain.Trouble.MISSING:
        lines[0] += f" ({folder_name}/{each.file})"
    lines += [f"    {line}" for line in each.change[:LINES]]
    if len(each.change) > LINES:
        lines.append(f"    and {len(each.change) - LINES} lines more")
    return "\n".join(lines)


def _remedy(each: agreement.Standing) -> str:
    if not each.has_keys:
        return "write its public keys into `keys`, or give the part to a team that has some"
    sign = f"isthmus plan sign --team {each.team} --part {each.part.value}"
    if each.trouble not in agreement.TAMPERED:
        return f"look at it and sign: {sign}"
    return f"find out who put that file there; then the team signs: {sign}"


def _whole(
    found: agreement.Agreement, source: folder.Folder, places: place.Places, trusted: str | None
) -> Iterator[finding.Finding]:
    """Yield what is wrong with the whole of it: nobody to sign, a chain that is not the trusted one."""
    if not source.fleet.spec.teams:
        yield places.finding(
            ("spec",),
            code="no-teams",
            message="signatures are required, and the Fleet has no teams that could sign",
            remedy="write `teams: [{name: network, owns: [addressing], keys: [ssh-ed25519 ...]}]`",
        )
        return
    free = [part.value for part in team.Part if part is not team.Part.TEAMS and not _owned(found, part)]
    if free:
        yield places.finding(
            ("spec", "teams"),
            code="part-without-owner",
            message=f"no team owns {', '.join(free)}, so nobody agrees to it",
            remedy="add it to what a team `owns`",
            severity=finding.Severity.INFO,
        )
    yield from _trust(found, places, trusted)


def _owned(found: agreement.Agreement, part: team.Part) -> bool:
    return any(part in each.owns for each in found.roll.members)


def _trust(
    found: agreement.Agreement, places: place.Places, trusted: str | None
) -> Iterator[finding.Finding]:
    digests = found.chain.digests
    if trusted is not None and trusted.strip().lower().removeprefix("sha256:") not in {
        each[7:] for each in digests
    }:
        yield places.finding(
            ("spec", "teams"),
            code="teams-untrusted",
            message="the chain of agreed teams does not hold the trusted text: it was begun anew or cut",
            remedy="find out who changed the signatures; when the teams did, they say which digest to trust",
        )
    elif trusted is None and digests:
        yield places.finding(
            ("spec", "teams"),
            code="teams-first-use",
            message="the keys of the teams are trusted because they stand in this folder",
            remedy=f"let CI insist on them: --trust {digests[-1]}",
            severity=finding.Severity.INFO,
        )
