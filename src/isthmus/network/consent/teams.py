"""The text of the part `teams`: who owns what and signs with which keys, and the text that it follows.

Unlike the others it is read back: the keys that count are those that all teams agreed to, not those that
somebody wrote into the Fleet. How one text may follow another is in `chain.py`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from isthmus.model import finding, team, types
from isthmus.network.consent import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model import fleet, folder
    from isthmus.network import place

FORMAT: Final = 1
"""Counts changes of the texts themselves; a new one voids every signature."""

FIRST: Final = "none"


class Member(NamedTuple):
    """A team as it was agreed to; its keys are canonical."""

    name: str
    owns: tuple[team.Part, ...]
    keys: tuple[str, ...]


class Roll(NamedTuple):
    """All teams of a fleet, and the digest of the text that this one follows (`none` for the first)."""

    fleet: str
    generation: int
    previous: str
    members: tuple[Member, ...]

    def member(self, name: str) -> Member | None:
        """Return the team of that name."""
        return next((each for each in self.members if each.name == name), None)


def head(name: str, part: team.Part) -> list[str]:
    """Return the lines that bind a text to its fleet, part and format."""
    return [f"isthmus plan, format {FORMAT}", f"fleet: {name}", f"part: {part.value}"]


def digest(text: str) -> str:
    """Return how the next text names this one."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def of(known: fleet.Fleet, previous: str | None = None) -> Roll:
    """Return the teams of a Fleet, to follow a text; damaged keys are left out, `findings` tells them."""
    generation = 1 if previous is None else read(previous).generation + 1
    members = sorted(_member(each) for each in known.spec.teams)
    return Roll(known.name, generation, digest(previous) if previous else FIRST, tuple(members))


def _member(each: team.Team) -> Member:
    good = set()
    for text in each.keys:
        try:
            good.add(keys.canonical(text))
        except ValueError:
            continue
    return Member(each.name, tuple(part for part in team.Part if part in each.owns), tuple(sorted(good)))


def write(roll: Roll) -> str:
    """Return the text of the teams."""
    lines = head(roll.fleet, team.Part.TEAMS)
    lines += [f"generation: {roll.generation}", f"previous: {roll.previous}"]
    for each in roll.members:
        lines += ["", f"team: {each.name}", f"owns: {', '.join(part.value for part in each.owns)}"]
        lines += [f"key: {key}" for key in each.keys]
    return "\n".join(lines) + "\n"


def body(text: str) -> str:
    """Return the teams of a text without its head."""
    return text.partition("\n\n")[2]


def read(text: str) -> Roll:
    """Return the teams of a text; ValueError when it is not, to the letter, a text that `write` makes."""
    first, *blocks = text.removesuffix("\n").split("\n\n")
    fields = dict(_field(line) for line in first.split("\n")[1:])
    try:
        found = Roll(
            fields["fleet"],
            int(fields["generation"]),
            fields["previous"],
            tuple(_read_member(block) for block in blocks),
        )
    except KeyError as error:
        raise ValueError(f"it has no {error}") from None
    if write(found) != text or not _is_sound(found):
        raise ValueError("it is not a text that isthmus writes")
    return found


def _is_sound(roll: Roll) -> bool:
    """Say whether names are names, each stands once, and keys are as they are compared."""
    names = [each.name for each in roll.members]
    known = [key for each in roll.members for key in each.keys]
    return (
        len(set(names)) == len(names)
        and all(types.LABEL.fullmatch(each) for each in (roll.fleet, *names))
        and all(keys.canonical(each) == each for each in known)
    )


def _read_member(block: str) -> Member:
    lines = [_field(line) for line in block.split("\n")]
    names = dict(lines)
    owns = tuple(team.Part(each) for each in names["owns"].split(", "))
    return Member(names["team"], owns, tuple(value for name, value in lines if name == "key"))


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(": ")
    if not colon:
        raise ValueError("it is not a text that isthmus writes")
    return name, value


def findings(source: folder.Folder, places: place.Places) -> Iterator[finding.Finding]:
    """Yield what is wrong with the teams as the Fleet states them."""
    names: dict[str, int] = {}
    owners: dict[str, int] = {}
    stated = source.fleet.spec.teams
    for index, each in enumerate(stated):
        first = names.setdefault(each.name, index)
        if first != index:
            yield places.finding(
                ("spec", "teams", index, "name"),
                code="duplicate-team",
                message=f"'{each.name}' is also the name of teams[{first}]",
                remedy="give each team its own name",
            )
        for number, text in enumerate(each.keys):
            path: place.Path = ("spec", "teams", index, "keys", number)
            try:
                key = keys.canonical(text)
            except ValueError as error:
                yield places.finding(
                    path,
                    code="team-key-damaged",
                    message=f"a key of team '{each.name}' cannot be used: {error}",
                    remedy="copy the whole line of its `.pub` file",
                )
                continue
            if owners.setdefault(key, index) != index:
                yield places.finding(
                    path,
                    code="key-of-two-teams",
                    message=f"team '{stated[owners[key]].name}' has the key {keys.fingerprint(key)} as well",
                    remedy="give each team keys of its own, or one person agrees for both",
                )
