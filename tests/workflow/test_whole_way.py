"""A photo's whole way from Python: what the callbacks are told, and how they end the work."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from command_line import needs_lpips, picture
from tiny import tiny_stylegan2
from zplus.direction import Direction, save_direction
from zplus.generators import save_generator
from zplus.images import read_image
from zplus.inversion.settings import PRESETS
from zplus.latent import load_latent
from zplus.perception import quality
from zplus.workflow import Callbacks, EditOptions, InvertOptions
from zplus.workflow.batch import invert_photos
from zplus.workflow.editing import edit_file
from zplus.workflow.inverting import load_inverter
from zplus.workflow.photo import aligned_face

pytestmark = needs_lpips


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(PRESETS, "default", replace(PRESETS["default"], steps=4, lpips_size=32, candidates=2))
    monkeypatch.setattr(quality, "LPIPS_SIDE", 32)
    monkeypatch.setattr("zplus.workflow.editing.pull_missing", lambda *asked: None)
    monkeypatch.setenv("ZPLUS_EAGER", "1")


@pytest.fixture
def options(tmp_path) -> InvertOptions:
    save_generator(tiny_stylegan2(), tmp_path / "tiny.safetensors")
    return InvertOptions(model=str(tmp_path / "tiny.safetensors"), align=False)


@pytest.fixture
def bend(tmp_path) -> str:
    vector = torch.from_numpy(np.random.RandomState(0).standard_normal((1, 16))).float()
    save_direction(Direction("bend", "w", vector, tiny_stylegan2().mapping_fingerprint), tmp_path / "bend.safetensors")
    return str(tmp_path / "bend.safetensors")


class Watcher:
    """Keeps what it is told."""

    def __init__(self):
        self.stages, self.steps, self.warnings = [], [], []
        self.callbacks = Callbacks(stage=self.stage, step=self.step, warn=self.warnings.append)

    @contextmanager
    def stage(self, title, total):
        self.stages.append(title)
        yield lambda done, note: None

    def step(self, progress):
        self.steps.append(progress.step)
        return False


def test_a_photo_goes_all_stages_and_nothing_is_printed(options, bend, tmp_path, capfd):
    watcher, out = Watcher(), tmp_path / "out.png"
    photo = picture(tmp_path / "me.png")
    facts = edit_file(photo, out, EditOptions({bend: 2.0}, scores=False), options, callbacks=watcher.callbacks)
    assert watcher.stages == ["Loading the networks", "Inverting me.png", "Measuring", "Editing"]
    assert watcher.steps == [1, 2, 3, 4] and watcher.warnings == facts["warnings"]
    assert (facts["direction"], facts["strength"], facts["scores_after"]) == (bend, 2.0, None)
    assert (read_image(out) != read_image(photo)).any() and capfd.readouterr() == ("", "")


def test_a_step_that_says_so_ends_the_inversion_and_keeps_it(options, tmp_path):
    inverter = load_inverter(options)
    aligned = aligned_face(picture(tmp_path / "me.png"), 32, align=False)
    latent = inverter.invert(aligned, Callbacks(step=lambda progress: progress.step == 2))
    assert latent.figures["steps"] == [2]


def test_a_callback_that_raises_ends_the_work_and_leaves_nothing(options, tmp_path):
    class Cancelled(BaseException):
        pass

    def cancel(progress):
        raise Cancelled

    photos = [picture(tmp_path / f"{i}.png", i) for i in range(2)]
    (tmp_path / "out").mkdir()
    with pytest.raises(Cancelled):
        list(invert_photos(photos, tmp_path / "out", options, Callbacks(step=cancel)))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_latent_is_edited_on_its_own_generator(options, bend, tmp_path):
    ((_, (record,)),) = invert_photos([picture(tmp_path / "me.png")], tmp_path, options)
    kept, out = tmp_path / "edited.safetensors", tmp_path / "out.png"
    editing = EditOptions({bend: 1.0}, crop_alone=True, scores=False)
    edit_file(record["latent"], out, editing, options, latent=kept)
    assert read_image(out).shape == (32, 32, 3) and load_latent(kept).edits[0].strength == 1.0
