"""The strength that brings a score to a target, where the score is a known function of the picture."""

import numpy as np
import pytest
import torch

from points import direction_of, generator_of, latent_at
from zplus.editing import edit, solve_strength
from zplus.editing.strength import MAX_STRENGTH
from zplus.errors import ZplusError
from zplus.spaces import make_space, render


@pytest.fixture(scope="module")
def case():
    """A latent in W+, a direction, and the strength itself as score, read off the edited picture by its likeness."""
    generator = generator_of("skip")
    latent = latent_at(make_space("w+", generator), 1)
    direction = direction_of(generator)
    grid = np.linspace(-MAX_STRENGTH, MAX_STRENGTH, 201)
    pictures = torch.stack([render(generator, edit(generator, latent, {direction: s}))[0] for s in grid])

    def measure(image):
        return float(grid[(pictures - image).square().mean((1, 2, 3)).argmin()])

    return generator, latent, direction, measure


@pytest.mark.parametrize("target", [1.3, -2.4, 0.0, 4.9])
def test_the_target_is_met(case, target):
    found = solve_strength(*case[:3], target, case[3])
    assert (
        found.within
        and found.strength == pytest.approx(target, abs=0.06)
        and found.score == case[3](render(case[0], edit(case[0], case[1], {case[2]: found.strength}))[0])
    )


@pytest.mark.parametrize(("target", "end"), [(9.0, MAX_STRENGTH), (-9.0, -MAX_STRENGTH)])
def test_a_target_out_of_reach_ends_at_the_nearest(case, target, end):
    found = solve_strength(*case[:3], target, case[3])
    assert not found.within and found.strength == pytest.approx(end, abs=0.1)


def test_pictures_without_a_score_are_passed_over(case):
    """Beyond two deviations no face is seen any more."""
    generator, latent, direction, measure = case

    def seen(image):
        strength = measure(image)
        return strength if strength < 2 else float("nan")

    found = solve_strength(generator, latent, direction, 1.5, seen)
    assert found.within and found.strength == pytest.approx(1.5, abs=0.06)
    assert not solve_strength(generator, latent, direction, 2.5, seen).within
    with pytest.raises(ZplusError, match="no score"):
        solve_strength(generator, latent, direction, 1.5, lambda image: float("nan"))
