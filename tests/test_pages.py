"""Templates escape what they are given; images as data URLs carry their mark."""

import base64
import io

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from zplus.pages import data_url, file_url, rendered

HOSTILE = """<script>alert("x")</script>' onload='y" onload="z \u202e\x1b\udcff"""
PIXELS = np.random.RandomState(0).randint(0, 255, (40, 60, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("report.html", {"title": HOSTILE, "sections": {HOSTILE: []}}),
        ("survey.html", {
            "survey": HOSTILE,
            "questions": [{"name": HOSTILE, "asked": HOSTILE, "source": HOSTILE, "choices": {HOSTILE: HOSTILE}}],
        }),
        ("gallery.html", {
            "photo": HOSTILE, "facts": {"space": HOSTILE, "model": HOSTILE}, "stages": [(HOSTILE, HOSTILE)],
            "before": HOSTILE, "edits": [(HOSTILE, HOSTILE, HOSTILE)], "strips": [(HOSTILE, [(HOSTILE, HOSTILE)])],
            "quality": [[HOSTILE], [HOSTILE]], "figures": [[HOSTILE]], "licence": HOSTILE,
        }),
    ],
)  # fmt: skip
def test_hostile_names_are_escaped(template, values):
    page = rendered(template, **values)
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&#39; onload=" in page
    for part in ("<script>alert", "' onload", '" onload'):
        assert part not in page
    assert "z \\u202e\\x1b\\udcff" in page and page.encode()


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="sections"):
        rendered("report.html", title="x")


@pytest.mark.parametrize("form", ["webp", "jpeg"])
def test_a_data_url_holds_the_image_and_its_mark(form):
    for edited in (True, False):
        head, _, data = data_url(PIXELS, edited, form).partition(",")
        content = base64.b64decode(data)
        assert head == f"data:image/{form};base64"
        assert (b"compositeWithTrainedAlgorithmicMedia" in content) == edited
        with Image.open(io.BytesIO(content)) as image:
            assert image.size == (60, 40) and image.format == form.upper()


def test_the_url_of_a_file_is_small_and_holds_nothing_else_of_it(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=exif)
    content = base64.b64decode(file_url(tmp_path / "x.jpg", False, 30).partition(",")[2])
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (30, 20)
    assert b"secret" not in content
