"""Films from end to end on a tiny generator: what is kept, edited and refused, and how a killed run goes on."""

import os
import stat
import sys
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch

from command_line import needs_lpips
from films import ScriptedDetector, film, folder_of, frames_of, moving_frames
from tiny import tiny_stylegan2
from zplus.direction import Direction, save_direction
from zplus.errors import FaceError, ImageError, MissingExtraError, ZplusError
from zplus.generators import save_generator
from zplus.images import SOURCE_TYPE
from zplus.inversion import invert
from zplus.inversion.settings import PRESETS
from zplus.perception import quality
from zplus.workflow import Callbacks, InvertOptions
from zplus.workflow.film import edit_video
from zplus.workflow.options import VideoOptions

av = pytest.importorskip("av", reason="pip install 'zplus[video]' first")
pytestmark = needs_lpips
LOSSLESS = VideoOptions(frame_steps=2, quality=0)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for name in ("default", "hybrid"):
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], steps=4, lpips_size=32, candidates=2))
    monkeypatch.setattr(quality, "LPIPS_SIDE", 32)
    monkeypatch.setattr("zplus.workflow.film.pull_missing", lambda *asked: None)
    monkeypatch.setenv("ZPLUS_EAGER", "1")


STAGES = ("Finding the face", "Cutting out the face", "Inverting the other frames", "Editing", "Writing the film")


