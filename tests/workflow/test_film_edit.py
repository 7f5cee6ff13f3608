"""Codes of neighbouring frames are averaged where reconstructions stay as near, and always where F hides them."""

import numpy as np
import pytest
import torch

from command_line import needs_lpips
from tiny import tiny_stylegan2
from zplus.execution.mode import EAGER
from zplus.faces.track import Piece
from zplus.generators import save_generator
from zplus.images import to_pixels, write_image
from zplus.latent import Point, save_latent
from zplus.spaces import latent_of, make_space, render
from zplus.workflow import InvertOptions
from zplus.workflow.film_edit import FrameEditor
from zplus.workflow.film_faces import Places
from zplus.workflow.film_work import FilmWork
from zplus.workflow.inverting import Inverter
from zplus.workflow.options import VideoOptions

pytestmark = needs_lpips
FRAMES, RATE = 9, 25.0


def editor_of(folder, space_name: str, tremble: float, noise: float) -> FrameEditor:
    """Frames whose codes tremble; crops that differ from the reconstructions by noise."""
    generator, random = tiny_stylegan2(), np.random.RandomState(0)
    save_generator(generator, folder / "tiny.safetensors")
    space = make_space(space_name, generator)
    work, code = FilmWork(folder), space.sample(1, 5)
    state = None if space.layer is None else space.head(code)
    for i in range(FRAMES):
        moved = space.retract(code + tremble * torch.from_numpy(random.standard_normal(code.shape)).float())
        latent = latent_of(space, Point(moved, state))
        save_latent(latent, work.latent(i))
        pixels = to_pixels(render(generator, latent)[0]) + noise * random.standard_normal((32, 32, 3))
        write_image(work.crop(i), pixels.round().clip(0, 255).astype(np.uint8))
    options = InvertOptions(model=str(folder / "tiny.safetensors"), space=space_name, align=False)
    places = Places(None, [Piece(0, FRAMES)], [True] * FRAMES)
    return FrameEditor(Inverter(generator, options, EAGER), work, places, 4, VideoOptions(), {}, RATE)


def tremble_of(codes: list[torch.Tensor]) -> torch.Tensor:
    """The deviation over time, code by code."""
    return torch.cat(codes).std(0).mean(-1)


def test_codes_below_f_are_always_averaged_and_pictures_stay(tmp_path):
    editor = editor_of(tmp_path, "f/z+", 0.3, 0.0)
    before, after = zip(*((editor.latent(i), editor.steadied(i, editor.averaged)) for i in range(2, 7)), strict=True)
    below = editor.generator.layers[editor.space.layer].code + 1
    first, last = (tremble_of([x.inverted.code for x in latents]) for latents in (before, after))
    assert (last[:below] < 0.7 * first[:below]).all() and torch.equal(last[below:], first[below:])
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(render(editor.generator, one), render(editor.generator, other), atol=1e-5)


@pytest.mark.parametrize("space", ["f/z+", "w+", "z"])
def test_all_codes_are_averaged_where_the_frames_stay_as_near(tmp_path, space):
    editor = editor_of(tmp_path, space, 0.01, 20.0)
    assert editor.averaged.all()
    codes = [editor.steadied(i, editor.averaged).inverted.code for i in range(2, 7)]
    assert (tremble_of(codes) < 0.7 * tremble_of([editor.latent(i).inverted.code for i in range(2, 7)])).all()


@pytest.mark.parametrize("space", ["w+", "z"])
def test_without_f_codes_stay_where_averages_show_something_else(tmp_path, space):
    editor = editor_of(tmp_path, space, 0.3, 0.0)
    assert not editor.averaged.any()
    latent = editor.latent(4)
    assert torch.equal(editor.steadied(4, editor.averaged).inverted.code, latent.inverted.code)


def test_the_edit_sets_in_where_the_face_appears(tmp_path):
    editor = editor_of(tmp_path, "z", 0.01, 20.0)
    editor.places = Places(None, [Piece(0, 20), Piece(40, 60)], [True] * 60)
    assert [editor._onset(i) for i in (0, 10, 19, 40, 42, 59)] == [1, 1, 1 / 6, 1 / 6, 0.5, 1]
