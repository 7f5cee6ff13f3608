"""Encoders: their file, what they give in every space, and what is refused."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from inverting import solved
from networks import random_encoder
from p_plus import SPACES
from points import generator_of, image_of, point_of
from tiny import tiny_stylegan2
from zplus.errors import LatentError, ZplusError
from zplus.execution import EAGER
from zplus.inversion import preset
from zplus.inversion.encoder import config_for, load_encoder, save_encoder, vgg_features
from zplus.inversion.encoding import EncoderOutput
from zplus.latent import Point
from zplus.spaces import make_space
from zplus.spaces.sphere import onto_sphere


def photos(generator, n=3):
    space = make_space("w+", generator)
    return image_of(space, point_of(space, n)).clamp(-1, 1).clone()


def output(encoder, lpips, target):
    return EncoderOutput(encoder, lpips, EAGER.autocast(torch.device("cpu")), target)


def encoded(encoder, lpips, space, target):
    """The point of the space that the encoder gives."""
    found = output(encoder, lpips, target)
    code = found.code(space)
    return Point(code, None if space.layer is None else found.state(space, code))


def test_what_is_seen_has_the_pixels_and_no_row_touches_another(lpips):
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    seen = vgg_features(lpips, image)
    assert seen.shape == (2, 960, 8, 8)
    assert torch.equal(seen[:, :192].flatten(1).sort().values, image.flatten(1).sort().values)
    torch.testing.assert_close(vgg_features(lpips, image[1:]), seen[1:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SPACES)
def test_the_encoder_alone_gives_a_point_of_every_space(name, generator, lpips):
    space, target, encoder = make_space(name, generator), photos(generator), random_encoder(generator)
    latent = solved(space, target, lpips, preset("e4e", lpips_size=32), encoder=encoder)
    assert latent.figures["steps"] == [0, 0, 0] and len(latent.figures["strangeness"]) == 3
    torch.testing.assert_close(space.retract(latent.inverted.code), latent.inverted.code)
    alone = solved(space, target[1:2], lpips, preset("e4e", lpips_size=32), encoder=encoder)
    torch.testing.assert_close(alone.inverted.code, latent.inverted.code[1:2], rtol=1e-3, atol=1e-3)


def test_codes_of_both_forms_are_those_of_the_network(generator, lpips):
    encoder, target = random_encoder(generator), photos(generator)
    seen = vgg_features(lpips, target)
    z, w = encoder.code(seen, "z+"), encoder.code(seen, "w+")
    torch.testing.assert_close(onto_sphere(z), z)
    torch.testing.assert_close(encoded(encoder, lpips, make_space("f/z+", generator), target).code, z)
    styles = torch.cat(generator.styles(w), 1)[:, None]
    torch.testing.assert_close(encoded(encoder, lpips, make_space("s", generator), target).code, styles)


def test_offsets_join_layer_by_layer(lpips):
    generator = generator_of("skip")
    encoder, seen = random_encoder(generator), vgg_features(lpips, photos(generator))
    code, offsets = encoder.code_and_offsets(seen, "w+", 0)
    assert (offsets == 0).all() and (code == code[:, :1]).all()
    code, offsets = encoder.code_and_offsets(seen, "w+", 3)
    whole, _ = encoder.code_and_offsets(seen, "w+")
    assert torch.equal(code[:, :3], whole[:, :3]) and (offsets[:, 3:] == 0).all() and (offsets[:, :3] != 0).any()


def test_f_is_that_of_the_network_and_is_carried_to_a_later_layer(lpips):
    generator = generator_of("mobile")
    encoder, target = random_encoder(generator, layer="8"), photos(generator)
    space = make_space("f/w+", generator, "8")
    point = encoded(encoder, lpips, space, target)
    torch.testing.assert_close(point.state.features, encoder.base_code(vgg_features(lpips, target)))
    later = make_space("f/w+", generator, "16")
    carried = encoded(encoder, lpips, later, target)
    pictures = [space.generator.synthesize(s.decode(*p)) for s, p in ((space, point), (later, carried))]
    torch.testing.assert_close(*pictures, rtol=1e-4, atol=1e-4)


def test_the_code_of_a_picture_has_gradients(lpips):
    generator = generator_of("skip")
    image = photos(generator).requires_grad_()
    seen = output(random_encoder(generator), lpips, photos(generator))
    torch.cat(seen.styles(make_space("z+", generator), image), 1).sum().backward()
    assert image.grad.abs().max() > 0


def test_the_domain_term_draws_the_code_to_where_the_encoder_sees_it(lpips):
    generator = generator_of("skip")
    space, target, encoder = make_space("w+", generator), photos(generator), random_encoder(generator)
    found = {}
    for weight in (0.0, 30.0):
        settings = preset(
            "idinvert", steps=25, code_lr=0.05, in_domain_weight=weight, mse_weight=0.0, lpips_weight=0.0, lpips_size=32
        )
        start = point_of(space, 3)
        latent = solved(space, target, lpips, settings, start, encoder=encoder)
        seen = torch.cat(output(encoder, lpips, target).styles(space, image_of(space, latent.point)), 1)
        own = torch.cat(space.inputs(latent.inverted.code).styles, 1)
        found[weight] = ((seen - own) / space.statistics.style_std).square().mean()
    assert found[30.0] < 0.7 * found[0.0]


def test_strangeness_is_counted_in_deviations(lpips):
    generator = generator_of("skip")
    encoder, seen = random_encoder(generator), vgg_features(lpips, photos(generator))
    pooled = seen.mean((2, 3))
    encoder.seen_mean.copy_(pooled[0])
    encoder.seen_std.fill_(0.5)
    found = encoder.domain_distance(seen)
    assert found[0] < 1e-5
    torch.testing.assert_close(found[1], 2 * (pooled[1] - pooled[0]).square().mean().sqrt())


# The file


def test_the_file_gives_the_same_encoder_in_half_precision(generator, lpips, tmp_path):
    encoder, target = random_encoder(generator), photos(generator)
    encoder.card["steps"] = 7
    save_encoder(encoder, tmp_path / "e.safetensors")
    loaded = load_encoder(tmp_path / "e.safetensors", generator)
    assert loaded.config == encoder.config and loaded.card == {"steps": 7}
    one, two = (x.code(vgg_features(lpips, target), "w+") for x in (encoder, loaded))
    torch.testing.assert_close(one, two, rtol=0.02, atol=0.02)


def test_an_encoder_of_another_generator_is_refused(tmp_path):
    save_encoder(random_encoder(generator_of("skip")), tmp_path / "e.safetensors")
    with pytest.raises(LatentError, match="another generator"):
        load_encoder(tmp_path / "e.safetensors", generator_of("mobile"))


def damaged(path, tensors=lambda x: x, **header):
    with safe_open(path, "pt") as file:
        old = file.metadata()
    save_file(tensors(load_file(path)), path, {**old, **header})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"zplus": "latent"}, "not an encoder"),
        ({"config": "{}"}, "not a readable encoder"),
        ({"config": "[" * 9999}, "not a readable encoder"),
        ({"card": "x"}, "not a readable encoder"),
        ({"tensors": lambda x: {k: v * torch.inf for k, v in x.items()}}, "not numbers"),
        ({"tensors": lambda x: dict(list(x.items())[1:])}, "not a readable encoder"),
        ({"tensors": lambda x: {k: v[:1].contiguous() if v.ndim else v for k, v in x.items()}}, "not a readable"),
    ],
)
def test_damaged_files_are_refused(damage, words, tmp_path):
    generator, path = generator_of("skip"), tmp_path / "e.safetensors"
    save_encoder(random_encoder(generator), path)
    damaged(path, **damage)
    with pytest.raises(LatentError, match=words):
        load_encoder(path, generator)


@pytest.mark.parametrize("change", [{"channels": 10**9}, {"hidden": 0}, {"side": 4096}, {"forms": ["x"]}, {"layer": 3}])
def test_sizes_that_no_encoder_has_are_refused(change, tmp_path):
    generator, path = generator_of("skip"), tmp_path / "e.safetensors"
    save_encoder(random_encoder(generator), path)
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
    damaged(path, config=json.dumps(config | change))
    with pytest.raises((LatentError, ZplusError)):
        load_encoder(path, generator)


def test_no_file_and_no_encoder(tmp_path, lpips):
    generator = generator_of("skip")
    with pytest.raises(LatentError, match="no file"):
        load_encoder(tmp_path / "none.safetensors", generator)
    with pytest.raises(ZplusError, match="has no encoder"):
        solved(make_space("w+", generator), photos(generator), lpips, preset("e4e"))
    alone = random_encoder(generator, forms=())
    with pytest.raises(ZplusError, match="gives F alone"):
        encoded(alone, lpips, make_space("w+", generator), photos(generator))
    with pytest.raises(ZplusError, match="no codes in z"):
        encoded(random_encoder(generator, forms=("w+",)), lpips, make_space("z+", generator), photos(generator))


def test_an_encoder_of_f_alone_begins_f(lpips):
    generator = generator_of("mobile")
    space, target = make_space("f/w+", generator), photos(generator)
    encoder = random_encoder(generator, forms=())
    settings = preset("bdinvert", steps=1, code_lr=1e-9, feature_lr=1e-9, lpips_size=32)
    latent = solved(space, target, lpips, settings, encoder=encoder)
    torch.testing.assert_close(
        latent.inverted.state.features, encoder.base_code(vgg_features(lpips, target)), rtol=1e-4, atol=1e-4
    )


def test_small_generators_have_no_encoder():
    with pytest.raises(ZplusError, match="needs pictures of 32 px"):
        config_for(tiny_stylegan2(resolution=16))
