"""SAM: maps are added where the code alone is poor, the deeper the poorer, and the latent is whole by itself."""

from dataclasses import replace

import pytest
import torch

from inverting import solved
from points import direction_of, generator_of, latent_at, normal, photos_of
from zplus.editing import Editor, edit
from zplus.errors import LatentError, ZplusError
from zplus.execution import EAGER
from zplus.generators.prior import feature_std
from zplus.inversion import invert, preset
from zplus.inversion.sam import choose, depths, error_map
from zplus.latent import load_latent, save_latent
from zplus.spaces import make_space, render

SETTINGS = preset("sam", steps=5, sam_steps=12, lpips_size=32, candidates=2, sam_threshold=0.05, lpips_weight=0.1)


def adapted(generator, name, lpips, settings=SETTINGS, n=2):
    space, target = make_space(name, generator), photos_of(generator, n)
    quick = solved(space, target, lpips, replace(settings, stages=("encode", "descend")))
    return quick, solved(space, target, lpips, settings)


def test_depths_grow_with_the_error():
    error = torch.full((1, 1, 8, 8), 0.01)
    error[..., 3:] = 0.12
    error[..., 6:] = 1.0
    assert choose(error, 3, 0.1)[0, 0, 4].tolist() == [0, 0, 0, 0, 1, 3, 3, 3]  # by the mean of 3 x 3 segments
    assert (choose(error * 0, 3, 0.1) == 0).all()


def test_the_error_is_largest_where_the_picture_is_wrong(lpips):
    image = torch.zeros(1, 3, 64, 64)
    other = image.clone()
    other[..., :16, :16] = 0.7
    error = error_map(lpips, image, other)
    assert error[..., :8, :8].mean() > 3 * error[..., 16:, 16:].mean()
    assert (error_map(lpips, image, image) == 0).all()


@pytest.mark.parametrize("name", ["w+", "z+", "s"])
def test_it_comes_nearer_than_the_code_alone(name, generator, lpips):
    target = photos_of(generator)
    quick, latent = adapted(generator, name, lpips)
    before, after = ((render(generator, x) - target).square().mean((1, 2, 3)) for x in (quick, latent))
    assert (after < before).all()
    space = make_space(name, generator)
    torch.testing.assert_close(space.retract(latent.inverted.code), latent.inverted.code)
    shares = torch.tensor([latent.figures[f"depth_{depth}"] for depth in range(len(depths(generator)) + 1)])
    torch.testing.assert_close(shares.sum(0), torch.ones(2))
    assert latent.figures["steps"] == [17, 17]


def test_nothing_is_added_where_the_code_is_good_enough(lpips):
    generator = generator_of("skip")
    _, latent = adapted(generator, "w+", lpips, replace(SETTINGS, sam_threshold=1e6))
    assert all((x == 0).all() for x in latent.added.values())
    assert latent.figures["depth_0"] == [1.0, 1.0]


EVERYWHERE, NOWHERE = 1e-9, 1e6  # thresholds under which the deepest maps are added to all of a picture, and none
ALONE = replace(
    SETTINGS, stages=("encode", "sam"), init="random", lpips_weight=0.0, consensus_weight=0.0, warmup=0.0,
    decay="constant",
)  # fmt: skip


def seen_at(name, lpips, settings, n=2):
    """The latent, and the losses and the pictures of all steps [steps, N, ...]."""
    space, losses, images = make_space(name, generator_of("skip")), [], []
    target = photos_of(space.generator, n)
    latent = solved(
        space, target, lpips, settings, callback=lambda p: losses.append(p.loss) or images.append(p.image)
    )  # fmt: skip
    return space, target, latent, torch.stack(losses), torch.stack(images)


