"""Who agreed to which part of a plan, judged from the folder of signatures.

A team's signature of a part is `PART.TEAM.sig`, over the text beside it, `PART.TEAM.txt`. It counts while the
plan still has that text, so a later change voids the parts that it touches and no other. The keys and owners
that count are those that all teams agreed to last (`chain.py`); before the first agreement, the Fleet's.

What a signature cannot tell is time: a folder that was signed once is signed for ever, and a check of an old
checkout passes. Whose folder is the newest is for version control to say.
"""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Final

from isthmus.model import team
from isthmus.network.consent import chain, parts, seal, teams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.model import folder
    from isthmus.network import plan as plans

TAMPERED: Final = frozenset(chain.Trouble) - {chain.Trouble.MISSING, chain.Trouble.STALE}
"""What no change of the plan explains: somebody or something put a wrong file there."""

NO_KEYS: Final = "has no keys to sign with"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one team stands on one part; without trouble it agrees."""

    part: team.Part
    team: str
    file: str
    trouble: chain.Trouble | None = None
    why: str = ""
    change: tuple[str, ...] = ()
    """Lines of the part since the team signed it, with `-` and `+`."""
    has_keys: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """The texts to agree to, where each owner stands, and the chain of agreed teams."""

    texts: Mapping[team.Part, str]
    standings: tuple[Standing, ...]
    chain: chain.Chain
    roll: teams.Roll
    """The teams that count."""

    def allowed(self, part: team.Part, name: str) -> tuple[str, ...]:
        """Return the keys with which a team may sign a part; none when it has no say."""
        if part is not team.Part.TEAMS:
            member = self.roll.member(name)
            return member.keys if member and part in member.owns else ()
        head = self.chain.head
        wanted = teams.read(self.texts[part])
        return chain.signers(wanted, head.roll if head else None).get(name, ())


def read(source: folder.Folder, plan: plans.Plan, shelf: Mapping[str, str], check: seal.Check) -> Agreement:
    """Judge the files of a folder of signatures, by name."""
    links = chain.read(shelf, source.fleet.name, check)
    roll = links.head.roll if links.head else teams.of(source.fleet)
    texts: dict[team.Part, str] = {
        part: parts.content(part, source, plan) for part in team.Part if part is not team.Part.TEAMS
    }
    standings = [
        _stand(part, each, texts[part], roll, shelf, check)
        for part in texts
        for each in roll.members
        if part in each.owns
    ]
    text, of_teams = _teams(source, links)
    return Agreement(
        texts={**texts, team.Part.TEAMS: text}, standings=(*standings, *of_teams), chain=links, roll=roll
    )


def text_name(part: team.Part, name: str) -> str:
    """Return the file of the text of a part as a team signed it."""
    return f"{part.value}.{name}.txt"


def signature_name(part: team.Part, name: str) -> str:
    """Return the file of a team's signature of a part."""
    return f"{part.value}.{name}.sig"


def changed(before: str, after: str) -> tuple[str, ...]:
    """Return the lines that went and came; what is no plain text in an old one is replaced."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    kept = [line for line in lines if len(line) > 1 and not line.startswith(("---", "+++", "@@"))]
    return tuple("".join(each if " " <= each <= "~" else "?" for each in line) for line in kept)


def _stand(
    part: team.Part,
    member: teams.Member,
    text: str,
    roll: teams.Roll,
    shelf: Mapping[str, str],
    check: seal.Check,
) -> Standing:
    standing = Standing(part=part, team=member.name, file=signature_name(part, member.name))
    if not member.keys:
        return dataclasses.replace(standing, trouble=chain.Trouble.MISSING, why=NO_KEYS, has_keys=False)
    armored = shelf.get(standing.file)
    if armored is None:
        return dataclasses.replace(standing, trouble=chain.Trouble.MISSING, why="it has not signed")
    kept = shelf.get(text_name(part, member.name))
    found = check(armored, text)
    is_old = found.fault is seal.Fault.FORGED and kept is not None
    if is_old and kept is not None:
        found = check(armored, kept)
    if found.fault is not None:
        why = "it was made neither over this part nor over the text beside it"
        if found.fault is not seal.Fault.FORGED:
            why = found.why
        return dataclasses.replace(standing, trouble=chain.OF_FAULT[found.fault], why=why)
    if found.key not in member.keys:
        why = chain.stranger(found.key, member.name, roll)
        return dataclasses.replace(standing, trouble=chain.Trouble.FOREIGN, why=why)
    return _aged(standing, kept, text, roll.fleet) if is_old and kept is not None else standing


def _aged(standing: Standing, kept: str, text: str, fleet: str) -> Standing:
    """Return the standing of a good signature over another text than the plan's."""
    bound = kept.split("\n")[1:3]
    if bound != teams.head(fleet, standing.part)[1:3]:
        why = f"it was made over '{ascii(', '.join(bound)[:90])[1:-1]}'"
        return dataclasses.replace(standing, trouble=chain.Trouble.REPLAYED, why=why)
    return dataclasses.replace(
        standing,
        trouble=chain.Trouble.STALE,
        why="the part changed since it was signed",
        change=changed(kept, text),
    )


def _teams(source: folder.Folder, links: chain.Chain) -> tuple[str, list[Standing]]:
    """Return the text of the teams to agree to, and where each that must sign it stands."""
    head, pending = links.head, links.pending
    wanted = teams.of(source.fleet, head.text if head else None)
    if head and head.roll.members == wanted.members:
        names = chain.signers(head.roll, None)
        return head.text, [_of_teams(head.roll, name) for name in sorted(names)]
    if pending and pending.roll == wanted:
        return pending.text, _of_pending(pending, head, wanted)
    why, trouble = "it has not signed", chain.Trouble.MISSING
    if head:
        why, trouble = "the teams changed since they were signed", chain.Trouble.STALE
    text = teams.write(wanted)
    tampered = {each.team: each for each in pending.problems if each.trouble in TAMPERED} if pending else {}
    standings = []
    for name in sorted(chain.signers(wanted, head.roll if head else None)):
        each = tampered.get(name, chain.Problem(name, "", trouble, why))
        standings.append(
            dataclasses.replace(
                _of_teams(wanted, name), trouble=each.trouble, why=each.why, change=_since(head, text)
            )
        )
    return text, standings


def _since(head: chain.Link | None, text: str) -> tuple[str, ...]:
    """Return what changed in the teams themselves."""
    return changed(teams.body(head.text), teams.body(text)) if head else ()


def _of_pending(pending: chain.Link, head: chain.Link | None, wanted: teams.Roll) -> list[Standing]:
    problems = {each.team: each for each in pending.problems}
    change = _since(head, pending.text)
    result = []
    for name in sorted(chain.signers(wanted, head.roll if head else None)):
        standing, problem = _of_teams(wanted, name), problems.get(name)
        if problem is not None:
            standing = dataclasses.replace(standing, trouble=problem.trouble, why=problem.why, change=change)
        result.append(standing)
    return result


def _of_teams(roll: teams.Roll, name: str) -> Standing:
    return Standing(part=team.Part.TEAMS, team=name, file=chain.signature_name(roll.generation, name))
