"""One step of descent, whose length is known, and what F is held to, on pictures that are known."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from inverting import solved
from networks import random_encoder
from points import generator_of, image_of, normal, photos_of, point_of
from zplus.execution import EAGER
from zplus.inversion import Settings, preset
from zplus.inversion.encoding import initial_code
from zplus.inversion.problem import FreeCode, Problem
from zplus.latent import Decoding, Point
from zplus.spaces import make_space, render
from zplus.spaces.penalties import feature_consistency

RATE = 1e-3  # so short a step that the loss falls
ONE_STEP = Settings(
    steps=2, code_only_fraction=0.0, code_lr=RATE, feature_lr=RATE, feature_rule="adam", warmup=0.0, decay="constant",
    lpips_size=32, lpips_weight=0.0, candidates=2,
)  # fmt: skip
SILENT = {f"{term}_weight": 0.0 for term in ("mse", "feature_mse", "lpips", "consistency", "consensus")}


@pytest.mark.parametrize("relative", [True, False])
def test_the_first_step_is_as_long_as_its_rate(relative, lpips):
    """Adam's first step is rate * sign(gradient), in units of the prior's spread or absolute."""
    space = make_space("f/w+", generator_of("skip"))
    start, (std, rgb_std) = point_of(space), space.state_std
    settings = replace(ONE_STEP, relative_rates=relative)
    end = solved(space, photos_of(space.generator), lpips, settings, start=start).inverted
    moved = (end.code - start.code, end.state.features - start.state.features, end.state.rgb - start.state.rgb)
    for change, unit in zip(moved, (float(space.std), std, rgb_std), strict=True):
        assert abs(unit - 1) > 0.05
        assert_close(change.abs().amax(), torch.tensor(RATE * (unit if relative else 1.0)), rtol=0.02, atol=0)


@pytest.mark.parametrize("name", ["z", "z+", "f/z+"])
def test_a_constrained_offset_leads_to_the_same_code_and_stays_on_the_sphere(name, lpips):
    space, photos = make_space(name, generator_of("skip")), photos_of(generator_of("skip"))
    code = space.sample(2)
    for sphere, constrained in (("implicit", False), ("riemannian", True)):
        problem = Problem.of(space, photos, lpips, replace(ONE_STEP, sphere=sphere), EAGER)
        free = FreeCode(problem, code)
        assert (free.variable.constrain is not None) == constrained
    offset = normal(*code.shape)
    kept = free.variable.constrain(offset)
    assert_close(free.at(kept), free.at(offset))
    assert_close(free.first + free.unit * kept, free.at(offset), atol=1e-5, rtol=0)


@pytest.mark.parametrize("target", ["self", "initial"])
def test_what_f_is_held_to(target, lpips):
    """A strong pull and nothing else: F comes to head(code), or stays where it began though it is far from that."""
    space = make_space("f/w+", generator_of("skip"))
    start = point_of(space)
    settings = Settings(steps=30, **SILENT | {"consistency_weight": 10.0}, consistency_target=target, lpips_size=32)
    end = solved(space, photos_of(space.generator), lpips, settings, start=start).inverted
    first, last = (feature_consistency(space, x.state, space.head(x.code)) for x in (start, end))
    if target == "initial":
        assert_close(end.state.features, start.state.features)
        assert_close(last, first)
    else:
        assert (last < 0.3 * first).all()


def test_a_latent_that_has_f_is_shown_at_the_first_step(lpips):
    """Codes alone go first only where F has not begun yet."""
    space, seen = make_space("f/w+", generator_of("skip")), []
    start = point_of(space)
    settings = replace(ONE_STEP, code_only_fraction=0.5)
    solved(space, photos_of(space.generator), lpips, settings, start=start, callback=lambda p: seen.append(p.image))
    assert_close(seen[0], image_of(space, start), atol=1e-5, rtol=0)


# Where codes begin


@pytest.mark.parametrize("name", ["z+", "w+", "s", "f/z+"])
def test_the_best_of_a_few_starts_is_taken(name, generator):
    """Photos that are pictures of the candidates and of the mean begin at these."""
    space = make_space(name, generator)
    codes = torch.cat([space.broadcast_sample(3, 4), space.mean(1)])
    photos = image_of(space, Point(codes))
    found = initial_code(space, photos, None, Settings(init="common", candidates=3, seed=4))
    assert torch.equal(found, codes)


@pytest.mark.parametrize("decoding", [Decoding(0.7), Decoding(0.5), Decoding(0.5, cutoff=3)])
@pytest.mark.parametrize("name", ["w+", "s"])
def test_an_encoder_shows_the_same_under_any_truncation(name, decoding, generator, lpips):
    """Its codes were learnt at psi 1: where a space can, they make up for another, and "hybrid" begins there."""
    encoder, photos = random_encoder(generator), photos_of(generator)
    plain, space = make_space(name, generator), make_space(name, generator, decoding=decoding)
    e4e, hybrid = (preset(method, lpips_size=32) for method in ("e4e", "hybrid"))
    expected, found = (solved(x, photos, lpips, e4e, encoder=encoder) for x in (plain, space))
    before, after = (torch.cat(x.inputs(y.inverted.code).styles, 1) for x, y in ((plain, expected), (space, found)))
    assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert_close(render(generator, found), render(generator, expected), atol=1e-3, rtol=0)
    seen = []
    solved(space, photos, lpips, replace(hybrid, steps=1), encoder=encoder, callback=lambda p: seen.append(p.image))
    assert_close(seen[0].clamp(-1, 1), render(generator, expected), atol=1e-3, rtol=0)
