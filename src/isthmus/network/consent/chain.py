"""The chain of agreed teams: each text of the part `teams` names the one before, and all teams sign it.

The rule. Text 1 is signed by every team in it that has keys, each with a key that it lists: trust on first
use. Text n+1 is signed by every team of text n that has keys, with a key that *text n* lists, and by every
team that is new in it, with its own. So no key, owner or team comes, goes or changes unless all teams of the
moment say so, the one that goes included: were that team spared, any one team could put the others out. The
keys that count for all other parts are those of the last text that is signed in full; what the Fleet says
beside counts for nothing until then, so a key that somebody swaps in the Fleet opens no door.

What it cannot do. It does not stop someone who can rewrite the folder from beginning a new chain, or from
cutting the last texts off: `trusted` is the digest of a text that a check insists on, kept outside of the
folder. A team that has lost its last key cannot sign; the teams begin a new chain, and change that digest.
One good key speaks for its team: where two people must agree, they are two teams.
"""

from __future__ import annotations

import dataclasses
import itertools
from enum import StrEnum
from typing import TYPE_CHECKING

from isthmus.model import explain
from isthmus.network.consent import keys, seal, teams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Trouble(StrEnum):
    """What is wrong with a signature; the words of finding codes."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    FORGED = "forged"
    REPLAYED = "replayed"
    FOREIGN = "foreign"
    STALE = "stale"


@dataclasses.dataclass(frozen=True)
class Problem:
    """One signature that is not there or not good: whose, in which file, and why."""

    team: str
    file: str
    trouble: Trouble
    why: str


@dataclasses.dataclass(frozen=True)
class Link:
    """One text of the teams, and which signatures it lacks."""

    text: str
    roll: teams.Roll
    problems: tuple[Problem, ...] = ()


@dataclasses.dataclass(frozen=True)
class Chain:
    """The texts that are signed in full, the one that is not yet, and why a later one cannot be read."""

    links: tuple[Link, ...] = ()
    pending: Link | None = None
    broken: str = ""

    @property
    def head(self) -> Link | None:
        """The last text that all agreed to."""
        return self.links[-1] if self.links else None

    @property
    def digests(self) -> tuple[str, ...]:
        """The digest of each text that all agreed to, the oldest first."""
        return tuple(teams.digest(each.text) for each in self.links)


def text_name(generation: int) -> str:
    """Return the file of a text."""
    return f"teams.{generation}.txt"


def signature_name(generation: int, name: str) -> str:
    """Return the file of a team's signature of a text."""
    return f"teams.{generation}.{name}.sig"


def read(shelf: Mapping[str, str], fleet: str, check: seal.Check) -> Chain:
    """Return the chain in the files of a folder of signatures, by name."""
    links: list[Link] = []
    for generation in itertools.count(1):
        text = shelf.get(text_name(generation))
        last = links[-1] if links else None
        if text is None:
            later = [name for name in shelf if _generation(name) > generation]
            broken = f"{text_name(generation)} is missing before {min(later)}" if later else ""
            return Chain(tuple(links), broken=broken)
        try:
            roll = _follow(text, fleet, generation, last)
        except ValueError as error:
            return Chain(tuple(links), broken=f"{text_name(generation)}: {explain.plain(str(error))}")
        link = Link(text, roll, tuple(_problems(shelf, text, roll, last, check)))
        if link.problems:
            return Chain(tuple(links), pending=link)
        links.append(link)
    raise AssertionError


def _generation(name: str) -> int:
    words = name.split(".")
    return int(words[1]) if words[0] == "teams" and words[1].isdecimal() and words[1].isascii() else 0


def _follow(text: str, fleet: str, generation: int, last: Link | None) -> teams.Roll:
    roll = teams.read(text)
    if roll.fleet != fleet:
        raise ValueError(f"it is of the fleet '{roll.fleet}'")
    wanted = teams.digest(last.text) if last else teams.FIRST
    if (roll.generation, roll.previous) != (generation, wanted):
        raise ValueError("it does not follow the text before it")
    if not any(each.keys for each in roll.members):
        raise ValueError("no team in it has a key")
    return roll


def signers(roll: teams.Roll, last: teams.Roll | None) -> dict[str, tuple[str, ...]]:
    """Return the teams that must sign a text that follows another, each with the keys that count."""
    before = {each.name: each.keys for each in last.members if each.keys} if last else {}
    after = {each.name: each.keys for each in roll.members if each.keys}
    return {**after, **before}


def _problems(
    shelf: Mapping[str, str], text: str, roll: teams.Roll, last: Link | None, check: seal.Check
) -> Iterator[Problem]:
    for name, allowed in sorted(signers(roll, last.roll if last else None).items()):
        file = signature_name(roll.generation, name)
        armored = shelf.get(file)
        if armored is None:
            yield Problem(name, file, Trouble.MISSING, "it has not signed")
            continue
        found = check(armored, text)
        if found.fault is not None:
            yield Problem(name, file, OF_FAULT[found.fault], found.why)
        elif found.key not in allowed:
            known = last.roll if last else roll
            yield Problem(name, file, Trouble.FOREIGN, stranger(found.key, name, known))


OF_FAULT = {
    seal.Fault.UNREADABLE: Trouble.UNREADABLE,
    seal.Fault.PURPOSE: Trouble.REPLAYED,
    seal.Fault.FORGED: Trouble.FORGED,
}


def stranger(key: str, name: str, known: teams.Roll) -> str:
    """Return whose a key is that is not one of a team's."""
    owner = next((each.name for each in known.members if key in each.keys), None)
    whose = f"of team '{owner}'" if owner else "that no team has"
    return f"it was made with {keys.fingerprint(key)}, a key {whose}, not '{name}'"
