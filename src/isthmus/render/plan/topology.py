"""Draws where clusters stand, and the links between the places with their MTU and latency."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from isthmus.render.plan import markup, sites, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from isthmus.model import fleet

WIDTH: Final = 960
CHIP, LINE, PAD = 24, 20, 10
"""Heights of a cluster and of a line of text, and the space around them."""
LETTER: Final = 6.6
"""How wide a letter is, at most, in the units of the picture."""
CHIPS: Final = 24
"""Clusters drawn in one place; of more, their number is told."""
LABELLED: Final = 10
"""Links that have room for their figures."""
ETHERNET: Final = 1500
"""Octets; a smaller MTU is drawn dashed, a larger one thick."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """A place in the picture."""

    group: sites.Group
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """The centre."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """Boxes in their places."""

    boxes: tuple[Box, ...]
    height: float
    has_links: bool


def scene(groups: Sequence[sites.Group]) -> Scene:
    """Place the groups: apart from one another while links can be seen, else in columns."""
    if len(groups) > sites.FEW:
        return _columns(groups)
    if len(groups) <= 4:
        return _corners(groups)
    return _ring(groups)


def picture(drawn: Scene, links: Sequence[sites.Link], top: float = 0) -> markup.Safe:
    """Return the picture, its upper edge at `top`."""
    by_name = {box.group.name: box for box in drawn.boxes}
    between = [link for link in links if link.between[0] != link.between[1]]
    inside = {link.between[0]: link for link in links if link.between[0] == link.between[1]}
    parts: list[markup.Safe] = []
    if drawn.has_links:
        parts += [_way(link, by_name) for link in between]
    for box in drawn.boxes:
        parts.append(_box(box, inside.get(box.group.name)))
    if drawn.has_links and len(between) <= LABELLED:
        parts += _labels(between, by_name)
    return markup.tag("g", *parts, transform=f"translate(0 {top:g})")


def told(link: sites.Link) -> str:
    """Return all there is to say of a link, for whoever points at it or listens."""
    one, other = link.between
    where = f"within {one}" if one == other else f"{one} to {other}"
    late = words.latency(link.latency)
    return (
        f"{where}: MTU {words.span(*link.underlay)}, for pods {words.span(*link.pod)}"
        f"{f', {late}' if late else ''} ({words.count(link.pairs, 'pair')} of clusters)"
    )


def _corners(groups: Sequence[sites.Group]) -> Scene:
    """Place up to four groups at the corners, so that every link is a straight line in the open."""
    wide = WIDTH if len(groups) == 1 else 340.0
    tall = [_tall(each, wide) for each in groups]
    upper = max(tall[:2])
    lower = upper + 90
    spots = [(0.0, 0.0), (WIDTH - wide, 0.0), (0.0, lower), (WIDTH - wide, lower)]
    if len(groups) == 3:
        spots[2] = ((WIDTH - wide) / 2, lower)
    boxes = tuple(
        Box(group=group, x=x, y=y, width=wide, height=high)
        for group, high, (x, y) in zip(groups, tall, spots, strict=False)
    )
    return Scene(boxes=boxes, height=max(box.y + box.height for box in boxes), has_links=len(groups) > 1)


def _ring(groups: Sequence[sites.Group]) -> Scene:
    """Place five to eight groups on an ellipse, wide enough that none covers another."""
    wide = 200.0
    tall = [_tall(each, wide) for each in groups]
    across, down = (WIDTH - wide) / 2, max(170.0, (max(tall) + 24) / 0.65)
    boxes = []
    for number, (group, high) in enumerate(zip(groups, tall, strict=True)):
        angle = 2 * math.pi * number / len(groups) - math.pi / 2
        x, y = WIDTH / 2 + across * math.cos(angle), down * math.sin(angle)
        boxes.append(Box(group=group, x=x - wide / 2, y=y - high / 2, width=wide, height=high))
    upper = min(box.y for box in boxes)
    moved = tuple(dataclasses.replace(box, y=box.y - upper) for box in boxes)
    return Scene(boxes=moved, height=max(box.y + box.height for box in moved), has_links=True)


def _columns(groups: Sequence[sites.Group]) -> Scene:
    """Place many groups in four columns, each into the shortest."""
    wide, gap = 228.0, 16.0
    ends = [0.0] * 4
    boxes = []
    for group in groups:
        column = ends.index(min(ends))
        high = _tall(group, wide)
        boxes.append(Box(group=group, x=column * (wide + gap), y=ends[column], width=wide, height=high))
        ends[column] += high + gap
    return Scene(boxes=tuple(boxes), height=max(ends), has_links=False)


def _slots(group: sites.Group, wide: float) -> tuple[int, float]:
    """Return how many clusters stand side by side in a box, and how wide each is."""
    longest = max(len(_name(each)) for each in group.clusters)
    room = wide - 2 * PAD
    most = max(len(own) for _, own in group.regions)
    side_by_side = max(1, min(most, int(room // (longest * 6.2 + 10))))
    return side_by_side, min(room / side_by_side, 200)


def _name(cluster: fleet.Cluster) -> str:
    return f"{cluster.name} #{cluster.id}"


def _tall(group: sites.Group, wide: float) -> float:
    return PAD + 2 * LINE + sum(_part_height(group, each, wide) for each in _shown(group, wide)) + PAD


def _part_height(group: sites.Group, part: tuple[str, int, int], wide: float) -> float:
    side_by_side, _ = _slots(group, wide)
    _, shown, left = part
    heading = LINE if len(group.regions) > 1 else 0
    return heading + math.ceil(shown / side_by_side) * (CHIP + 4) + (LINE if left else 0)


def _shown(group: sites.Group, wide: float) -> list[tuple[str, int, int]]:
    """Return each region with how many of its clusters are drawn and how many are only counted."""
    most = max(_slots(group, wide)[0], CHIPS // len(group.regions))
    if len(group.clusters) <= CHIPS:
        most = CHIPS
    return [(name, min(most, len(own)), len(own) - min(most, len(own))) for name, own in group.regions]


def _box(box: Box, inside: sites.Link | None) -> markup.Safe:
    group = box.group
    count = words.count(len(group.clusters), "cluster")
    parts = [
        markup.tag(
            "rect", x=box.x + 0.5, y=box.y + 0.5, width=box.width - 1, height=box.height, rx=6, class_="panel"
        ),
        _text(words.cut(group.name, int(box.width / 8)), box.x + PAD, box.y + 20, "big"),
        _text(_within(count, inside), box.x + PAD, box.y + 38, "soft"),
    ]
    place = box.y + PAD + 2 * LINE
    for (_, own), part in zip(group.regions, _shown(group, box.width), strict=True):
        parts += _part(box, part, own, place)
        place += _part_height(group, part, box.width)
    hint = told(inside) if inside else count
    return markup.tag("g", markup.tag("title", f"{group.name}: {hint}"), *parts)


def _within(count: str, inside: sites.Link | None) -> str:
    if inside is None:
        return count
    late = words.latency(inside.latency)
    return f"{count}, MTU within {words.span(*inside.underlay)}{f', {late}' if late else ''}"


def _part(
    box: Box, part: tuple[str, int, int], clusters: Sequence[fleet.Cluster], top: float
) -> Iterator[markup.Safe]:
    name, shown, left = part
    side_by_side, wide = _slots(box.group, box.width)
    if len(box.group.regions) > 1:
        yield _text(name, box.x + PAD, top + 15, "strong")
        top += LINE
    for number, each in enumerate(clusters[:shown]):
        x = box.x + PAD + number % side_by_side * wide
        y = top + number // side_by_side * (CHIP + 4)
        yield markup.tag("rect", x=x, y=y, width=wide - 4, height=CHIP, rx=4, class_="chip")
        letters = int((wide - 8) / LETTER) - len(f" #{each.id}")
        yield _text(f"{words.cut(each.name, letters)} #{each.id}", x + (wide - 4) / 2, y + 16, "middle")
    if left:
        y = top + math.ceil(shown / side_by_side) * (CHIP + 4) + 14
        yield _text(f"and {left} more", box.x + PAD, y, "soft")


def _way(link: sites.Link, by_name: Mapping[str, Box]) -> markup.Safe:
    (x1, y1), (x2, y2) = (by_name[each].middle for each in link.between)
    kind = "way"
    if link.underlay[0] < ETHERNET:
        kind += " narrow"
    elif link.underlay[0] > ETHERNET:
        kind += " jumbo"
    path = markup.tag("path", d=f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", class_=kind)
    return markup.tag("g", markup.tag("title", told(link)), path)


def _labels(links: Iterable[sites.Link], by_name: Mapping[str, Box]) -> Iterator[markup.Safe]:
    """Yield the figures of each link on it, where they cover nothing else."""
    busy = [(box.x, box.y, box.width, box.height) for box in by_name.values()]
    for link in links:
        late = words.latency(link.latency)
        lines = [
            f"MTU {words.span(*link.underlay)}",
            f"pods {words.span(*link.pod)}",
            *([late] if late else []),
        ]
        wide, high = max(map(len, lines)) * 6.8 + 10, len(lines) * 15 + 4
        x, y = _spot(by_name[link.between[0]].middle, by_name[link.between[1]].middle, (wide, high), busy)
        busy.append((x, y, wide, high))
        texts = [_text(line, x + wide / 2, y + 14 + 15 * row, "middle") for row, line in enumerate(lines)]
        paper = markup.tag("rect", x=x, y=y, width=wide, height=high, rx=3, class_="paper")
        yield markup.tag("g", markup.tag("title", told(link)), paper, *texts)


def _spot(
    one: tuple[float, float],
    other: tuple[float, float],
    size: tuple[float, float],
    busy: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float]:
    """Return the upper left corner of a label on a line, at the first place along it that is free."""
    best = (0.0, 0.0)
    for along in (0.5, 0.42, 0.58, 0.36, 0.64, 0.3, 0.7):
        x = one[0] + (other[0] - one[0]) * along - size[0] / 2
        y = one[1] + (other[1] - one[1]) * along - size[1] / 2
        if along == 0.5:
            best = (x, y)
        if not any(_touch((x - 6, y - 6, size[0] + 12, size[1] + 12), each) for each in busy):
            return x, y
    return best


def _touch(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def _text(text: str, x: float, y: float, kind: str) -> markup.Safe:
    return markup.tag("text", text, x=x, y=y, class_=kind)
