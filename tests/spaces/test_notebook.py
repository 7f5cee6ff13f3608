"""What a notebook and a prompt show of a latent."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from points import direction_of, generator_of, latent_at
from zplus.editing import edit
from zplus.generators import load_generator
from zplus.images import to_pixels
from zplus.spaces import make_space, render
from zplus.spaces.notebook import MAX_SHOWN


@pytest.fixture(scope="module")
def avatars():
    return load_generator("avatars64")


def test_a_latent_is_one_short_line():
    generator = generator_of("skip")
    space = make_space("f/z+", generator, "16")
    latent = edit(generator, latent_at(space), {direction_of(generator): 1.5, direction_of(generator, seed=8): -0.25})
    assert repr(latent) == "<Latent of tiny-skip-0 in f/z+ at b16.conv1, rows: 2, w-7 +1.5, w-8 -0.25>"
    assert repr(latent_at(make_space("w", generator), 3)) == "<Latent of tiny-skip-0 in w, rows: 3>"


@pytest.mark.parametrize("name", ["w+", "f/z+"])
def test_a_notebook_shows_the_rows_beside_each_other(name, avatars):
    latent = edit(avatars, latent_at(make_space(name, avatars), 2), {direction_of(avatars): 0.5})
    with Image.open(BytesIO(latent._repr_png_())) as shown:
        assert shown.format == "PNG"
        pixels = np.array(shown)
    expected = np.concatenate([to_pixels(render(avatars, latent[i])[0]) for i in range(2)], 1)
    assert pixels.shape == (64, 128, 3)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_a_notebook_shows_the_first_rows_of_many(avatars):
    latent = latent_at(make_space("w", avatars), MAX_SHOWN + 1)
    with Image.open(BytesIO(latent._repr_png_())) as shown:
        assert shown.size == (64 * MAX_SHOWN, 64)


@pytest.mark.parametrize("name", ["no-such-model", "nowhere/of.safetensors", "ffhq-mobile", ""])
def test_nothing_is_shown_where_the_generator_is_not_here(name, avatars, tmp_path, monkeypatch):
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert replace(latent_at(make_space("w", avatars), 1), generator=name)._repr_png_() is None


def test_nothing_is_shown_by_another_generator_of_that_name(avatars):
    assert replace(latent_at(make_space("w", avatars), 1), fingerprint="0" * 16)._repr_png_() is None