@pytest.mark.parametrize("weight", [0.0, 0.02, 1.0])
def test_what_is_added_costs_its_mean_square_in_variances(weight, lpips):
    """The loss is the MSE of the picture and that; with the deepest maps added everywhere, nothing masks them."""
    settings = replace(ALONE, sam_threshold=EVERYWHERE, sam_weight=weight)
    space, target, latent, losses, images = seen_at("w+", lpips, settings)
    layers = depths(space.generator)
    assert min(latent.figures[f"depth_{len(layers)}"]) == 1.0
    maps = latent.added[space.generator.layers[layers[-1]].name]
    cost = (maps / feature_std(space.generator, layers[-1])[0]).square().mean((1, 2, 3))
    assert cost.min() > 1e-4
    mse = (images - target).square().mean((2, 3, 4))
    step = losses.argmin(0), torch.arange(2)
    torch.testing.assert_close(losses[step] - mse[step], weight * cost, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("relative", [True, False])
def test_its_first_step_is_as_long_as_its_rates(relative, lpips):
    """Adam's first step is rate * sign(gradient), in units of the prior's spread or absolute."""
    rate = 1e-3  # so short a step that the loss falls
    settings = replace(
        ALONE, sam_threshold=EVERYWHERE, sam_steps=2, code_lr=rate, feature_lr=rate, feature_rule="adam",
        relative_rates=relative,
    )  # fmt: skip
    space, _, latent, *_ = seen_at("w+", lpips, settings)
    k = depths(space.generator)[-1]
    moved = latent.inverted.code - space.sample(1, 0), latent.added[space.generator.layers[k].name]
    for change, unit in zip(moved, (float(space.std), feature_std(space.generator, k)[0]), strict=True):
        assert abs(unit - 1) > 0.05
        expected = torch.tensor(rate * (unit if relative else 1.0))
        torch.testing.assert_close(change.abs().amax(), expected, rtol=0.02, atol=0)


@pytest.mark.parametrize("sphere", ["implicit", "riemannian"])
def test_its_codes_keep_to_the_sphere_as_the_settings_say(sphere, lpips):
    """Where nothing is added, against Adam by itself, whose offset is brought back onto the sphere or not."""
    settings = replace(ALONE, sam_threshold=NOWHERE, sam_steps=6, code_lr=0.3, sphere=sphere)
    space, target, latent, losses, _ = seen_at("z+", lpips, settings, 1)
    first = space.sample(1, 0)
    offset, expected, codes = torch.zeros_like(first, requires_grad=True), [], []
    adam = torch.optim.Adam([offset], lr=0.3)
    for _ in range(6):
        codes.append(space.retract(first + offset))
        expected.append((space.generator.synthesize(space.inputs(codes[-1])) - target).square().mean())
        adam.zero_grad()
        expected[-1].backward()
        adam.step()
        if sphere == "riemannian":
            offset.data.copy_(space.retract(first + offset.data) - first)
    torch.testing.assert_close(losses[:, 0], torch.stack(expected).detach(), rtol=1e-3, atol=1e-5)
    best = codes[int(losses[:, 0].argmin())].detach()
    torch.testing.assert_close(latent.inverted.code, best, rtol=1e-3, atol=1e-3)


def test_the_file_rows_and_edits(generator, lpips, tmp_path):
    _, latent = adapted(generator, "z+", lpips)
    save_latent(latent, tmp_path / "a.safetensors")
    loaded = load_latent(tmp_path / "a.safetensors")
    image = render(generator, latent)
    assert torch.equal(render(generator, loaded), image)
    torch.testing.assert_close(render(generator, latent[1]), image[1:], rtol=1e-4, atol=1e-4)
    moved = edit(generator, loaded, {direction_of(generator): 1.0})
    assert not torch.equal(render(generator, moved), image)
    torch.testing.assert_close(Editor(generator, loaded, EAGER).image(moved), render(generator, moved))
    back = edit(generator, moved, {direction_of(generator): -1.0})
    assert torch.equal(render(generator, back), image)


def test_what_is_refused(lpips):
    generator = generator_of("skip")
    space, target = make_space("f/z+", generator), photos_of(generator)
    with pytest.raises(ZplusError, match=r"choose z\+"):
        invert(generator, target, "f/z+", "sam")
    latent = latent_at(make_space("w+", generator), 1)
    for added in ({"b8.conv1": normal(1, 3, 8, 8)}, {"x": normal(1, 8, 8, 8)}, {"b8.conv1": normal(2, 8, 8, 8)}):
        with pytest.raises(LatentError, match="damaged"):
            render(generator, replace(latent, added=added))
    with pytest.raises(LatentError, match="damaged"):
        render(generator, replace(latent_at(space, 1), added={"b8.conv1": normal(1, 8, 8, 8)}))
