"""Pivotal tuning: the photo comes nearer, the code and the generator stay, and the latent is whole by itself."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from inverting import solved
from points import direction_of, generator_of, image_of, latent_at, photos_of, point_of
from zplus.editing import Editor, edit
from zplus.errors import DivergedError, LatentError, ZplusError
from zplus.execution import EAGER
from zplus.generators import prior
from zplus.generators.prior import statistics
from zplus.inversion import Problem, invert, preset
from zplus.inversion.pti import tune
from zplus.latent import Decoding, load_latent, save_latent
from zplus.spaces import make_space, render

SETTINGS = preset(
    "pti", steps=3, pti_steps=20, pti_lr=0.01, pti_threshold=0.0, lpips_weight=0.03, lpips_size=32, candidates=2
)  # fmt: skip
PIVOT = replace(SETTINGS, stages=("encode", "descend"))


def tuned(generator, space, lpips, settings=SETTINGS, **more):
    where, target = make_space(space, generator), photos_of(generator, 1)
    return solved(where, target, lpips, PIVOT), solved(where, target, lpips, settings, **more)


@pytest.mark.parametrize("space", ["w", "z+", "s", "f/z+"])
def test_the_photo_comes_nearer_and_only_weights_move(space, generator, lpips):
    before = {name: x.clone() for name, x in generator.state_dict().items()}
    pivot, latent = tuned(generator, space, lpips)
    errors = [(render(generator, x) - photos_of(generator, 1)).square().mean() for x in (pivot, latent)]
    assert errors[1] < 0.9 * errors[0]
    assert torch.equal(latent.inverted.code, pivot.inverted.code)
    assert latent.offsets and not any(name.startswith("mapping.") for name in latent.offsets)
    assert all(torch.equal(x, before[name]) for name, x in generator.state_dict().items())
    assert latent.figures["steps"] == [23]


def test_the_file_shows_the_same_and_edits_apply(generator, lpips, tmp_path):
    _, latent = tuned(generator, "w+", lpips)
    save_latent(latent, tmp_path / "a.safetensors")
    loaded = load_latent(tmp_path / "a.safetensors")
    assert torch.equal(render(generator, loaded), render(generator, latent))
    assert_close(Editor(generator, loaded, EAGER).image(loaded), render(generator, loaded), atol=1e-5, rtol=0)
    moved = edit(generator, loaded, {direction_of(generator): 1.0})
    assert not torch.equal(render(generator, moved), render(generator, loaded))
    back = edit(generator, moved, {direction_of(generator): -1.0})
    assert torch.equal(render(generator, back), render(generator, loaded))


def test_locality_keeps_the_pictures_of_other_codes(lpips):
    generator = generator_of("mobile")
    space, changes = make_space("w", generator), {}
    for weight in (0.0, 3.0):
        _, latent = tuned(generator, "w", lpips, replace(SETTINGS, pti_locality_weight=weight))
        other = make_space("w", generator.tuned(latent.offsets))
        point = point_of(space, 8, seed=3)
        changes[weight] = (image_of(other, point) - image_of(space, point)).square().mean()
    assert changes[3.0] < 0.8 * changes[0.0]


def test_noise_of_a_seed_stays_as_it_is(lpips):
    generator = generator_of("skip")
    space, target = make_space("w", generator, decoding=Decoding(noise="3")), photos_of(generator, 1)
    pivot, latent = (solved(space, target, lpips, settings) for settings in (PIVOT, SETTINGS))
    errors = [(render(generator, x) - target).square().mean() for x in (pivot, latent)]
    assert errors[1] < 0.9 * errors[0]


def test_it_ends_when_it_is_near_enough_or_told_to(lpips):
    generator, seen = generator_of("skip"), []
    _, latent = tuned(generator, "w", lpips, replace(SETTINGS, pti_threshold=1e9))
    assert latent.figures["steps"] == [4] and not latent.offsets

    def stop(progress):
        seen.append((progress.step, progress.steps))
        return progress.step == 5

    tuned(generator, "w", lpips, callback=stop)
    assert seen == [(step, 23) for step in range(1, 6)]


def test_what_is_refused(lpips):
    generator = generator_of("skip")
    space, target = make_space("w", generator), photos_of(generator, 1)
    pivot = solved(space, target, lpips, PIVOT)
    with pytest.raises(ZplusError, match="one photo at a time"):
        invert(generator, target.expand(2, -1, -1, -1), "w", "pti")
    with pytest.raises(ZplusError, match="without the maps of SAM"):
        invert(generator, target, "w+", "sam", stages=("encode", "descend", "sam", "pti"), steps=1, sam_steps=1)
    with pytest.raises(LatentError, match="cannot be gone on from"):
        invert(generator, target, "w", start=replace(pivot, offsets={"x": torch.zeros(1)}))
    with pytest.raises(LatentError, match="1 photos cannot begin at 2"):
        invert(generator, target, "w", start=latent_at(space, 2))
    with pytest.raises(DivergedError):
        tune(Problem.of(space, target * float("nan"), lpips, SETTINGS, EAGER), pivot)


@pytest.mark.parametrize("offsets", [{"x": torch.zeros(1)}, {"mapping.fc0.bias": torch.zeros(1, 1)}])
def test_offsets_of_another_generator_are_refused(offsets):
    generator = generator_of("skip")
    with pytest.raises(LatentError, match="no weight"):
        render(generator, replace(latent_at(make_space("w", generator), 1), offsets=offsets))


def test_a_tuned_generator_goes_by_the_same_names():
    generator = generator_of("skip")
    name, weight = next((n, x) for n, x in generator.named_parameters() if n.startswith("synthesis"))
    found = generator.tuned({name: torch.ones_like(weight)})
    assert found.fingerprint == generator.fingerprint
    assert found.mapping_fingerprint == generator.mapping_fingerprint
    torch.testing.assert_close(dict(found.named_parameters())[name], weight + 1)
    with pytest.raises(ZplusError, match="tuned to one photo"):
        invert(found, photos_of(generator, 1), "w", steps=1)


def test_statistics_are_those_of_the_generator_that_was_tuned(generator, monkeypatch, tmp_path):
    """A tuned latent may be the first thing that a machine renders, and keeps what it finds for all that follow."""
    offsets = {
        name: torch.full_like(x, 0.3) for name, x in generator.named_parameters() if not name.startswith("mapping.")
    }
    expected = statistics(generator)
    monkeypatch.setattr(prior, "cached", tmp_path.joinpath)
    found = statistics(generator.tuned(offsets))
    assert_close(found.style_mean, expected.style_mean)
    assert_close(statistics(generator).style_std, expected.style_std)
