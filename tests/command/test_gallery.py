"""The demo's page and sheet, from made-up results: all in one file, nothing from outside."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from zplus.command.gallery import write_gallery
from zplus.editing import directions_of
from zplus.faces.align import whole
from zplus.generators import load_generator
from zplus.images import example_photo, fitted
from zplus.workflow.sheet import Cell, contact_sheet
from zplus.workflow.showcase import Outcome, Results, Strip, chosen_directions

VOID = {"meta", "img", "input", "br"}


def pixels(seed: int, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 255, (height, width, 3)).astype(np.uint8)


def results() -> Results:
    aligned = whole(pixels(0, 80, 120), 64)
    outcomes = tuple(
        Outcome(
            title,
            strengths,
            pixels(1),
            pixels(2, 80, 120),
            "smile_network",
            {"smile_network": -1.0},
            float("nan"),
        )
        for title, strengths in (("less smile", {"smile": -1.5}), ("a <b> & c", {"smile": -1.5, "age": 1.5}))
    )
    strips = (Strip("smile", tuple((s, pixels(3)) for s in (-1.0, 0.0, 1.0))),)
    facts = {"space": "f/z+", "model": "tiny", "mse": 0.01, "psnr": 26.0, "steps": 3, "seconds": 1.0}
    return Results("me & you.png", aligned, pixels(4), facts, {"smile_network": 2.0}, outcomes, strips)


class Reader(HTMLParser):
    """Checks that tags are closed, and keeps the addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(tmp_path):
    write_gallery(tmp_path / "gallery.html", results(), "for research only")
    text = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == [] and len(reader.addresses) == 3 + 2 * 2 + 3
    assert all(address.startswith("data:image/webp;base64,") for address in reader.addresses)
    assert not re.search(r"https?://|@import|url\(", re.sub(r"data:[^\"]*", "", text))
    assert "me &amp; you.png" in text and "a &lt;b&gt; &amp; c" in text and "for research only" in text
    assert text.count('type="range"') == 2 and "prefers-color-scheme: dark" in text
    assert [p.name for p in tmp_path.iterdir()] == ["gallery.html"]


def test_edited_pictures_on_the_page_are_marked(tmp_path):
    write_gallery(tmp_path / "gallery.html", results())
    reader = Reader()
    reader.feed((tmp_path / "gallery.html").read_text(encoding="utf-8"))
    marked = []
    for address in reader.addresses:
        with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
            marked.append(b"compositeWithTrainedAlgorithmicMedia" in image.info.get("xmp", b""))
    assert marked == [False, False, True, False, True, False, True, True, True, True]


def test_the_scores_of_an_edit_are_those_of_its_direction_and_of_another_judge(tmp_path):
    write_gallery(tmp_path / "gallery.html", results())
    assert "2.00 → -1.00</td><td>- → -</td>" in (tmp_path / "gallery.html").read_text(encoding="utf-8")


def test_every_model_with_directions_shows_some():
    assert [x.name for x in chosen_directions(directions_of(load_generator("avatars64")))] == ["long_hair"]


def test_the_photo_of_the_demo_is_found_from_everywhere():
    assert example_photo().is_absolute() and example_photo().is_file()


def test_a_sheet_holds_rows_of_all_sizes():
    sheet = contact_sheet([[Cell(pixels(0, 50, 30), "tall")], [Cell(pixels(1), "one"), Cell(pixels(2), "two")]], 48)
    assert sheet.ndim == 3 and sheet.shape[1] > 2 * 48 and sheet.shape[0] > 2 * 48


def test_pictures_are_never_enlarged():
    assert fitted(pixels(0, 10, 20), 40).shape == (10, 20, 3)
    assert fitted(pixels(0, 10, 20), 10).shape == (5, 10, 3)
