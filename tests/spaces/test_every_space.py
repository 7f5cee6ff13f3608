"""One harness that every space passes on every architecture. A new space or architecture is one more parameter."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from p_plus import SHIPPED, SPACES, WAYS
from points import direction_of, generator_of, image_of, latent_at, normal, point_of
from tiny import TINY
from zplus.editing import edit
from zplus.errors import LatentError, UnknownNameError, ZplusError
from zplus.generators import State
from zplus.latent import Decoding, Point, load_latent, save_latent
from zplus.spaces import convert, latent_of, make_space, render, space_of
from zplus.spaces.sphere import angles

SPHERES = ("z", "z+", "f/z", "f/z+")
CODES = ("z", "z+", "w", "w+", "s")
UPWARD = [(a, b) for i, a in enumerate(CODES) for b in CODES[i + 1 :] if (a, b) != ("z+", "w")]
UPWARD += [("z", "p+"), ("z+", "p+"), ("w", "p+"), ("w+", "p+"), ("p+", "w+"), ("p+", "s")]
DOWNWARD = [("z", "z+"), ("z", "w"), ("z+", "w+"), ("w", "w+"), ("w", "s"), ("z", "s")]


@pytest.fixture(params=TINY)
def generator(request):
    return generator_of(request.param)


@pytest.fixture(params=SPACES)
def space(request, generator):
    return make_space(request.param, generator)


@pytest.fixture(params=WAYS, ids="-".join)
def way(request, generator):
    """A space, and how edits move in it."""
    return make_space(request.param[0], generator), request.param[1]


@pytest.fixture(params=SPHERES)
def sphere(request, generator):
    return make_space(request.param, generator)


def length(x):
    return x.square().mean(-1).sqrt()


# Codes, states and pictures


def test_shapes(space):
    generator, point = space.generator, point_of(space, n=3)
    assert point.code.shape == (3, *space.shape) == space.mean(3).shape == space.broadcast_sample(3).shape
    inputs = space.decode(*point)
    assert [tuple(x.shape) for x in inputs.styles] == [(3, count) for count in generator.style_sizes]
    assert list(inputs.features) == ([] if space.layer is None else [space.layer])
    assert generator.synthesize(inputs).shape == (3, 3, 32, 32)


def test_pictures_are_neither_flat_nor_the_same(space):
    image = image_of(space, point_of(space))
    assert image.std() > 0.1
    assert (image[0] - image[1]).abs().mean() > 0.05


def test_replacing_a_state_by_itself_changes_no_pixel(space):
    generator, point = space.generator, point_of(space)
    inputs = space.decode(*point)
    image = generator.synthesize(inputs)
    for k in range(len(generator.layers)):
        same = generator.synthesize(inputs.with_feature(k, generator.head(inputs, k)))
        assert_close(same, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [x for x in SPACES if x.startswith("f/")])
def test_f_sits_at_any_layer_and_codes_up_to_it_are_inert(name, generator):
    for k, layer in enumerate(generator.layers):
        space = make_space(name, generator, layer.name)
        assert space.layer == k
        point = point_of(space)
        other = list(space.truncate(space.untruncated_styles(space.sample(2, seed=9))))
        inputs, image = space.decode(*point), image_of(space, point)
        inert = [i for i, code in enumerate(generator.style_codes) if code < layer.code]
        mixed = tuple(other[i] if i in inert else x for i, x in enumerate(inputs.styles))
        changed = type(inputs)(mixed, inputs.noise, inputs.features)
        assert_close(generator.synthesize(changed), image, atol=1e-5, rtol=0)


def test_a_missing_feature_map_is_that_of_the_code(space):
    code = space.sample(2)
    plain = make_space(space.kind, space.generator)
    assert_close(image_of(space, Point(code)), image_of(plain, Point(code)), atol=1e-5, rtol=0)


def test_a_row_of_a_batch_is_the_single_picture(space):
    point = point_of(space, n=3)
    image = image_of(space, point)
    for i in range(3):
        alone = image_of(space, point.map(lambda x, i=i: x[i : i + 1]))
        assert_close(alone, image[i : i + 1], atol=1e-4, rtol=0)


def test_a_sample_does_not_depend_on_how_many_are_drawn(space):
    few, many = space.sample(2, seed=3), space.sample(5, seed=3)
    assert_close(few, many[:2], atol=1e-5, rtol=0)
    assert not torch.allclose(many, space.sample(5, seed=4))
    assert_close(space.broadcast_sample(2, seed=3), space.broadcast_sample(5, seed=3)[:2], atol=1e-5, rtol=0)


def test_codes_of_different_layers_are_drawn_independently(space):
    code, common = space.sample(2), space.broadcast_sample(2)
    assert torch.equal(common, common[:, :1].expand_as(common))
    assert torch.unique(code, dim=1).shape[1] == space.shape[0]


def test_the_mean_is_nearer_the_middle_than_any_sample(space):
    centre = space.statistics.style_mean
    ours, samples = (
        torch.cat(space.untruncated_styles(space.mean(1)), 1),
        torch.cat(space.untruncated_styles(space.sample(50)), 1),
    )
    assert (ours - centre).norm() < (samples - centre).norm(dim=1).min()


# Geometry


def test_retracting_twice_is_retracting_once(space):
    far = 3 * space.sample(2) + 0.1
    once = space.retract(far)
    assert_close(space.retract(once), once, atol=1e-6, rtol=0)
    assert_close(space.retract(space.sample(2)), space.sample(2), atol=1e-6, rtol=0)


def test_sphere_codes_have_rms_1(sphere):
    code = sphere.sample(3)
    for found in (code, sphere.mean(2), sphere.broadcast_sample(3), sphere.retract(7 * code + 1)):
        assert_close(length(found), torch.ones(found.shape[:2]), atol=1e-5, rtol=0)


def test_moving_by_nothing_changes_nothing(space):
    code = space.sample(2)
    assert torch.equal(space.move(code, torch.zeros_like(code)), code)


def test_moves_are_continuous(space):
    point = point_of(space)
    vector = space.std * normal(*point.code.shape)
    before = image_of(space, point)

    def change(amount):
        moved = point._replace(code=space.move(point.code, amount * vector))
        return (image_of(space, moved) - before).flatten(1).norm(dim=1)

    large, middle, small = change(1e-2), change(1e-3), change(1e-4)
    assert (small > 0).all()
    assert_close(middle, 10 * small, rtol=0.1, atol=0)
    assert_close(large, 10 * middle, rtol=0.1, atol=0)


@pytest.mark.parametrize("amount", [1e-3, 0.3, 2.0, 8.0])
def test_a_move_is_the_rotation_by_the_tangent_over_the_radius(sphere, amount):
    """Against the exponential of the skew matrix that turns z towards t, in float64."""
    code = sphere.sample(2)
    vector = amount * normal(*code.shape)
    moved = sphere.move(code, vector)
    for z, v, found in zip(code.flatten(0, 1), vector.flatten(0, 1), moved.flatten(0, 1), strict=True):
        z, v = z.double(), v.double()  # noqa: PLW2901
        t = v - z * (v @ z) / (z @ z)
        expected = torch.linalg.matrix_exp((torch.outer(t, z) - torch.outer(z, t)) / (z @ z)) @ z
        assert_close(found, expected.float(), atol=2e-5, rtol=0)
        angle = float(t.norm() / z.norm())
        cosine = float((found.double() @ z) / (found.double().norm() * z.norm()))
        assert cosine == pytest.approx(np.cos(angle), abs=1e-5)
    assert_close(length(moved), torch.ones(moved.shape[:2]), atol=1e-5, rtol=0)
    assert_close(sphere.tangent(code, vector), sphere.tangent(code, vector + 3 * code), atol=2e-5, rtol=0)


@pytest.mark.parametrize("degrees", [1.0, 60.0, 120.0, 170.0])
def test_the_logarithm_undoes_a_move(degrees, space):
    """On the sphere for turns of up to 180 degrees; elsewhere for any vector."""
    code = space.sample(2)
    vector = space.tangent(code, normal(*code.shape))
    vector = vector * (np.radians(degrees) / length(vector)[..., None])  # on the sphere of rms 1 the length is the turn
    assert_close(space.log(code, space.move(code, vector)), vector, atol=1e-4, rtol=1e-3)


def test_a_radial_vector_does_not_move(sphere):
    code = sphere.sample(2)
    for amount in (-2.0, 1e-3, 5.0):
        assert_close(sphere.move(code, amount * code), code, atol=1e-5, rtol=0)


def test_only_the_layers_that_a_vector_touches_move(sphere):
    code = sphere.sample(2)
    vector = torch.zeros_like(code)
    vector[:, -1] = 1.0
    moved = sphere.move(code, vector)
    assert torch.equal(moved[:, :-1], code[:, :-1])
    assert not torch.allclose(moved[:, -1], code[:, -1])


def test_interpolation_goes_from_end_to_end(space):
    a, b = space.sample(2, seed=1), space.sample(2, seed=2)
    assert torch.equal(space.interpolate(a, b, 0.0), a)
    assert torch.equal(space.interpolate(a, b, 1.0), b)
    assert_close(space.interpolate(a, b, 0.3), space.interpolate(b, a, 0.7), atol=1e-5, rtol=0)


def test_interpolation_stays_on_the_sphere_at_an_even_pace(sphere):
    a, b = sphere.sample(2, seed=1), sphere.sample(2, seed=2)
    whole = angles(a, b)
    for t in (0.25, 0.5, 0.9):
        between = sphere.interpolate(a, b, t)
        assert_close(length(between), torch.ones(between.shape[:2]), atol=1e-5, rtol=0)
        assert_close(angles(a, between), t * whole, atol=1e-2, rtol=0)


def test_interpolation_between_nearly_equal_codes_beside_others(sphere):
    """Layers that an edit left alone are equal in both ends, while others differ."""
    a, b = sphere.sample(3, seed=1), sphere.sample(3, seed=2)
    b[0] = a[0]
    b[1] = sphere.move(a[1:2], 1e-5 * normal(1, *sphere.shape))[0]
    between = sphere.interpolate(a, b, 0.5)
    assert_close(between[:2], a[:2], atol=1e-4, rtol=0)
    assert_close(length(between), torch.ones(between.shape[:2]), atol=1e-5, rtol=0)


# Latents


def test_strength_0_is_the_reconstruction_bit_for_bit(way):
    space, move = way
    generator, latent = space.generator, latent_at(space)
    reconstruction = render(generator, latent)
    smile, age = direction_of(generator), direction_of(generator, seed=8)
    for same in (
        edit(generator, latent, {smile: 0.0}, move=move),
        edit(generator, edit(generator, latent, {smile: 1.3, age: 0.4}, move=move), {smile: -1.3, age: -0.4}),
        edit(generator, edit(generator, edit(generator, latent, {smile: 0.1}, move=move), {smile: 0.2}), {smile: -0.3}),
    ):
        assert same.edited is None
        assert torch.equal(render(generator, same), reconstruction)


def test_a_saved_latent_renders_the_same_pixels(way, tmp_path):
    space, move = way
    generator = space.generator
    latent = latent_at(make_space(space.name, generator, decoding=Decoding(psi=0.7, cutoff=3, noise="7")))
    for i, one in enumerate((latent, edit(generator, latent, {direction_of(generator): 1.0}, move=move))):
        save_latent(one, tmp_path / f"{i}.safetensors")
        loaded = load_latent(tmp_path / f"{i}.safetensors")
        assert torch.equal(render(generator, loaded), render(generator, one))


def test_a_row_of_a_latent_is_a_latent(way):
    space, move = way
    generator, latent = space.generator, latent_at(space, n=3)
    latent = edit(generator, latent, {direction_of(generator): 1.0}, move=move)
    assert len(latent) == 3
    assert len(latent[-1]) == 1
    assert_close(render(generator, latent[1]), render(generator, latent)[1:2], atol=1e-4, rtol=0)


def test_another_generator_is_refused(space):
    latent = latent_at(space)
    for other in (generator_of("skip", 1), generator_of("mobile", 1)):
        with pytest.raises(LatentError, match="load that generator, or invert"):
            render(other, latent)


def test_tensors_of_a_wrong_size_are_refused(space):
    generator, point = space.generator, point_of(space)
    wrong = [
        point._replace(code=point.code[..., :-1]),
        point._replace(code=point.code.repeat(1, 3, 1)),
        point._replace(state=State(torch.zeros(2, 3, 5, 5))),
        Point(point.code) if space.layer is not None else Point(point.code, State(torch.zeros(2, 8, 8, 8))),
        point._replace(code=point.code[:1]) if space.layer is not None else Point(point.code[:, :0]),
    ]
    for one in wrong:
        with pytest.raises(LatentError, match="damaged"):
            render(generator, latent_of(space, one))


# Truncation


def truncated(name, generator, psi, cutoff=None):
    """The picture of the same z in a space under a truncation."""
    source, plain = make_space("z", generator), make_space(name, generator)
    code = convert(source, Point(source.sample(2)), plain)[0].code
    return image_of(make_space(name, generator, decoding=Decoding(psi=psi, cutoff=cutoff)), Point(code))


def test_psi_0_is_the_mean_image_in_every_space(space):
    generator = space.generator
    mean = image_of(make_space("w", generator), Point(make_space("w", generator).mean(2)))
    flat = make_space(space.name, generator, decoding=Decoding(psi=0.0))
    assert_close(image_of(flat, Point(flat.sample(2))), mean, atol=1e-4, rtol=0)


@pytest.mark.parametrize("cutoff", [None, 0, 3])
def test_psi_acts_alike_in_every_space(generator, cutoff):
    """Against truncating w itself: w_mean + psi (w - w_mean) for the first codes."""
    z = make_space("z", generator)
    mean = z.statistics.w_mean
    w = generator.map(z.sample(2)).repeat(1, generator.num_codes, 1)
    first = slice(0, generator.num_codes if cutoff is None else cutoff)
    w[:, first] = mean + 0.6 * (w[:, first] - mean)
    wplus = make_space("w+", generator)
    expected = image_of(wplus, Point(w))
    for name in (*CODES, "p+"):
        assert_close(truncated(name, generator, 0.6, cutoff), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("kind", "other"), [("z+", "w+"), ("w", "w+"), ("w", "s"), ("s", "s"), ("w+", "w+")])
@pytest.mark.parametrize("cutoff", [None, 3])
def test_conversion_makes_up_for_another_truncation(generator, kind, other, cutoff):
    source, target = (
        make_space(kind, generator, decoding=Decoding(psi=0.5)),
        make_space(other, generator, decoding=Decoding(psi=0.8, cutoff=cutoff)),
    )
    code = source.sample(2)
    point, error = convert(source, Point(code), target)
    assert_close(image_of(target, point), image_of(source, Point(code)), atol=1e-4, rtol=0)
    assert error.max() < 1e-4
    with pytest.raises(LatentError, match="mean face alone"):
        convert(source, Point(code), make_space(other, generator, decoding=Decoding(psi=0.0)))


@pytest.mark.parametrize("psi", [-0.1, 1.5, float("nan"), float("inf")])
def test_psi_lies_between_0_and_1(generator, psi):
    with pytest.raises(ZplusError, match="between 0 and 1"):
        make_space("w", generator, decoding=Decoding(psi=psi))


# Conversion


@pytest.mark.parametrize(("kind", "wider"), UPWARD)
def test_conversion_up_the_chain_is_exact(generator, kind, wider):
    source, target = make_space(kind, generator), make_space(wider, generator)
    point = point_of(source)
    converted, error = convert(source, point, target)
    assert_close(image_of(target, converted), image_of(source, point), atol=1e-4, rtol=0)
    assert (error < 1e-5).all()
    assert_close(target.retract(converted.code), converted.code, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("kind", "wider"), [("z", "z+"), ("w", "w+"), ("w+", "s"), ("w", "s")])
def test_conversion_down_the_chain_finds_a_point_that_lies_there(generator, kind, wider):
    small, large = make_space(kind, generator), make_space(wider, generator)
    point = point_of(small)
    back, error = convert(large, convert(small, point, large)[0], small)
    assert_close(image_of(small, back), image_of(small, point), atol=1e-3, rtol=0)
    assert (error < 1e-4).all()


@pytest.mark.parametrize(("kind", "wider"), DOWNWARD)
def test_conversion_down_the_chain_states_its_error(generator, kind, wider):
    """|change of the styles| over their distance from the mean, of a point that lies in no smaller space."""
    small, large = make_space(kind, generator), make_space(wider, generator)
    point = Point(large.sample(2) + 0.5 * large.std * normal(2, *large.shape))
    point = Point(large.retract(point.code))
    found, error = convert(large, point, small)
    before, after = (
        torch.cat(large.untruncated_styles(point.code), 1),
        torch.cat(small.untruncated_styles(found.code), 1),
    )
    distance = (before - large.statistics.style_mean).norm(dim=1)
    assert_close(error, (after - before).norm(dim=1) / distance)
    assert ((error > 0.01) & (error < 2)).all()
    assert_close(small.retract(found.code), found.code, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("kind", "wider"), [("z", "w"), ("z+", "w+"), ("z", "s"), ("z", "w+")])
def test_a_preimage_under_the_mapping_is_found_nearly(generator, kind, wider):
    """Where f folds, the search may end beside it; the samples are others than those it starts from."""
    small, large = make_space(kind, generator), make_space(wider, generator)
    point = point_of(small, n=4, seed=11)
    error = convert(large, convert(small, point, large)[0], small)[1]
    assert (error < 0.2).all()
    assert error.median() < 0.02


@pytest.mark.parametrize("kind", [*CODES, "p+"])
def test_conversion_keeps_f_carries_it_on_or_drops_it(generator, kind):
    first, last = (make_space(f"f/{kind}", generator, generator.layers[k].name) for k in (1, -2))
    point = point_of(first)
    image = image_of(first, point)
    for target in (first, last):
        assert_close(image_of(target, convert(first, point, target)[0]), image, atol=1e-4, rtol=0)
    back = convert(last, point_of(last), first)[0]
    assert torch.equal(back.state.features, first.head(back.code).features)
    plain = make_space(kind, generator)
    assert convert(first, point, plain)[0].state is None
    assert_close(image_of(first, convert(plain, Point(point.code), first)[0]), image_of(plain, Point(point.code)))


# Names


def test_names(generator):
    assert [make_space(name, generator).name for name in SPACES] == list(SPACES)
    assert len(SHIPPED) == 10
    with pytest.raises(UnknownNameError, match="did you mean 'f/z'"):
        make_space("f/zz", generator)
    with pytest.raises(UnknownNameError, match="layer"):
        make_space("f/z+", generator, "31")
    with pytest.raises(ZplusError, match="noise mode"):
        make_space("z+", generator, decoding=Decoding(noise="9" * 30))
    space = make_space("f/s", generator, generator.layers[generator.layer("16")].name)
    assert space_of(generator, latent_at(space)).layer == space.layer == generator.layer("16")


def test_a_layer_without_a_feature_map_is_refused(generator):
    with pytest.raises(ZplusError, match="choose f/w"):
        make_space("w+", generator, "16")
