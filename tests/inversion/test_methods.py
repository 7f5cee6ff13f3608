"""The one loop over every space, on tiny generators and a perceptual network of random weights."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from inverting import solved
from networks import random_encoder
from p_plus import SPACES
from points import direction_of, generator_of, latent_at, photos_of, point_of
from zplus.editing import edit
from zplus.errors import DivergedError, UnknownNameError, ZplusError
from zplus.execution import EAGER
from zplus.inversion import PRESETS, Settings, invert, methods, preset
from zplus.inversion.encoding import EncoderOutput, initial_code
from zplus.latent import load_latent, save_latent
from zplus.spaces import make_space, render
from zplus.spaces.conversion import convert
from zplus.spaces.penalties import feature_consistency

SHORT = Settings(steps=12, lpips_size=32, candidates=2)


def run(space, target, lpips, settings=SHORT, **more):
    return solved(space, target, lpips, settings, **more)


@pytest.mark.parametrize("name", SPACES)
def test_every_space_comes_nearer_to_the_photo_and_stays_inside(name, generator, lpips):
    space, target, losses = make_space(name, generator), photos_of(generator), []
    latent = run(space, target, lpips, callback=lambda p: losses.append(p.loss))
    assert (torch.stack(losses).amin(0) < losses[0]).all()
    assert latent.space == name and len(latent) == 2
    torch.testing.assert_close(space.retract(latent.inverted.code), latent.inverted.code)
    assert ("feature_drift" in latent.figures) == name.startswith("f/")


@pytest.mark.parametrize("name", ["z+", "f/z+", "f/w+"])
def test_a_row_does_not_depend_on_its_company(name, generator, lpips):
    space, target = make_space(name, generator), photos_of(generator, 3)
    together, alone = [], []
    run(space, target, lpips, callback=lambda p: together.append(p.loss[1]))
    run(space, target[1:2], lpips, callback=lambda p: alone.append(p.loss[0]))
    torch.testing.assert_close(together[0], alone[0], rtol=1e-4, atol=0)
    torch.testing.assert_close(together[-1], alone[-1], rtol=0.05, atol=0)


def test_codes_are_fitted_before_f_departs(generator, lpips):
    space, target = make_space("f/z+", generator), photos_of(generator)
    latent = run(space, target, lpips, replace(SHORT, code_only_fraction=1.0))
    assert max(latent.figures["feature_drift"]) < 1e-6
    latent = run(space, target, lpips, replace(SHORT, code_only_fraction=0.5))
    assert min(latent.figures["feature_drift"]) > 1e-4


def test_mse_has_a_weight_of_its_own_while_f_moves(generator, lpips):
    space, target = make_space("f/z+", generator), photos_of(generator)
    alone = replace(SHORT, mse_weight=0.0, lpips_weight=0.0, consistency_weight=0.0, consensus_weight=0.0)
    for weight in (0.0, 6.0):
        seen: list[torch.Tensor] = []
        run(
            space,
            target,
            lpips,
            replace(alone, feature_mse_weight=weight),
            callback=lambda p, seen=seen: seen.append(p.loss),
        )
        losses = torch.stack(seen)
        first = round(alone.code_only_fraction * alone.steps)  # steps of the codes alone, in which nothing weighs
        assert not losses[:first].any()
        assert bool(losses[first:].all()) == (weight > 0)


def test_a_strong_consistency_holds_f_to_the_code(generator, lpips):
    space, target = make_space("f/z+", generator), photos_of(generator)
    loose, tight = (run(space, target, lpips, replace(SHORT, consistency_weight=weight)) for weight in (0.0, 1e4))
    assert max(tight.figures["feature_drift"]) < 0.5 * min(loose.figures["feature_drift"])


def test_it_goes_on_from_a_latent_and_from_its_file(generator, lpips, tmp_path):
    space, target, losses = make_space("f/z+", generator), photos_of(generator), []
    first = run(space, target, lpips, callback=lambda p: losses.append(p.loss))
    save_latent(first, tmp_path / "a.safetensors")
    start = load_latent(tmp_path / "a.safetensors").point
    run(space, target, lpips, start=start, callback=lambda p: losses.append(p.loss))
    torch.testing.assert_close(
        losses[SHORT.steps], torch.stack(losses[: SHORT.steps][-6:]).amin(0), rtol=0.2, atol=1e-3
    )


def test_a_start_from_another_space_is_converted(generator, lpips):
    z, target = make_space("z", generator), photos_of(generator)
    coarse = run(z, target, lpips)
    point, error = convert(z, coarse.point, make_space("f/w+", generator))
    assert error.max() < 1e-4
    losses = []
    run(make_space("f/w+", generator), target, lpips, start=point, callback=lambda p: losses.append(p.loss))
    assert (losses[-1] < losses[0]).all()


@pytest.mark.parametrize(("name", "into"), [("z+", "w+"), ("f/z+", "f/w+"), ("f/z", "f/w+"), ("f/z", "f/w")])
def test_a_start_shows_what_its_straight_edit_shows(name, into, generator, lpips, monkeypatch):
    monkeypatch.setattr(methods, "shared_lpips", lambda device: lpips)
    latent = latent_at(make_space(name, generator))
    edited = edit(generator, latent, {direction_of(generator): 1.2})
    target, seen = photos_of(generator), []
    short = {"method": "default", "execution": EAGER, "steps": 2, "lpips_size": 32}
    invert(generator, target, into, start=edited, callback=lambda p: seen.append(p.image), **short)
    assert_close(seen[0].clamp(-1, 1), render(generator, edited), atol=1e-4, rtol=0)
    assert not torch.allclose(seen[0], render(generator, latent), atol=1e-2)


def test_a_callback_can_stop_it(lpips):
    generator, seen = generator_of("mobile"), []

    def stop(progress):
        seen.append(progress.step)
        return progress.step == 3

    latent = run(make_space("f/z+", generator), photos_of(generator), lpips, callback=stop)
    assert seen == [1, 2, 3] and latent.figures["steps"] == [3, 3]


def test_however_the_sphere_is_kept_steps_end_near_and_on_it(lpips):
    generator = generator_of("mobile")
    space, target, ends = make_space("z+", generator), photos_of(generator), {}
    for sphere in ("implicit", "riemannian"):
        losses = []
        latent = run(space, target, lpips, replace(SHORT, sphere=sphere), callback=lambda p: losses.append(p.loss))  # noqa: B023
        ends[sphere] = (losses[-1] / losses[0]).max()
        assert torch.allclose(latent.inverted.code.square().mean(-1), torch.ones(()), atol=1e-4)
    assert max(ends.values()) < 0.95


def test_consensus_keeps_the_codes_together(lpips):
    generator = generator_of("mobile")
    space, target = make_space("z+", generator), photos_of(generator)

    def spread(weight):
        code = run(space, target, lpips, replace(SHORT, consensus_weight=weight)).inverted.code
        return (code - code.mean(1, keepdim=True)).square().mean()

    assert spread(10.0) < 0.5 * spread(0.0)


# What each method does: its space, what it begins with, whether F is held to head(code), what it adds, its steps.
DOES = {
    "default": ("f/z+", "encoder", True, None, 4),
    "hybrid": ("f/z+", "encoder", True, None, 4),
    "e4e": ("f/z+", "encoder", None, None, 0),
    "sam": ("z+", "encoder", None, "added", 7),
    "pti": ("w", "encoder", None, "offsets", 7),
    "released": ("f/z+", "random", False, None, 4),
    "bdinvert": ("f/w+", "mean", False, None, 4),
    "ii2s": ("w+", "mean", None, None, 4),
    "idinvert": ("f/z+", "encoder", False, None, 4),
    "paper-1": ("f/z+", "random", True, None, 4),
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_does_what_it_says(name, lpips):
    generator = generator_of("skip")
    encoder, target = random_encoder(generator), photos_of(generator, 1)
    kind, init, self_consistent, adds, steps = DOES[name]
    space, seen = make_space(kind, generator), []
    few = {"descend": ("steps", 4), "sam": ("sam_steps", 3), "pti": ("pti_steps", 3)}
    settings = preset(name, lpips_size=32, **dict(few[x] for x in PRESETS[name].stages if x in few))
    latent = run(space, target, lpips, settings, encoder=encoder, callback=seen.append)
    assert latent.figures["steps"] == [steps] and len(seen) == steps
    assert {x for x in ("added", "offsets") if getattr(latent, x)} == ({adds} if adds else set())
    first = {
        "encoder": lambda: EncoderOutput(encoder, lpips, EAGER.autocast(target.device), target).code(space),
        "random": lambda: space.sample(1, 0),
        "mean": lambda: space.mean(1),
    }[init]()
    still = solved(space, target, lpips, replace(settings, stages=("encode",)), encoder=encoder)
    torch.testing.assert_close(still.inverted.code, first)
    assert torch.equal(latent.inverted.code, first) == (steps == 0)
    if self_consistent is not None:
        weights = ("mse", "feature_mse", "lpips", "consensus", "p_norm", "in_domain")
        silent = replace(settings, **{f"{one}_weight": 0.0 for one in weights})
        start, losses = point_of(space, 1), []
        run(space, target, lpips, silent, start=start, encoder=encoder, callback=lambda p: losses.append(p.loss))
        apart = feature_consistency(space, start.state, space.head(start.code))
        torch.testing.assert_close(losses[0], settings.consistency_weight * apart * self_consistent)
        assert apart > 0.01


def test_the_same_seed_gives_the_same_bytes(lpips):
    generator = generator_of("mobile")
    a, b = (run(make_space("f/z+", generator), photos_of(generator), lpips) for _ in range(2))
    assert torch.equal(a.inverted.code, b.inverted.code) and torch.equal(
        a.inverted.state.features, b.inverted.state.features
    )


def test_what_is_refused(lpips):
    generator = generator_of("mobile")
    with pytest.raises(DivergedError):
        run(make_space("z+", generator), photos_of(generator) * float("nan"), lpips)
    with pytest.raises(UnknownNameError, match="did you mean"):
        preset("relased")
    for method, idle in (("e4e", {"steps": 5}), ("hybrid", {"pti_steps": 5}), ("e4e", {"sam_weight": 1.0})):
        with pytest.raises(ZplusError, match=f"{next(iter(idle))} does nothing in {method}"):
            preset(method, **idle)
    assert preset("e4e", steps=0) == preset("e4e")
    with pytest.raises(ZplusError, match="1 or more"):
        preset("default", steps=0)


@pytest.mark.parametrize("init", ["random", "mean", "common"])
def test_a_photo_begins_where_it_would_alone(init, generator):
    space, photos = make_space("z+", generator), photos_of(generator, 3)
    settings = Settings(init=init, candidates=3)
    together = initial_code(space, photos, None, settings)
    for i in range(3):
        assert torch.equal(initial_code(space, photos[i : i + 1], None, settings)[0], together[i])
