import base64
import re

import pytest

from runs import add_picture, make_photo_rows, make_rows, make_run
from zplus.benchmark import plots
from zplus.benchmark.arms import Arm
from zplus.benchmark.kernel_distance import with_kernel
from zplus.benchmark.report import write_report
from zplus.benchmark.rows import read_run
from zplus.benchmark.survey import write_survey
from zplus.benchmark.tables import kernel_tables
from zplus.errors import MissingExtraError, ZplusError
from zplus.pages import file_url

FEW = 199
HOSTILE = '<script>alert("x")</script>| [a](javascript:b) `c`'
SANITY = [
    {"table": "sanity", "check": "strength 0", "space": "z+", "value": 1e-7, "limit": 1e-5, "passed": True},
    {"table": "sanity", "check": "no edit", "space": "w+", "value": 0.3, "limit": 0.1, "passed": False},
]


def written(folder, **options):
    return [path.read_text() for path in write_report(folder, resamples=FEW, **options)]


def test_a_report_has_its_parts(tmp_path):
    curve = [
        {"table": "strength", "subject": "a", "space": space, "direction": "smile", "strength": s, "change": s,
         "identity_distance": s / 9, "real": True}
        for s in (0.0, 1.0, 2.0) for space in ("z+", "w+")
    ]  # fmt: skip
    speed = [{"table": "speed", "what": "edit", "seconds": s} for s in (0.1, 0.2, 0.3)]
    skipped = ["Out of budget after 20 minutes."]
    html, markdown = written(make_run(tmp_path, [*make_rows(10), *curve, *speed, *SANITY], skipped=skipped))
    for text in (html, markdown):
        for part in (
            "zplus bench spaces on avatars64", "2026-01-02T03:04:05", "10 subjects",
            "straight in W", "LPIPS to truth, no edit", "strength 0", "FAILED", "Out of budget after 20 minutes.",
            "A sanity check failed 1 of 1 times: no edit, w+: 0.3 against a limit of 0.1.", "sex: f", "source: mixed",
        ):  # fmt: skip
            assert part in text, part


def test_photos_have_their_kernel_distance(tmp_path):
    folder = make_run(tmp_path, make_photo_rows(12, worse={"w+": 0.5}))
    assert all("Kernel distance from the photos" in text for text in written(folder))
    (table,) = kernel_tables(with_kernel(read_run(folder)))
    edits = {row[0]: float(row[2].split()[0]) for row in table.rows if len(row) == len(table.header)}
    assert table.header[2] == "smile" and edits["w+"] > 10 * abs(edits["z+"])


def test_hostile_text_does_not_reach_the_page(tmp_path):
    rows = make_rows(9)
    rows = [{**row, "subject": row["subject"] + HOSTILE, "groups": {HOSTILE: row["groups"]["sex"]}} for row in rows]
    rows += [{**row, "space": HOSTILE, "source": HOSTILE} for row in rows if row["space"] == "w+"]
    rows += [add_picture(tmp_path, "x.png", 200, what="edit", subject=HOSTILE, space=HOSTILE, direction=HOSTILE)]
    rows += [{**SANITY[1], "check": HOSTILE}]
    html, markdown = written(make_run(tmp_path, rows, model=HOSTILE, skipped=[HOSTILE], machine={"cpu": HOSTILE}))
    for text in (html, markdown):
        assert "<script" not in text and "alert(" in text
    assert not re.search(r"[^\\]\]\(javascript|<", markdown)


