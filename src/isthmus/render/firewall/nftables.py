"""The matrix as one table of nftables, for a router between the clusters or for their nodes.

The table lets in and closes nothing: both its chains have the policy `accept`. An `accept` here does not
overrule a `drop` in another table of the same hook; the file says so at its head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isthmus.mesh import ports
from isthmus.network.needs import firewall, rules
from isthmus.render.files import emit
from isthmus.render.firewall import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import folder

LONGEST: Final = 120
"""Characters of a comment; nftables takes 128 bytes (NFTNL_UDATA_COMMENT_MAXLEN)."""

NOTES: Final = (
    "check: nft -c -f fleet.nft; load: nft -f fleet.nft",
    "Sets without elements are places that the plan does not know: fill them in by `nft add element`.",
    "Nothing is dropped here. To close the rest, end the chain `fleet` with a drop for your ranges;",
    "a drop in another table of the same hook still drops what this table accepts.",
)


def table_files(rows: Sequence[firewall.Row], source: folder.Folder) -> dict[str, str]:
    """Return the table `inet isthmus` as a file for `nft -f`."""
    sets = _Sets()
    body = [line for row in rows if not row.inside for line in _row(row, sets)]
    notes = [f"Fleet {source.fleet.name}", *NOTES]
    if any(len(row.sources) > 1 or len(row.targets) > 1 for row in rows):
        notes.append("Sets of many clusters do not tell a cluster's own nodes from those of others.")
    lines = [
        "table inet isthmus",
        "delete table inet isthmus",
        "",
        "table inet isthmus {",
        *sets.lines(),
        "\tchain fleet {",
        *(f"\t\t{line}" for line in body),
        "\t}",
        *_hook("input"),
        *_hook("forward"),
        "}",
    ]
    return {"fleet.nft": emit.header("nftables", notes) + "\n".join(lines) + "\n"}


def _hook(name: str) -> list[str]:
    return [
        "",
        f"\tchain {name} {{",
        f"\t\ttype filter hook {name} priority filter; policy accept;",
        "\t\tjump fleet",
        "\t}",
    ]


def _row(row: firewall.Row, sets: _Sets) -> Iterator[str]:
    comment = words.plain(f"{row.source} to {row.target}: {row.purpose}", LONGEST)
    for is_v6 in _families(row):
        sides = (("saddr", row.sources), ("daddr", row.targets))
        parts = [_match(word, ends, sets, is_v6=is_v6) for word, ends in sides]
        parts += [_protocol(row.entry), "counter", "accept", f'comment "{comment}"']
        line = " ".join(part for part in parts if part)
        yield f"# optional: {line}" if row.entry.need is ports.Need.OPTIONAL else line


def _families(row: firewall.Row) -> list[bool]:
    """Return the families of a rule, IPv6 as True: what both sides have, where one is unknown the other's."""
    sides = [{each.is_v6 for each in side} for side in (row.source_ranges, row.target_ranges)]
    known = [side for side in sides if side]
    both = set.intersection(*known) if known else {False, True}
    return [is_v6 for is_v6 in (False, True) if is_v6 in both and rules.fits(row.entry, is_v6=is_v6)]


def _match(word: str, ends: tuple[firewall.End, ...], sets: _Sets, *, is_v6: bool) -> str:
    if ends[0].ranges == firewall.ANYWHERE:
        # Without an address the family must be asked for, or the rule is one of both.
        return f"meta nfproto {'ipv6' if is_v6 else 'ipv4'}"
    return f"{'ip6' if is_v6 else 'ip'} {word} @{sets.name(ends, is_v6=is_v6)}"


def _protocol(entry: ports.Port) -> str:
    match entry.protocol:
        case "any":
            return ""
        case "esp":
            return "meta l4proto esp"
        case "icmp" | "icmpv6":
            kind, code = entry.port.split("/")
            return f"{entry.protocol} type {kind} {entry.protocol} code {code}"
        case _:
            return f"{entry.protocol} dport {entry.port}"


class _Sets:
    """Names the sets that rules use and remembers what is in them."""

    def __init__(self) -> None:
        self._names: dict[tuple[tuple[firewall.End, ...], bool], str] = {}
        self._used: set[str] = set()

    def name(self, ends: tuple[firewall.End, ...], *, is_v6: bool) -> str:
        key = (ends, is_v6)
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = self._free(ends, "v6" if is_v6 else "v4")
        return found

    def _free(self, ends: tuple[firewall.End, ...], family: str) -> str:
        place = words.slug(ends[0].place.value)
        # A cluster's name has no underscore, so that nothing else is called `all`.
        first = f"{place}_{ends[0].cluster}" if ends[0].cluster else place
        stem = first if len(ends) == 1 else f"{place}_all_"
        name, number = f"{stem}_{family}", 1
        while name in self._used:
            number += 1
            name = f"{stem}{number}_{family}"
        self._used.add(name)
        return name

    def lines(self) -> Iterator[str]:
        for (ends, is_v6), name in self._names.items():
            yield f"\tset {name} {{"
            yield f"\t\ttype {'ipv6_addr' if is_v6 else 'ipv4_addr'}"
            yield "\t\tflags interval"
            yield "\t\tauto-merge"
            cidrs = rules.cidrs(ends, is_v6=is_v6)
            if cidrs:
                yield f"\t\telements = {{ {', '.join(cidrs)} }}"
            yield "\t}"
            yield ""
