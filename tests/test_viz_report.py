"""The report's pages: all photos once, links that lead somewhere, totals of everybody, nothing left
of a longer one.
"""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from drawn_scenes import PHOTO

from smplifyx.viz import PersonEntry, PhotoEntry, Remark, Summary, Tone, write_image, write_report

SIZE = 3  # photos on a page


def entries(out: Path, count: int) -> list[PhotoEntry]:
    """Photos of one person each."""
    photo = write_image(out / "pictures" / "a b.jpg", np.zeros((8, 8, 3), np.uint8))
    kinds = (("ok", Tone.GOOD), ("poor", Tone.WARN))
    return [
        PhotoEntry(f"p{i:03d}", (PersonEntry(0, *kinds[i % 4 == 3], body_percent=i),), photo)
        for i in range(count)
    ]


def pages(out: Path) -> list[Path]:
    """All pages, the first first."""
    return [out / "index.html", *sorted((out / "pages").glob("*.html"))]


@pytest.mark.parametrize("count", [0, 1, SIZE, SIZE + 1, 2 * SIZE, 4 * SIZE - 1])
def test_every_photo_is_on_one_page_and_every_link_leads_somewhere(
    tmp_path: Path, count: int
) -> None:
    first = write_report(tmp_path, iter(entries(tmp_path, count)), Summary("t"), SIZE)
    found = []
    for number, page in enumerate(pages(tmp_path), 1):
        text = page.read_text(encoding="utf-8")
        found.append(re.findall(r"<h2>(p\d+)</h2>", text))
        addresses = re.findall(r'(?:href|src)="([^"]+)"', text)
        assert all((page.parent / unquote(address)).is_file() for address in addresses)
        assert ('rel="prev"' in text, 'rel="next"' in text) == (
            number > 1,
            number < -(-count // SIZE),
        )
    assert first == tmp_path / "index.html" and sum(found, []) == [
        f"p{i:03d}" for i in range(count)
    ]
    assert all(len(photos) <= SIZE for photos in found) and len(found) == max(1, -(-count // SIZE))


def test_the_first_page_has_the_totals_of_all(tmp_path: Path) -> None:
    text = write_report(tmp_path, entries(tmp_path, 9), Summary("t"), SIZE).read_text(
        encoding="utf-8"
    )
    tiles = dict(re.findall(r"<dt>(.+?)</dt><dd>(.+?)</dd>", text))
    assert tiles == {"photos": "9", "people": "9", "good": "78 %", "median body error": "4.00 %"}
    assert "all 3 pages" in text and "from p006" in text and ">2</td>" in text
    assert "<dl" not in pages(tmp_path)[1].read_text(encoding="utf-8")


def test_a_shorter_report_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    write_report(tmp_path, entries(tmp_path, 9), Summary("t"), SIZE)
    (tmp_path / "pages" / "mine.html").touch()
    write_report(tmp_path, entries(tmp_path, 4), Summary("t"), SIZE)
    assert [path.name for path in pages(tmp_path)] == ["index.html", "0002.html", "mine.html"]


@pytest.mark.parametrize(
    ("depth", "triangles", "shown"),
    [
        (3.14, 12, ["3.1 mm", "12 triangles"]),
        (0.0, 0, ["0.0 mm"]),
        (0.0, 1, ["0.0 mm", "1 triangle"]),
        (math.nan, None, ["–"]),
        (None, None, ["–"]),
    ],
)
def test_the_line_of_a_person_tells_the_penetration(
    tmp_path: Path, depth: float | None, triangles: int | None, shown: list[str]
) -> None:
    person = PersonEntry(0, "ok", Tone.GOOD, penetration_mm=depth, intersecting_triangles=triangles)
    text = write_report(tmp_path, [PhotoEntry("p", (person,))], Summary("t")).read_text(
        encoding="utf-8"
    )
    cell = re.search(r'data-label="penetration"[^>]*>(.*?)</td>', text)[1]
    assert re.findall(r">([^<>]+)</span>", cell) == shown
    assert "triangles that cut another part" in text and "violet: 30" in text


def test_entries_are_taken_page_by_page(tmp_path: Path) -> None:
    """When the n-th page is asked for, all but the last two before it are on the disk."""
    photos, seen = entries(tmp_path, 5 * SIZE), []

    def stream():
        for index, entry in enumerate(photos):
            if index % SIZE == 0:
                seen.append(len(list((tmp_path / "pages").glob("*.html"))))
            yield entry

    write_report(tmp_path, stream(), Summary("t"), SIZE)
    assert seen == [0, 0, 0, 1, 2]


class _Page(HTMLParser):
    """Collects the tags and the addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


EVIL = "<script>alert('x')</script> & \"q\" 50% #1"
REMARK = Remark(EVIL, EVIL)


def test_report_is_whole_and_safe(tmp_path: Path) -> None:
    stem = EVIL.replace("/", "-")
    paths = [
        write_image(tmp_path / "report" / f"{stem}_{kind}.jpg", PHOTO)
        for kind in ("photo", "overlay", "side")
    ]
    people = (
        PersonEntry(
            0,
            "ok",
            Tone.GOOD,
            body_percent=1.234,
            focal=801.3,
            focal_source=EVIL,
            colour=(0.0, 0.5, 1.0),
        ),
        PersonEntry(
            1,
            EVIL,
            Tone.BAD,
            name=EVIL,
            note=EVIL,
            remarks=(REMARK,),
            body_percent=float("nan"),
            height=1.756,
        ),
    )
    photos = [
        PhotoEntry(EVIL, people, *paths, note=EVIL, remarks=(REMARK,)),
        PhotoEntry("keypoints only", ()),
    ]
    path = write_report(tmp_path, photos, Summary(EVIL, 4.0, (("model", EVIL),), (REMARK,)))
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "index.html" and "script" not in page.tags
    assert (
        page.text.count(EVIL) == 19
    )  # title, head, fact, name, note, camera, badge, remark, total
    assert len(page.addresses) == 6 and all(
        (tmp_path / unquote(a)).is_file() for a in page.addresses
    )
    for shown in ("1.23 %", "1.76 m", "801 px", "0.5", "rgb(0 128 255)"):
        assert shown in path.read_text(encoding="utf-8")
    assert "nan" not in page.text and "None" not in page.text


def test_report_of_nothing(tmp_path: Path) -> None:
    assert "people" in write_report(tmp_path, [], Summary("empty")).read_text(encoding="utf-8")


def test_report_names_the_missing_image(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg does not exist"):
        write_report(tmp_path, [PhotoEntry("a", (), photo=Path("report/gone.jpg"))], Summary("t"))
    assert not (tmp_path / "index.html").exists()


def test_the_headline_is_of_those_who_were_asked_for(tmp_path: Path) -> None:
    people = [PersonEntry(0, "ok", Tone.GOOD), PersonEntry(1, "not_selected", Tone.PLAIN)]
    photos = [
        PhotoEntry("a", (*people, PersonEntry(2, "not_selected", Tone.PLAIN))),
        PhotoEntry("b", (PersonEntry(0, "poor", Tone.WARN),)),
        PhotoEntry("c", (), is_unreadable=True),
    ]
    text = write_report(tmp_path, photos, Summary("t")).read_text(encoding="utf-8")
    tiles = dict(re.findall(r"<dt>(.+?)</dt><dd>(.+?)</dd>", text))
    expected = {"photos": "3", "unreadable": "1", "people": "2", "not selected": "2"}
    assert tiles == expected | {"good": "50 %", "median body error": "–"}
    shares = re.findall(r'<td>(\d+)</td><td class="soft">(.*?)</td>', text)
    assert shares == [("2", ""), ("1", "50 %"), ("1", "50 %")]


def test_remarks_are_summed_up_on_the_first_page(tmp_path: Path) -> None:
    far, hand = Remark("points outside", "80 %"), Remark("hand left out", "left")
    photos = [
        PhotoEntry("a", (PersonEntry(0, "ok", Tone.GOOD, name="17", remarks=(hand, hand)),)),
        PhotoEntry("b", (), remarks=(far,)),
        PhotoEntry("c", (), remarks=(far, Remark("bare"))),
    ]
    left = Remark("photos without keypoints", "x.jpg and 2 more")
    text = write_report(tmp_path, photos, Summary("t", remarks=(left,))).read_text(encoding="utf-8")
    told = re.findall(r"<li><b>(.*?)</b>(.*?)</li>", text)
    assert told == [
        ("photos without keypoints", ": x.jpg and 2 more"),
        ("points outside", " · 2 photos, for example b: 80 %"),
        ("hand left out", " · 1 photo, for example a: left"),
        ("bare", " · 1 photo, for example c"),
    ]
    assert ">id 17<" in text and text.count("points outside: 80 %") == 2
    quiet = write_report(tmp_path, [], Summary("t")).read_text(encoding="utf-8")
    assert '<div class="remarks">' not in quiet
