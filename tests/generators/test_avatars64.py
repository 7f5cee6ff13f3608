"""The generator that comes with the package: the real architecture with trained weights, and all that works on it."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from inverting import solved
from networks import random_lpips
from p_plus import SPACES
from points import image_of, latent_at
from zplus.direction import Direction
from zplus.editing import edit, interpolate, mix
from zplus.generators import SynthesisInputs, load_generator
from zplus.generators.zoo import SHIPPED, model_path, pull
from zplus.inversion import Settings
from zplus.latent import Point
from zplus.spaces import make_space, render

SETTINGS = Settings(steps=30, lpips_size=64, candidates=32)


@pytest.fixture(scope="module")
def avatars():
    return load_generator("avatars64")


@pytest.fixture(scope="module")
def pictures(avatars):
    """Two samples of the prior [2,3,64,64]: they can be reached in every space."""
    return image_of(space := make_space("z", avatars), Point(space.sample(2, seed=5)))


def test_it_needs_no_download(monkeypatch, tmp_path):
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert pull("avatars64") == model_path("avatars64") and load_generator("avatars64").name == "avatars64"
    assert not (tmp_path / "empty").exists()


def test_its_file_is_small_and_has_a_card():
    assert model_path("avatars64").stat().st_size < 8e6
    card = (SHIPPED / "avatars64.md").read_text(encoding="utf-8")
    assert all(word in card for word in ("kernel distance", "held out", "licence", "seconds"))


def test_it_exercises_what_untrained_weights_do_not(avatars):
    """Noise that was learnt, a mean of w that is that of the samples; layer by layer is the same as at once."""
    strengths = [float(avatars.synthesis.get_submodule(x).noise_strength) for x in avatars.conv_names]
    assert all(x != 0 for x in strengths) and max(map(abs, strengths)) > 0.01
    z = torch.from_numpy(np.random.RandomState(0).standard_normal((4000, 1, avatars.z_dim))).float()
    w = avatars.map(z)[:, 0]
    assert (w.mean(0) - avatars.w_mean).norm() < 0.1 * w.std(0).norm()
    inputs = SynthesisInputs(avatars.styles(w[:4, None].expand(-1, avatars.num_codes, -1)))
    states = [avatars.initial(inputs)]
    for k in range(len(avatars.layers)):
        states.append(avatars.advance(states[-1], k, inputs))
    assert_close(avatars.finish(states[-1], inputs), avatars.synthesize(inputs))


def test_its_samples_are_as_varied_and_as_bright_as_avatars(avatars):
    """The spread between pictures that were held out is 0.42, and none of their values lies beyond 1."""
    images = image_of(space := make_space("z", avatars), Point(space.sample(64, seed=1)))
    assert 0.3 < images.std(0).mean() < 0.5
    assert (images.abs() > 1.2).float().mean() < 0.02


@pytest.mark.parametrize("name", SPACES)
def test_inversion_comes_much_nearer_than_the_mean_in_every_space(name, avatars, pictures):
    space = make_space(name, avatars)
    latent = solved(space, pictures, random_lpips("vgg"), SETTINGS)
    error = (render(avatars, latent) - pictures).square().mean((1, 2, 3))
    mean = avatars.synthesize(SynthesisInputs(avatars.styles(avatars.w_mean.expand(1, avatars.num_codes, -1))))
    assert (error < 0.7 * (mean - pictures).square().mean((1, 2, 3))).all()


@pytest.mark.parametrize("name", ["z+", "w+", "f/z+", "f/w+", "f/s"])
def test_edits_show_and_are_taken_back(name, avatars):
    latent = latent_at(make_space(name, avatars), 1)
    w = avatars.map(torch.from_numpy(np.random.RandomState(1).standard_normal((256, 1, avatars.z_dim))).float())[:, 0]
    axis = torch.linalg.svd(w - w.mean(0), full_matrices=False).Vh[:1] * w.std(0).norm() / avatars.w_dim**0.5
    direction = Direction("axis", "w", axis, avatars.mapping_fingerprint)
    edited = edit(avatars, latent, {direction: 3.0})
    before = render(avatars, latent)
    assert (render(avatars, edited) - before).abs().mean() > 0.02
    assert_close(render(avatars, edit(avatars, edited, {direction: -3.0})), before, rtol=0, atol=0)


def test_mixing_and_interpolation(avatars):
    a, b = (latent_at(make_space("f/z+", avatars), 1, seed) for seed in (1, 2))
    first, last, half = (render(avatars, x) for x in (a, b, interpolate(avatars, a, b, 0.5)))
    assert_close(render(avatars, interpolate(avatars, a, b, 1.0)), last, atol=1e-5, rtol=0)
    assert (half - first).abs().mean() < (last - first).abs().mean()
    mixed = render(avatars, mix(avatars, a, b, (6, avatars.num_codes)))
    assert 0.005 < (mixed - first).abs().mean() < (last - first).abs().mean()
