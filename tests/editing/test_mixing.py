"""Style mixing and interpolation."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from p_plus import SPACES
from points import direction_of, generator_of, latent_at
from zplus.editing import edit, interpolate, mix
from zplus.errors import LatentError, ZplusError
from zplus.latent import Point
from zplus.spaces import latent_of, make_space, render
from zplus.spaces.sphere import angles

GENERATORS = ("skip", "resnet", "mobile")


@pytest.fixture(params=GENERATORS)
def generator(request):
    return generator_of(request.param)


@pytest.mark.parametrize("name", SPACES)
def test_the_ends_of_the_way_are_the_latents(name, generator):
    space = make_space(name, generator)
    a, b = latent_at(space, seed=1), latent_at(space, seed=2)
    for t, end in ((0.0, a), (1.0, b)):
        assert_close(render(generator, interpolate(generator, a, b, t)), render(generator, end), atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ["z", "z+", "f/z", "f/z+"])
def test_the_way_is_an_arc_of_even_speed(name, generator):
    space = make_space(name, generator)
    a, b = latent_at(space, seed=1), latent_at(space, seed=2)
    third = interpolate(generator, a, b, 1 / 3).point.code
    whole = angles(a.point.code, b.point.code)
    assert_close(angles(a.point.code, third), whole / 3, atol=1e-2, rtol=0)
    assert_close(angles(third, b.point.code), whole * 2 / 3, atol=1e-2, rtol=0)
    assert_close(third.square().mean(-1), torch.ones(third.shape[:-1]))


def test_feature_maps_go_straight(generator):
    space = make_space("f/w+", generator)
    a, b = latent_at(space, seed=1), latent_at(space, seed=2)
    half = interpolate(generator, a, b, 0.5).point
    assert_close(half.state.features, (a.point.state.features + b.point.state.features) / 2)


def test_edits_are_part_of_the_ends(generator):
    space = make_space("f/z+", generator)
    a = edit(generator, latent_at(space), {direction_of(generator): 0.5})
    assert_close(render(generator, interpolate(generator, a, a, 0.5)), render(generator, a), atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ["z", "z+", "f/z", "f/z+"])
def test_the_ends_of_the_way_show_straight_edits(name, generator):
    """Wherever one of the two left the sphere, the way is straight, in W or W+, and ends at what is shown."""
    plain = latent_at(make_space(name, generator))
    edited = edit(generator, plain, {direction_of(generator): 1.2})
    for a, b in ((plain, edited), (edited, plain), (edited, edited)):
        ways = [interpolate(generator, a, b, t) for t in (0.0, 0.5, 1.0)]
        assert [x.space for x in ways] == [name.replace("z", "w")] * 3
        for way, end in ((ways[0], a), (ways[2], b)):
            assert_close(render(generator, way), render(generator, end), atol=2e-5, rtol=0)
        assert_close(ways[1].point.code, (ways[0].point.code + ways[2].point.code) / 2)
    sphere = edit(generator, plain, {direction_of(generator): 1.2}, move="sphere")
    assert interpolate(generator, plain, sphere, 0.5).space == name
    free = edit(generator, latent_at(make_space(name.replace("z", "w"), generator)), {direction_of(generator): 1.2})
    assert interpolate(generator, plain, free, 0.5).space == name  # it was never on the sphere


@pytest.mark.parametrize("name", ["z+", "f/z+"])
def test_mixing_takes_codes_of_what_straight_edits_show(name, generator):
    space, a = make_space(name, generator), direction_of(generator)
    plain, other = latent_at(space, seed=1), latent_at(space, seed=2)
    edited = edit(generator, other, {a: 1.2})
    w, moved = space.to_w(plain.point.code), edited.point.code
    for first, second, codes in ((plain, edited, (w, moved)), (edited, plain, (moved, w))):
        mixed = mix(generator, first, second, (2, 4))
        assert mixed.space == name.replace("z", "w")
        assert_close(mixed.point.code[:, 2:4], codes[1][:, 2:4])
        assert_close(mixed.point.code[:, 4:], codes[0][:, 4:])
        assert_close(mixed.point.code[:, :2], codes[0][:, :2])
    if name == "z+":
        whole = mix(generator, plain, edited, (0, generator.num_codes))
        assert_close(render(generator, whole), render(generator, edited), atol=2e-5, rtol=0)


def test_the_other_latent_is_brought_into_the_space_of_the_first(generator):
    z = make_space("z", generator)
    a, b = latent_at(make_space("w+", generator)), latent_of(z, Point(z.sample(2, 5)))
    assert interpolate(generator, a, b, 1.0).space == "w+"
    assert_close(render(generator, interpolate(generator, a, b, 1.0)), render(generator, b), atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ["z+", "w+", "s"])
def test_mixing_takes_the_styles_of_some_layers(name, generator):
    space = make_space(name, generator)
    a, b = latent_at(space, seed=1), latent_at(space, seed=2)
    mixed = mix(generator, a, b, (2, 4))
    styles = [space.untruncated_styles(x.point.code) for x in (a, b, mixed)]
    for code, first, second, found in zip(generator.style_codes, *styles, strict=True):
        assert_close(found, second if 2 <= code < 4 else first)


def test_mixing_moves_the_feature_map(generator):
    """Layers below F show, because F goes along with head(code); those of another latent wholly give its head."""
    space = make_space("f/z+", generator)
    a, b = latent_at(space, seed=1), latent_at(space, seed=2)
    plain = latent_of(space, Point(a.point.code, space.head(a.point.code)))
    mixed = mix(generator, plain, b, (0, generator.num_codes))
    assert_close(mixed.point.state.features, space.head(b.point.code).features, atol=1e-4, rtol=0)
    assert not render(generator, mix(generator, a, b, (0, 2))).allclose(render(generator, a), atol=1e-3)


@pytest.mark.parametrize("layers", [(-1, 2), (2, 2), (3, 99)])
def test_layers_that_do_not_exist(layers, generator):
    latent = latent_at(make_space("z+", generator))
    with pytest.raises(ZplusError, match="do not exist"):
        mix(generator, latent, latent, layers)


def test_spaces_with_one_code_are_refused(generator):
    latent = latent_at(make_space("w", generator))
    with pytest.raises(LatentError, match="one code for all"):
        mix(generator, latent, latent, (0, 2))


def test_one_latent_goes_with_many_and_two_not_with_three(generator):
    space = make_space("z+", generator)
    one, two, three = (latent_at(space, n) for n in (1, 2, 3))
    assert len(mix(generator, one, three, (0, 2))) == len(interpolate(generator, three, one, 0.5)) == 3
    with pytest.raises(LatentError, match="2 latents cannot be paired with 3"):
        mix(generator, two, three, (0, 2))


@pytest.mark.parametrize(
    "more",
    [{"offsets": {"b4.bias": torch.ones(1)}}, {"added": {"b8.conv1": torch.ones(1)}}, {"mask": torch.ones(2, 1, 2, 2)}],
)
def test_what_would_be_lost_is_refused(more, generator):
    a = latent_at(make_space("w+", generator))
    for pair in ((a, replace(a, **more)), (replace(a, **more), a)):
        with pytest.raises(LatentError, match="cannot be mixed"):
            interpolate(generator, *pair, 0.5)
        with pytest.raises(LatentError, match="cannot be mixed"):
            mix(generator, *pair, (0, 2))


def test_a_latent_of_another_generator_is_refused(generator):
    a = latent_at(make_space("z+", generator))
    b = latent_at(make_space("z+", generator_of("skip", 1)))
    with pytest.raises(ZplusError):
        mix(generator, a, b, (0, 2))
