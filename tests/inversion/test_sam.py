"""SAM: maps are added where the code alone is poor, the deeper the poorer, and the latent is whole by itself."""

from dataclasses import replace

import pytest
import torch

from inverting import solved
from points import direction_of, generator_of, latent_at, normal, photos_of
from zplus.editing import Editor, edit
from zplus.errors import LatentError, ZplusError
from zplus.execution import EAGER
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
