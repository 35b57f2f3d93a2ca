"""What `connect verify` says for people: a matrix of clusters, and under it each leg that is not ok."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.render import table
from isthmus.rollout.connect.proof import judge, questions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

State = judge.State
Json = dict[str, Any]

SIDECARS = frozenset({"meshed-local", "meshed-remote", "plain-refused"})
EVERYWHERE = "everywhere"
CALLERS = {
    questions.Leg.SERVICE_LOCAL: ("plain", ""),
    questions.Leg.SERVICE_REMOTE: ("plain", "only"),
    questions.Leg.MESHED_LOCAL: ("sidecar", ""),
    questions.Leg.MESHED_REMOTE: ("sidecar", "only"),
}
"""The legs that ask a Service by name: who calls, and where its backends are, if not everywhere."""
WORDS = {State.OK: "ok", State.NOT_PROVED: "not proved", State.FAILED: "FAILED"}


def plain(text: str, _: State) -> str:
    """Leave a text as it is, where nobody sees colours."""
    return text


def text(
    body: Mapping[str, Any], *, paint: Callable[[str, State], str] = plain, width: int = table.WIDTH
) -> str:
    """Return the matrix, what is not ok, who answered whom, the figures, and what no leg covers."""
    lines = [*_matrix(body, paint), *_wrong(body, width), *_callers(body, width), *_figures(body), ""]
    lines += table.wrapped(
        f"Not covered: {'; '.join(each['why'] for each in body['not_covered'])}.", width=width
    )
    return "\n".join(lines)


def dry_text(body: Mapping[str, Any], *, width: int = table.WIDTH) -> str:
    """Return what a run would make and ask."""
    lines = [f"image: {body['image']}", "each cluster would get, and lose again at the end:"]
    for one in body["clusters"]:
        lines += table.wrapped(f"{one['cluster']}: {', '.join(one['objects'])}", indent="  ", width=width)
    lines.append(f"questions: {len(body['questions'])}")
    lines += [
        f"  {questions.WORDS[leg]}: {sum(each['leg'] == leg for each in body['questions'])}"
        for leg in questions.Leg
        if any(each["leg"] == leg for each in body["questions"])
    ]
    return "\n".join(lines)


def _matrix(body: Mapping[str, Any], paint: Callable[[str, State], str]) -> Iterator[str]:
    names = [each["cluster"] for each in body["clusters"]]
    cells = {(each["from"], each["to"]): State(each["state"]) for each in body["cells"]}
    first = max(len(name) for name in ("FROM \\ TO", *names))
    widths = {name: max(len(name), *(len(word) for word in WORDS.values())) for name in names}
    yield table.GAP.join(["FROM \\ TO".ljust(first), *(name.ljust(widths[name]) for name in names)]).rstrip()
    for source in names:
        row = [source.ljust(first)]
        for target in names:
            state = cells.get((source, target), State.NOT_PROVED)
            row.append(paint(WORDS[state].ljust(widths[target]), state))
        yield table.GAP.join(row).rstrip()


def _wrong(body: Mapping[str, Any], width: int) -> Iterator[str]:
    for cell in body["cells"]:
        wrong = [each for each in cell["proofs"] if State(each["state"]) is not State.OK]
        if not wrong:
            continue
        yield ""
        yield f"{cell['from']} → {cell['to']}"
        rows = [
            (
                f"  {questions.WORDS[questions.Leg(each['leg'])]}",
                WORDS[State(each["state"])],
                each["why"] or "-",
            )
            for each in wrong
        ]
        yield from table.columns(rows, width=width)
        for remedy in dict.fromkeys(each["remedy"] for each in wrong if each["remedy"]):
            yield from table.wrapped(f"→ {remedy}", indent="  ", width=width)
    for each in body["clusters"]:
        yield from _absent(each["cluster"], each["error"] or each["left"], each["remedy"], width)
        if each["sidecars"] is not None:
            found = each["sidecars"]
            if each["error"]:
                continue
            yield from _absent(
                f"{each['cluster']}, probes with a sidecar", found["error"], found["remedy"], width
            )


def _absent(what: str, why: str | None, remedy: str | None, width: int) -> Iterator[str]:
    """Yield why there are no probes, or why some are left; a cluster that is silent is told once."""
    if why:
        yield ""
        yield from table.wrapped(f"{what}: {why}", width=width)
        if remedy:
            yield from table.wrapped(f"→ {remedy}", indent="  ", width=width)


def _callers(body: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield who answered each caller by name, plain and with a sidecar, with local backends and without.

    They are told where sidecars were asked about: without them the matrix says it all.
    """
    asked = any(each["leg"] in SIDECARS for cell in body["cells"] for each in cell["proofs"])
    found: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for row, identity in (each for cell in body["cells"] if asked for each in _called(cell)):
        found.setdefault(row, {}).update(dict.fromkeys([identity] if identity else []))
    if found:
        order = list(dict.fromkeys(row[0] for row in found))
        rows = [
            (*row, ", ".join(found[row]) or "-")
            for row in sorted(
                found, key=lambda row: (order.index(row[0]), row[2] != EVERYWHERE, row[2], row[1])
            )
        ]
        yield ""
        yield from table.columns(rows, ("FROM", "CALLER", "BACKENDS", "ANSWERED BY", "SEEN AS"), width=width)


def _called(cell: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str, str], str | None]]:
    """Yield caller and answers of each leg that asks by name, and whom the other side saw."""
    for each in cell["proofs"]:
        caller, place = CALLERS.get(questions.Leg(each["leg"]), ("", ""))
        if not caller or (place and cell["from"] == cell["to"]):
            continue
        if State(each["state"]) is State.NOT_PROVED and not each["answered_by"]:
            continue  # nobody was asked
        backends = f"{place} {cell['to']}" if place else EVERYWHERE
        by = ", ".join(f"{name} {count}" for name, count in each["answered_by"].items())
        yield (cell["from"], caller, backends, by or "nobody"), each["identity"]


def _figures(body: Mapping[str, Any]) -> Iterator[str]:
    rows = [row for cell in body["cells"] if (row := _figure(cell)) is not None]
    if rows:
        yield ""
        yield from table.columns(rows, ("FROM", "TO", "P50 ms", "P99 ms", "PACKET", "PLANNED"))
    streams = [row for cell in body["cells"] if (row := _stream(cell)) is not None]
    if streams:
        yield ""
        yield from table.columns(streams, ("FROM", "TO", "Mbit/s", "PROCESSORS", "HEADERS TAKE"))


def _figure(cell: Mapping[str, Any]) -> tuple[str, ...] | None:
    found = _found(cell)
    if not found:
        return None
    times = (f"{found[key]:.2f}" if key in found else "-" for key in ("p50_ms", "p99_ms"))
    sizes = (f"{found[key]:.0f}" if key in found else "-" for key in ("largest", "planned"))
    return (cell["from"], cell["to"], *times, *sizes)


def _stream(cell: Mapping[str, Any]) -> tuple[str, ...] | None:
    found = _found(cell)
    if "mbit_s" not in found:
        return None
    headers = f"{found['headers']:.1%}" if "headers" in found else "-"
    return (cell["from"], cell["to"], f"{found['mbit_s']:.0f}", f"{found['processors']:.1f}", headers)


def _found(cell: Mapping[str, Any]) -> Json:
    """Return the figures of all legs of a cell; no two have a name in common."""
    return {name: value for each in cell["proofs"] for name, value in each["figures"].items()}
