"""`zplus video`: a folder of frames becomes an edited film, and refusals name what to do."""

import pytest

from command_line import assert_refused, needs_lpips
from films import folder_of, frames_of, moving_frames

pytest.importorskip("av", reason="pip install 'zplus[video]' first")
pytestmark = needs_lpips


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    monkeypatch.setattr("zplus.workflow.film.pull_missing", lambda *asked: None)


@pytest.fixture
def frames(tmp_path):
    return folder_of(tmp_path / "frames", moving_frames(3))


def test_a_folder_becomes_a_film(zplus, model, direction, frames, tmp_path):
    out = tmp_path / "out.mp4"
    asked = ["video", frames, "-d", f"{direction}=2", "-o", out, "--model", model, "--no-align", "--frame-steps", 1]
    result = zplus(*asked, "--rate", 5, "--steps", 2, "--quality", 0)
    assert result.code == 0, result.err
    assert f"{frames} -> {out}  (3 of 3 frames, " in result.out
    assert "Inverting the other frames" in result.err and "Editing" in result.err
    found = frames_of(out)
    assert len(found.pixels) == 3 and float(found.times[1]) == 0.2
    record = zplus(*asked, "--json").json
    assert (record["strength"], record["frame_steps"], record["rate"]) == ([2.0], 1, 25.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["-o", "out.avi"], "out.avi is no name for a film: end it in .mp4."),
        (["-d", "smile=x"], "is not a number"),
        (["--mask", "nose"], "Unknown region or picture 'nose'"),
        (["-o", "missing/out.mp4"], "the folder missing does not exist"),
    ],
)
def test_refusals(zplus, model, direction, frames, tmp_path, monkeypatch, changes, words):
    monkeypatch.chdir(tmp_path)
    result = zplus("video", frames, "-d", direction, "-o", "out.mp4", "--model", model, "--no-align", *changes)
    assert_refused(result)
    assert words in result.err and not list(tmp_path.glob("out*"))


def test_nothing_to_change(zplus, model, frames, tmp_path):
    result = zplus("video", frames, "-o", tmp_path / "out.mp4", "--model", model)
    assert_refused(result)
    assert "Say what to change" in result.err


def test_the_film_itself_is_not_written_over(zplus, model, direction, tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(b"film")
    result = zplus("video", source, "-d", direction, "-o", source, "--model", model)
    assert_refused(result)
    assert "would overwrite" in result.err and source.read_bytes() == b"film"
