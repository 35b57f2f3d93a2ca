"""One page for each team: what to open, why, and who says so.

Who owns `firewall` opens everything; a team that pays for clusters (`owner`) sees the flows of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.mesh import ports
from isthmus.model import team as teams
from isthmus.network.needs import firewall
from isthmus.render.files import emit
from isthmus.render.firewall import sheet, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import folder

TITLES = {
    ports.Need.REQUIRED: "Required: the fleet does not work without",
    ports.Need.RECOMMENDED: "Recommended: the fleet works, and cannot tell what is wrong",
    ports.Need.OPTIONAL: "Optional: only if it is used",
}


def page_files(rows: Sequence[firewall.Row], source: folder.Folder) -> dict[str, str]:
    """Return a page for each team that has something to open."""
    made: dict[str, str] = {}
    for name, kept, why in _readers(rows, source):
        if kept:
            file = f"{words.slug(name) or 'team'}.md"
            # Two owners may be written alike but for a sign; neither page may hide the other.
            while file in made:
                file = f"{file.removesuffix('.md')}_.md"
            made[file] = _page(name, why, kept, source)
    return made


def _readers(
    rows: Sequence[firewall.Row], source: folder.Folder
) -> Iterator[tuple[str, Sequence[firewall.Row], str]]:
    """Yield each reader with the rows that concern him, and why they do."""
    known = source.fleet
    owners = {each.name for each in known.spec.teams if teams.Part.FIREWALL in each.owns}
    for name in sorted(owners or {firewall.NOBODY}):
        yield name, rows, "owns the firewall: every flow of the fleet"
    for name in sorted({each.owner for each in known.clusters if each.owner} - owners):
        mine = {each.name for each in known.clusters if each.owner == name}
        kept = [row for row in rows if any(end.cluster in mine for end in (*row.sources, *row.targets))]
        yield name, kept, f"owns the clusters {', '.join(sorted(mine))}: every flow from or to them"


def _page(name: str, why: str, rows: Sequence[firewall.Row], source: folder.Folder) -> str:
    parts = [
        f"<!-- {emit.header('team-pages', mark='').strip()} -->\n",
        f"# Firewall of {sheet.cell(source.fleet.name)} for {sheet.cell(name)}\n",
        f"{sheet.cell(name)} {why}.\n",
    ]
    for need, heading in TITLES.items():
        seen = [row for row in rows if row.entry.need is need and not row.inside]
        if seen:
            parts.append(f"## {heading}\n\n{sheet.table(seen)}")
    inside = [row for row in rows if row.inside]
    if inside:
        note = "No firewall between nodes sees these; network policies and the pods' own firewalls do."
        parts.append(f"## Inside the tunnel: nothing to open\n\n{note}\n\n{sheet.table(inside)}")
    parts.append(f"## Sources\n\n{_sources(rows)}")
    return "\n".join(parts)


def _sources(rows: Sequence[firewall.Row]) -> str:
    told = {f"{row.port}/{row.protocol}: {sheet.cell(row.fact)}": None for row in rows}
    return "".join(f"- {line}\n" for line in told)
