"""The page and the picture: whole, self-contained, safe against names, readable at any size of fleet."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re
import xml.etree.ElementTree as ET

import hypothesis
import pytest
from hypothesis import strategies as st

from isthmus.render.plan import flows, grids, markup, sites, topology
from isthmus.render.plan import html as pages
from isthmus.render.plan import svg as pictures
from tests.render import fleets

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</script><script>alert('x')</script>\"&"
FLEETS = {"shop": fleets.SHOP, "sixty": fleets.sixty(), "all ids": fleets.all_ids()}


class Reader(html.parser.HTMLParser):
    """Reads a page: its elements, its texts, and what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "input", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def page(text: str) -> str:
    return pages.html(*fleets.planned(text))


@pytest.fixture(scope="module", params=FLEETS)
def any_page(request: pytest.FixtureRequest) -> str:
    return page(FLEETS[request.param])


@hypothesis.given(st.text())
def test_every_text_comes_back_as_it_was_or_marked_as_foreign(text: str) -> None:
    element = ET.fromstring(markup.tag("p", text, title=text))  # noqa: S314  # made a line above

    expected = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    assert (element.text or "").replace("\n", "\r") == expected.replace("\r\n", "\r").replace("\n", "\r")
    assert element.get("title") is not None


def test_the_page_is_whole_and_loads_nothing(any_page: str) -> None:
    found = read(any_page)

    assert not [each for each in found.elements if each[0] in {"link", "img", "iframe", "object"}]
    assert not [each for _, each in found.elements if {"src", "style", "onclick"} & set(each)]
    assert "@import" not in any_page
    assert set(re.findall(r"url\(([^)]*)\)", any_page)) == {"#grown", "#shut"}


def test_the_page_allows_its_own_style_and_script_alone(any_page: str) -> None:
    [policy] = [each["content"] for each in read(any_page).all("meta") if each.get("http-equiv")]
    assert policy is not None
    for name in ("style", "script"):
        [text] = re.findall(f"<{name}>(.*?)</{name}>", any_page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


def test_links_lead_somewhere_and_no_id_is_there_twice(any_page: str) -> None:
    found = read(any_page)
    names = [each["id"] for _, each in found.elements if "id" in each]

    assert len(names) == len(set(names))
    for each in found.all("a"):
        assert (each["href"] or "").removeprefix("#") in names
    for _, each in found.elements:
        for reference in ("aria-labelledby", "data-table"):
            assert each.get(reference, names[0]) in names


def test_pictures_and_tables_tell_what_they_are(any_page: str) -> None:
    found = read(any_page)

    pictures_shown = [each for each in found.all("svg") if "aria-hidden" not in each]
    assert all(each["role"] == "img" and each["aria-label"] for each in pictures_shown)
    assert len(found.all("caption")) == len(found.all("table"))
    assert all(each.get("scope") for each in found.all("th"))
    assert all(each.get("tabindex") == "0" for each in found.all("div") if each.get("class") == "box")


def test_names_that_are_code_stay_text() -> None:
    quoted = HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
    text = fleets.SHOP.replace("region: us-west4", f'region: "{quoted}"').replace(
        "nodes: 30, growth: 3", f'nodes: 30, growth: 3, account: "{quoted}", owner: "{quoted}"'
    )
    plan, source = fleets.planned(text)

    shown = read(pages.html(plan, source))
    assert HOSTILE in shown.texts
    assert len(shown.all("script")) == 1
    picture = ET.fromstring(pictures.svg(plan, source))  # noqa: S314  # made by us
    assert not list(picture.iter(f"{SVG}script"))


def test_the_same_folder_gives_the_same_bytes() -> None:
    assert page(fleets.SHOP) == page(fleets.SHOP)
    assert pictures.svg(*fleets.planned(fleets.SHOP)) == pictures.svg(*fleets.planned(fleets.SHOP))


@pytest.mark.parametrize("name", FLEETS)
def test_the_picture_stands_on_its_own_and_holds_everything(name: str) -> None:
    root = ET.fromstring(pictures.svg(*fleets.planned(FLEETS[name])))  # noqa: S314  # made by us
    _, _, width, height = map(float, (root.get("viewBox") or "").split())

    assert root.tag == f"{SVG}svg"
    assert (float(root.get("width") or 0), float(root.get("height") or 0)) == (width, height)
    for each in root.iter(f"{SVG}rect"):
        assert float(each.get("width") or 0) >= 0
        assert float(each.get("height") or 0) >= 0


def test_a_small_fleet_shows_its_links_with_mtu_and_latency() -> None:
    shown = " ".join(read(page(fleets.SHOP)).texts)

    for each in ("MTU 1400", "pods 1350", "140ms", "60ms", "Set Cilium's Helm value", "no key yet"):
        assert each in shown


def test_sixty_clusters_are_grouped_by_cloud_with_every_name() -> None:
    plan, source = fleets.planned(fleets.sixty())
    grouped, links = pictures.places(plan, source)
    found = read(pages.html(plan, source))

    assert [group.name for group in grouped] == list(fleets.CLOUDS)
    assert len([link for link in links if len(set(link.between)) == 2]) == 6 <= topology.LABELLED
    assert sum(link.pairs for link in links) == 60 * 59 // 2
    texts = set(found.texts)
    assert {each.name for each in source.fleet.clusters} < texts
    assert len([each for each in found.elements if each[1].get("class") == "matrix"]) == 1


def test_as_many_clusters_as_there_are_ids_make_a_page_that_can_be_opened() -> None:
    shown = page(fleets.all_ids())

    assert len(shown) < 3_000_000
    assert shown.count("<tr>") < 511 + grids.LIST + 511 + flows.MOST


def test_boxes_of_a_topology_never_cover_one_another() -> None:
    for count in range(1, 30):
        clusters = "".join(
            f"  - {{name: c{number}, id: {number}, region: r{number % count}, nodes: 3}}\n"
            for number in range(1, 3 * count + 1)
        )
        _, source = fleets.planned(fleets.HEAD + "  clusters:\n" + clusters)
        drawn = topology.scene(sites.groups(source.fleet.clusters))
        for index, one in enumerate(drawn.boxes):
            assert one.x >= 0
            assert one.x + one.width <= topology.WIDTH
            assert one.y >= 0
            assert one.y + one.height <= drawn.height + 0.01
            for other in drawn.boxes[index + 1 :]:
                assert (
                    one.x + one.width <= other.x
                    or other.x + other.width <= one.x
                    or one.y + one.height <= other.y
                    or other.y + other.height <= one.y
                ), count
