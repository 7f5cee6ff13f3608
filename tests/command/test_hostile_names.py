"""Names and labels from strangers, through the command line: pages show them as text, and terminals obey none."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import picture
from runs import add_picture, make_run
from zplus.command import show

NAMES = {
    "html": "<script>alert(1)</script>", "quotes": "\" onload='x' \"",
    "line": "a\nzplus: All is well.", "up": "../../x",
    "rtl": "gpj.\u202eexe", "escape": "\x1b[2J\x1b]0;owned\x07", "markdown": "[a](javascript:b) `c` | d",
    "template": "{{ 7 * 7 }}{% raw %}", "half": "\udcff",
}  # fmt: skip
posix = pytest.mark.skipif(sys.platform == "win32", reason="these are no names of files on Windows")


def assert_harmless(text: str) -> None:
    """No tag, handler or mark that a browser obeys; the labels of HTML itself are ours."""
    assert not re.search(r"<script>alert|[\"'] onload|\x1b|\x07|\u202e|\udcff", text)
    assert "49" not in re.findall(r">\s*(49)\s*<", text)


def assert_calm(text: str) -> None:
    """Nothing that acts on a terminal, and no line that only looks like ours."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), text
    assert "\nzplus: All is well" not in text


@pytest.fixture(params=NAMES)
def name(request):
    return NAMES[request.param]


@pytest.fixture
def hostile_run(tmp_path, name):
    """A run whose every label is the name."""
    folder, rows = tmp_path / "run", []
    for i in range(3):
        subject = f"{name}{i}"
        rows.append(add_picture(folder, f"{i}.png", 60 + 10 * i, what="source", subject=subject, source=name))
        for k, space in enumerate(("f/z+", "f/w+")):
            told = {"what": "edit", "subject": subject, "space": space, "direction": name, "strength": 1.5}
            rows.append(add_picture(folder, f"{i}{k}.png", 80 + 40 * k, truth=name, variant=name, **told))
        rows.append({"table": "reconstruction", "subject": subject, "source": name, "space": name, "real": True,
                     "variant": name, "groups": {name: name}, "lpips_vgg": 0.1})  # fmt: skip
        rows.append({"table": "edit", "subject": subject, "space": name, "direction": name, "change": 1.0})
        rows.append({"table": "check", "check": name, "value": 1, "limit": 2, "passed": True})
    facts = {"model": name, "command": f"zplus bench {name}", "machine": {name: name}, "skipped": [name]}
    return make_run(folder, rows, plan={}, settings={name: [name]}, **facts)


def test_reports_and_surveys_of_hostile_labels(zplus, hostile_run, name):
    result = zplus("report", hostile_run, "--survey", "f/z+", "f/w+")
    assert result.code == 0, result.err
    pages = [hostile_run / one for one in ("report.html", "survey.html", "report.md")]
    for page in pages:
        assert_harmless(page.read_text(encoding="utf-8"))
    assert not re.search(r"[^\\]\]\(javascript|<", pages[2].read_text(encoding="utf-8"))
    assert_calm(result.out + result.err)


@pytest.mark.parametrize("place", ["../outside.png", "/etc/passwd", "pictures/../../outside.png", "pictures/\x00.png"])
def test_no_picture_from_outside_of_a_run(zplus, tmp_path, place):
    picture(tmp_path / "outside.png")
    row = {"table": "picture", "file": place, "what": "source", "subject": "a", "real": False}
    result = zplus("report", make_run(tmp_path / "run", [row]))
    assert result.code == 2 and "rows.jsonl is damaged" in result.err
    assert not (tmp_path / "run" / "report.html").exists()


def test_a_survey_whose_answers_are_hostile(zplus, hostile_run, name, tmp_path):
    assert zplus("report", hostile_run, "--survey", "f/z+", "f/w+").code == 0
    key = hostile_run.with_name("run.survey.key.json")
    known = json.loads(key.read_text(encoding="utf-8"))
    for answers in ({name: "left"}, {"q001": name}):
        told = {"zplus_survey": 1, "survey": known["survey"], "answers": answers}
        (tmp_path / "answers.json").write_text(json.dumps(told), encoding="utf-8")
        result = zplus("report", tmp_path / "answers.json", "--key", key)
        assert result.code == 2 and "damaged" in result.err
        assert_calm(result.err)


@posix
def test_photos_of_hostile_names(zplus, model, tmp_path, name):
    photo = tmp_path / f"{name.replace('/', '_')}.png"
    picture(photo)
    out = tmp_path / "out"
    result = zplus("invert", photo, "--model", model, "-o", out, "--no-align", "--steps", "1")
    assert result.code == 0, result.err
    assert {path.parent for path in out.iterdir()} == {out}
    assert_calm(result.err)
    assert_calm(result.out.removesuffix("\n").replace("\n", " ") if "\n" not in name else "")
    told = zplus("invert", photo, "--model", model, "-o", out, "--no-align", "--steps", "1", "--json")
    assert told.json["photo"] == str(photo)
    Path(photo).write_bytes(b"no picture")
    for arguments in ((photo,), (photo, photo)):
        result = zplus("invert", *arguments, "--model", model, "-o", out, "--no-align", "--steps", "1")
        assert result.code == 2 and "is not a picture" in result.err
        assert_calm(result.err)


@posix
def test_the_title_of_a_bar_is_one_line(name, capsys):
    shown = show.Show()
    shown.console._force_terminal = True
    with shown.stage(f"Inverting {name}", 2) as tick:
        tick(1, name)
    shown.say(name)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)  # what rich itself draws with
    assert "owned\x07" not in text and "\u202e" not in text and "\nzplus: All is well" not in text


def test_a_checkpoint_of_hostile_names(zplus, tmp_path, name):
    for path, content in (
        (tmp_path / "a.pkl", b"cos\n" + name.encode("utf-8", "replace") + b"\n."),
        (tmp_path / "a.safetensors", (60).to_bytes(8, "little") + json.dumps({name: 1}).encode()),
    ):
        path.write_bytes(content)
        result = zplus("convert", path, "-o", tmp_path / "b.safetensors")
        assert result.code == 2
        assert_calm(result.err)


def test_pixels_are_all_that_is_taken_from_a_picture(zplus, model, tmp_path, name):
    """Comments and EXIF of a photo reach neither the terminal nor what is written."""
    exif = Image.Exif()
    exif[0x010E] = name.encode("utf-8", "replace").decode()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif, comment=b"\x1b[2J")
    result = zplus("invert", tmp_path / "a.jpg", "--model", model, "-o", tmp_path / "out", "--no-align", "--steps", "1")
    assert result.code == 0
    assert_calm(result.err)
    for path in (tmp_path / "out").glob("*.png"):
        assert b"\x1b[2J" not in path.read_bytes() and Image.open(path).getexif() == {}