class Stop(Exception):
    """What a user's callback may raise."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a film, a generator and a direction."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = tiny_stylegan2()
    film(folder / "in.mp4", moving_frames(6), "aac")
    save_generator(generator, folder / "tiny.safetensors")
    vector = torch.from_numpy(np.random.RandomState(0).standard_normal((1, 16))).float()
    save_direction(Direction("bend", "w", vector, generator.mapping_fingerprint), folder / "bend.safetensors")
    return folder


@pytest.fixture
def inverting(inputs) -> InvertOptions:
    return InvertOptions(model=str(inputs / "tiny.safetensors"), align=False)


@pytest.fixture
def bend(inputs) -> str:
    return str(inputs / "bend.safetensors")


@pytest.fixture
def source(inputs):
    return inputs / "in.mp4"


def ending(title: str) -> Callbacks:
    """Callbacks that end a run after the third frame of a stage."""

    @contextmanager
    def stage(name, total):
        def tick(done, note):
            if name == title and done == 3:
                raise Stop

        yield tick

    return Callbacks(stage=stage)


@cache
def undisturbed_bytes(source, inverting, bend) -> bytes:
    """The film that a run gives which nothing ends."""
    out = source.with_name("undisturbed.mp4")
    edit_video(source, out, {bend: 2.0}, LOSSLESS, inverting)
    return out.read_bytes()


def changes(out, grey: int) -> np.ndarray:
    """How far the frames of a film [T, H, W] are from grey; the number in the corner is left out."""
    found = np.abs(frames_of(out).pixels.astype(int) - grey).max(3)
    found[:, :2, :2] = 0
    return found


def test_a_film_is_edited_and_keeps_its_size_times_and_sound(source, inverting, bend, tmp_path):
    out = tmp_path / "out.mp4"
    facts = edit_video(source, out, {bend: 3.0}, LOSSLESS, inverting)
    before, after = frames_of(source), frames_of(out)
    assert after.pixels.shape == before.pixels.shape == (6, 48, 64, 3)
    assert after.times == before.times and after.sound == before.sound and len(after.sound) > 3
    changed = np.abs(after.pixels.astype(int) - before.pixels).max((0, 3))
    assert changed[:, 8:56].max() > 30 and changed[:, :7].max() < 12  # beside the square only colours are rounded
    assert (facts["frames"], facts["edited_frames"], facts["rate"]) == (6, 6, 75 / 7)  # one frame lasts twice as long
    assert stat.S_IMODE(out.stat().st_mode) == 0o600 or os.name == "nt"
    assert SOURCE_TYPE.encode() in out.read_bytes()
    assert [x.name for x in tmp_path.iterdir()] == ["out.mp4"]


def test_strength_0_gives_the_film_itself(source, inverting, bend, tmp_path):
    edit_video(source, tmp_path / "out.mp4", {bend: 0.0}, LOSSLESS, inverting)
    apart = frames_of(tmp_path / "out.mp4").pixels.astype(int) - frames_of(source).pixels
    assert np.abs(apart).max() < 12 and np.abs(apart).mean() < 1.5  # colours are kept for pairs of pixels, and rounded


def test_a_folder_is_read_by_the_numbers_in_its_names(inverting, bend, tmp_path):
    folder = folder_of(tmp_path / "frames", moving_frames(11), names="shot{}.png")
    (folder / "._shot1.png").write_bytes(b"what other systems leave beside a file")
    unused = ScriptedDetector(lambda i: pytest.fail("without alignment no faces are looked for"))
    edit_video(folder, tmp_path / "out.mp4", {bend: 0.0}, replace(LOSSLESS, rate=10.0), inverting, detector=unused)
    found = frames_of(tmp_path / "out.mp4")
    assert found.times == [Fraction(i, 10) for i in range(11)] and found.sound == []
    apart = found.pixels.astype(int) - np.stack(moving_frames(11))
    assert np.abs(apart).mean((1, 2, 3)).max() < 2.5


def test_the_key_frame_alone_is_inverted_by_the_whole_method(source, inverting, bend, tmp_path):
    steps = []
    callbacks = Callbacks(step=lambda progress: bool(steps.append(progress.steps)))
    facts = edit_video(source, tmp_path / "out.mp4", {bend: 1.0}, LOSSLESS, inverting, callbacks)
    assert steps == [4] * 4 + [2] * 10 and facts["steps"] == 4 and facts["frame_steps"] == 2
    assert 0 <= facts["key_frame"] < 6


def test_every_frame_begins_at_its_neighbour(source, inverting, bend, tmp_path, monkeypatch):
    starts, results = [], []

    def spied(*given, **changes):
        starts.append(given[6].inverted.tensors)
        results.append(invert(*given, **changes))
        return results[-1]

    monkeypatch.setattr("zplus.workflow.film.invert", spied)
    facts = edit_video(source, tmp_path / "out.mp4", {bend: 1.0}, LOSSLESS, inverting)
    assert len(starts) == 5
    after = 5 - facts["key_frame"]
    for i in set(range(1, 5)) - {after}:  # those two begin at the key frame
        found = results[i - 1].inverted.tensors
        assert set(starts[i]) == {"code", "features", "rgb"}
        assert all(torch.equal(starts[i][name], found[name]) for name in found)


@pytest.mark.parametrize("ended", STAGES)
def test_a_run_that_was_ended_goes_on_and_gives_the_same_bytes(source, inverting, bend, tmp_path, ended):
    undisturbed = undisturbed_bytes(source, inverting, bend)
    steps, out = [], tmp_path / "out.mp4"
    with pytest.raises(Stop):
        edit_video(source, out, {bend: 2.0}, LOSSLESS, inverting, ending(ended))
    work = tmp_path / "out.mp4.work"
    assert work.is_dir() and not out.exists() and (os.name == "nt" or stat.S_IMODE(work.stat().st_mode) == 0o700)
    callbacks = Callbacks(step=lambda progress: bool(steps.append(progress.step)))
    edit_video(source, out, {bend: 2.0}, LOSSLESS, inverting, callbacks)
    assert out.read_bytes() == undisturbed and not work.exists()
    left = {"Finding the face": 14, "Cutting out the face": 14, "Inverting the other frames": 6}
    assert len(steps) == left.get(ended, 0)


def test_other_settings_begin_anew(source, inverting, bend, tmp_path):
    out = tmp_path / "out.mp4"
    with pytest.raises(Stop):
        edit_video(source, out, {bend: 1.0}, LOSSLESS, inverting, ending("Editing"))
    edit_video(source, out, {bend: 2.0}, LOSSLESS, inverting)
    assert out.read_bytes() == undisturbed_bytes(source, inverting, bend)


def test_a_folder_of_somebody_else_is_not_touched(source, inverting, bend, tmp_path):
    other = tmp_path / "out.mp4.work"
    other.mkdir()
    (other / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ZplusError, match="is in the way"):
        edit_video(source, tmp_path / "out.mp4", {bend: 1.0}, LOSSLESS, inverting)
    assert (other / "letter.txt").read_text(encoding="utf-8") == "mine"


def test_a_face_is_followed_and_frames_without_it_stay(inverting, bend, tmp_path):
    """Two faces; the larger is lost for a second in the middle, and for one frame before."""
    frames = [np.full((96, 160, 3), 90, np.uint8) for _ in range(30)]
    folder, lost = folder_of(tmp_path / "frames", frames), {3, *range(10, 22)}
    detector = ScriptedDetector(lambda i: ([] if i in lost else [(50 + i / 2, 48, 24)]) + [(125, 48, 16)])
    warned, said = [], []
    callbacks = Callbacks(warn=warned.append, say=said.append)
    options, asked = replace(LOSSLESS, rate=20.0, frame_steps=1), replace(inverting, align=True)
    facts = edit_video(folder, tmp_path / "out.mp4", {bend: 4.0}, options, asked, callbacks, detector)
    assert [line for line in warned if "10 to 21" in line] and "Up to 2 faces" in said[-1]
    assert facts["edited_frames"] == 18
    change = changes(tmp_path / "out.mp4", 90)
    assert change[10:22].max() < 6 and change[3, :, :100].max() > 20  # a gap of a frame is bridged
    assert change[:, :, 112:].max() < 6  # the other face
    strength = change[:, :, :110].mean((1, 2))
    assert strength[9] < 0.6 * strength[6] and strength[22] < 0.6 * strength[26]  # the edit sets in gradually


def test_another_face_is_chosen_by_its_number(inverting, bend, tmp_path):
    frames = [np.full((96, 160, 3), 90, np.uint8) for _ in range(4)]
    detector = ScriptedDetector(lambda i: [(50, 48, 24), (125, 48, 16)])
    asked = replace(inverting, align=True, face=1)
    folder = folder_of(tmp_path / "frames", frames)
    edit_video(folder, tmp_path / "out.mp4", {bend: 4.0}, LOSSLESS, asked, detector=detector)
    change = changes(tmp_path / "out.mp4", 90).max(0)
    assert change[:, :70].max() < 6 and change[:, 110:140].max() > 20
    with pytest.raises(FaceError, match="There is no face 2: faces 0 to 1 were found"):
        edit_video(folder, tmp_path / "b.mp4", {bend: 4.0}, LOSSLESS, replace(asked, face=2), detector=detector)
    with pytest.raises(FaceError, match="no face was found in any frame"):
        edit_video(folder, tmp_path / "c.mp4", {bend: 4.0}, LOSSLESS, asked, detector=ScriptedDetector(lambda i: []))


def test_a_mask_goes_with_the_face(inverting, bend, tmp_path):
    frames = [np.full((120, 160, 3), 90, np.uint8) for _ in range(6)]
    detector = ScriptedDetector(lambda i: [(70 + 2 * i, 60, 24)])
    asked, options = replace(inverting, align=True), replace(LOSSLESS, mask="mouth")
    folder = folder_of(tmp_path / "frames", frames)
    edit_video(folder, tmp_path / "out.mp4", {bend: 6.0}, options, asked, detector=detector)
    change = changes(tmp_path / "out.mp4", 90).astype(float)
    across, down = np.arange(160), np.arange(120)
    middles = [(change[i].sum(0) @ across / change[i].sum(), change[i].sum(1) @ down / change[i].sum()) for i in (1, 4)]
    assert abs(middles[1][0] - middles[0][0] - 6) < 2 and middles[0][1] > 65  # it moves along, below the middle


REFUSED = {
    "text": "is no film that can be read",
    "playlist": "is no film that can be read",
    "cut": "is cut short|is damaged|is no film",
    "sound": "has no pictures",
    "one frame": "has 1 frames",
    "no folder": "does not exist",
    "empty folder": "holds no pictures",
    "sizes": "has another size",
    "small": "frames need 32 a side",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_film_is_refused(source, inverting, bend, tmp_path, kind):
    path = tmp_path / f"{kind}.mp4"
    content = source.read_bytes()
    if kind == "text":
        path.write_text("no film", encoding="utf-8")
    elif kind == "playlist":
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{source}\n#EXT-X-ENDLIST\n", encoding="utf-8")
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 3])
    elif kind == "sound":
        with av.open(path, "w") as container:
            voice = container.add_stream("aac", 8000, layout="mono")
            audio = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
            audio.sample_rate = 8000
            container.mux([*voice.encode(audio), *voice.encode(None)])
    elif kind == "one frame":
        film(path, moving_frames(1))
    elif kind == "empty folder":
        path.mkdir()
    elif kind == "sizes":
        folder_of(path, [*moving_frames(2), *moving_frames(1, width=80)])
    elif kind == "small":
        film(path, moving_frames(3, 16, 64))
    with pytest.raises(ImageError, match=REFUSED[kind]):
        edit_video(path, tmp_path / "out.mp4", {bend: 1.0}, LOSSLESS, inverting)
    assert not (tmp_path / "out.mp4").exists()


def test_options_that_are_none(source, inverting, bend, tmp_path):
    for out, strengths, options, words in (
        ("out.avi", {bend: 1.0}, LOSSLESS, "end it in .mp4"),
        ("out.mp4", {}, LOSSLESS, "Say what to change"),
        ("out.mp4", {bend: 1.0}, replace(LOSSLESS, quality=60), "quality is 0 to 51"),
        ("out.mp4", {"bent": 1.0}, LOSSLESS, "Unknown direction"),
        ("out.mp4", {bend: 1.0}, replace(LOSSLESS, mask="nose"), "Unknown region"),
    ):
        with pytest.raises(ZplusError, match=words):
            edit_video(source, tmp_path / out, strengths, options, inverting)
    assert not list(tmp_path.glob("out*"))


def test_one_face_is_followed_at_a_time(source, inverting, bend, tmp_path):
    with pytest.raises(ZplusError, match="one face is followed at a time"):
        edit_video(source, tmp_path / "out.mp4", {bend: 1.0}, LOSSLESS, replace(inverting, face="all"))


def test_without_pyav_the_extra_is_named(source, inverting, bend, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"av is needed .*zplus\[video\]"):
        edit_video(source, tmp_path / "out.mp4", {bend: 1.0}, LOSSLESS, inverting)