def test_the_page_asks_nothing_of_any_server(tmp_path):
    rows = [*make_rows(8), add_picture(tmp_path, "x.png", 90, what="source", subject="s000")]
    html, _ = written(make_run(tmp_path, rows))
    assert "data:image/webp;base64," in html
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href|url\()\W{0,2}(https?:|//|pictures)", html)
    assert not re.search(r"@import|<link|<script|<iframe", html)


def test_the_public_report_shows_no_real_person(tmp_path):
    rows = [
        add_picture(tmp_path, "made.png", 60, what="source", subject="made"),
        add_picture(tmp_path, "photo.png", 120, what="source", subject="person", real=True),
        add_picture(tmp_path, "edit.png", 180, what="edit", subject="person", space="f/z+", direction="smile"),
        add_picture(tmp_path, "unsaid.png", 240, what="edit", subject="unsaid", real=None),
    ]
    make_run(tmp_path, rows)
    for public, shown in ((False, 4), (True, 1)):
        html, markdown = written(tmp_path, public=public)
        assert html.count("<img") == shown and markdown.count("![") == shown
    assert "made.png" in markdown and "photo.png" not in markdown


def test_the_mark_of_edited_pictures_is_kept(tmp_path):
    add_picture(tmp_path, "x.png", 90)
    for edited in (True, False):
        content = base64.b64decode(file_url(tmp_path / "pictures" / "x.png", edited, 256).partition(",")[2])
        assert (b"compositeWithTrainedAlgorithmicMedia" in content) == edited


def test_a_lost_picture_is_said(tmp_path):
    html, _ = written(make_run(tmp_path, [{"table": "picture", "file": "gone.png", "what": "source", "subject": "a"}]))
    assert "cannot be read" in html


@pytest.mark.parametrize("rows", [[], make_rows(3), make_rows(1)])
def test_a_small_run_has_a_report(tmp_path, rows):
    html, _ = written(make_run(tmp_path, rows))
    assert "too few subjects" in html


def test_a_speed_run_has_a_report(tmp_path):
    rows = [{"table": "speed", "what": "invert", "seconds": 1.5, "repeat": i} for i in range(3)]
    _, markdown = written(make_run(tmp_path, rows, bench="speed", plan={}))
    assert "| invert | 3 | 1.50 |" in markdown


def test_another_version_has_no_report(tmp_path):
    with pytest.raises(ZplusError, match="version 2"):
        write_report(make_run(tmp_path, [], zplus_run=2))
    assert not (tmp_path / "report.html").exists()


def test_without_matplotlib_the_report_says_so(tmp_path, monkeypatch):
    def missing():
        raise MissingExtraError("matplotlib", "bench")

    monkeypatch.setattr(plots, "_matplotlib", missing)
    html, _ = written(make_run(tmp_path, make_rows(8)))
    assert "pip install &#39;zplus[bench]&#39;" in html and "<svg" not in html


def test_plots_are_small_and_escape_names(tmp_path):
    pytest.importorskip("matplotlib")
    spaces = ("z+", "f/z+", "<b>$x_{$")
    (text,) = plots.pareto(read_run(make_run(tmp_path, make_rows(8, spaces=spaces))))
    assert text.startswith("<svg") and "<b>" not in text and "&lt;b&gt;$x_{$" in text
    assert "currentColor" in text and len(text) < 60_000


def test_methods_have_a_plot_for_each_space_and_a_look_each(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [{**row, "space": space} for space in ("w+", "f/z+") for row in make_rows(8, spaces=("hybrid",))]
    rows = [{**row, "variant": name} for name in ("hybrid", "F free") for row in rows]
    drawn = plots.pareto(read_run(make_run(tmp_path, rows, bench="methods", plan={})))
    assert [f", {space}" in text for text, space in zip(drawn, ("w+", "f/z+"), strict=True)] == [True, True]
    for group, filled in (("w+", False), ("f/z+", True)):
        styles = plots._styles([Arm(group, f"{'fx'[i % 2]}{i}") for i in range(16)])
        assert len({(x["color"], x["marker"]) for x in styles}) == 16
        assert all((x["markerfacecolor"] != "none") == filled for x in styles)


def test_a_source_named_for_every_space_is_shown_once(tmp_path):
    row = add_picture(tmp_path, "x.png", 90, what="source", subject="a")
    html, _ = written(make_run(tmp_path, [row, row, row]))
    assert html.count("<img") == 1


@pytest.mark.parametrize("name", ["report.html", "report.md", "survey.html"])
def test_a_link_in_the_folder_is_not_written_through(name, tmp_path):
    pictures = [
        add_picture(tmp_path / "run", f"{i}.png", 90 + i, what="edit", subject="a", direction="smile", space=space)
        for i, space in enumerate(("f/z+", "f/w+"))
    ]
    run, precious = make_run(tmp_path / "run", [*make_rows(3), *pictures]), tmp_path / "precious.txt"
    precious.write_text("mine")
    (run / name).symlink_to(precious)
    with pytest.raises(ZplusError, match="is a link"):
        write_report(run, resamples=FEW)
        write_survey(run, "f/z+", "f/w+", tmp_path / "key.json")
    assert precious.read_text() == "mine"
