"""One harness that every architecture passes. A new one is a line in ARCHITECTURES and one in TINY (tests/tiny.py)."""

import json
from dataclasses import asdict

import pytest
import torch
from torch.testing import assert_close

from points import generator_of, normal
from tiny import TINY
from zplus.errors import UnknownNameError, ZplusError
from zplus.generators import Generator, SynthesisInputs, save_generator
from zplus.generators.store import ARCHITECTURES, read_generator


@pytest.fixture(params=TINY)
def tiny(request):
    return request.param


@pytest.fixture
def generator(tiny):
    return generator_of(tiny)


def inputs_of(generator: Generator, n: int = 2, seed: int = 3, noise: str = "const") -> SynthesisInputs:
    z = normal(n, generator.num_codes, generator.z_dim, seed=seed)
    return SynthesisInputs(generator.styles(generator.map(z)), generator.noise(noise))


def test_every_architecture_is_tested():
    assert {make().architecture for make in TINY.values()} == set(ARCHITECTURES)
    assert all(network.architecture == name for name, (network, _) in ARCHITECTURES.items())


# Shapes and stages


def test_shapes(generator):
    inputs = inputs_of(generator)
    assert [tuple(x.shape) for x in inputs.styles] == [(2, count) for count in generator.style_sizes]
    assert len(generator.style_codes) == len(generator.style_sizes)
    assert sorted(set(generator.style_codes)) == list(range(generator.num_codes))
    assert generator.synthesize(inputs).shape == (2, 3, generator.resolution, generator.resolution)


def test_the_state_after_a_layer_is_the_whole_state(generator):
    inputs = inputs_of(generator)
    image = generator.synthesize(inputs)
    for k, layer in enumerate(generator.layers):
        state = generator.head(inputs, k)
        assert state.features.shape == (2, layer.channels, layer.side, layer.side)
        assert_close(generator.synthesize(inputs.with_feature(k, state)), image, atol=1e-5, rtol=0)


def test_layers_by_name_and_by_resolution(generator):
    for k, layer in enumerate(generator.layers):
        assert generator.layer(layer.name) == k
        last = [x for x in generator.layers if x.resolution == layer.resolution][-1]
        assert generator.layers[generator.layer(str(layer.resolution))] is last
    with pytest.raises(UnknownNameError, match="layer"):
        generator.layer("31")


def test_rows_do_not_depend_on_their_company(generator):
    inputs = inputs_of(generator, n=3)
    alone = SynthesisInputs(tuple(s[1:2] for s in inputs.styles))
    assert_close(generator.synthesize(inputs)[1:2], generator.synthesize(alone), atol=1e-5, rtol=0)


def test_map_goes_code_by_code_and_ignores_the_length_of_z(generator):
    z = normal(2, 3, generator.z_dim)
    w = generator.map(z)
    assert w.shape == (2, 3, generator.w_dim)
    assert_close(generator.map(z[:1, 1:2]), w[:1, 1:2])
    assert_close(generator.map(5 * z), w)


def test_styles_refuse_another_number_of_codes(generator):
    for codes in (generator.num_codes - 1, generator.num_codes + 1):
        with pytest.raises(ZplusError, match=rf"\(2, {codes}, 16\), expected \[N, {generator.num_codes}, 16\]"):
            generator.styles(torch.zeros(2, codes, generator.w_dim))


def test_a_photo_can_reach_every_input(generator):
    z = normal(1, generator.num_codes, generator.z_dim).requires_grad_()
    generator.synthesize(SynthesisInputs(generator.styles(generator.map(z)))).square().sum().backward()
    assert (z.grad.abs().sum(-1) > 0).all()


# Noise and labels


def test_noise_modes(generator):
    assert generator.noise("const") is None
    none, seeded = generator.noise("none"), generator.noise("17")
    assert [x.shape for x in none] == [x.shape for x in seeded]
    assert all(x.shape[:2] == (1, 1) and not x.any() for x in none)
    assert all(torch.equal(a, b) for a, b in zip(seeded, generator.noise("17"), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(seeded, generator.noise("18"), strict=True))
    for mode in ("loud", "", "-1", "9" * 30):
        with pytest.raises(ZplusError, match="noise mode"):
            generator.noise(mode)


def test_every_noise_mode_gives_an_image_of_its_own_where_there_is_noise(generator):
    images = [generator.synthesize(inputs_of(generator, noise=mode)) for mode in ("const", "none", "5", "6")]
    noisy = generator.architecture != "stylegan3"
    assert noisy == bool(generator.noise("none"))
    for i, image in enumerate(images):
        assert image.isfinite().all()
        assert all(torch.allclose(image, other) != noisy for other in images[:i])


def test_a_label_is_refused_where_there_are_none(generator):
    for label in (0, [1.0], torch.ones(1)):
        with pytest.raises(ZplusError, match="takes no label"):
            generator.with_label(label)


# The file and the fingerprint


@pytest.mark.parametrize("half", [False, True])
def test_what_was_saved_is_read(tiny, half, tmp_path):
    generator = TINY[tiny](3)
    if half:
        generator.load_state_dict({name: x.half() for name, x in generator.state_dict().items()})
    save_generator(generator, tmp_path / "g.safetensors", half)
    found = read_generator(tmp_path / "g.safetensors")
    assert (found.fingerprint, found.mapping_fingerprint) == (generator.fingerprint, generator.mapping_fingerprint)
    assert (found.config, found.name, found.layers) == (generator.config, generator.name, generator.layers)
    assert {x.dtype for x in found.state_dict().values()} == {torch.float32}
    assert not found.training
    assert not any(x.requires_grad for x in found.parameters())
    assert torch.equal(found.synthesize(inputs_of(found)), generator.synthesize(inputs_of(generator)))


def test_the_configuration_survives_json_and_absurd_sizes_are_refused(generator):
    sizes, config = ARCHITECTURES[generator.architecture][1], generator.config
    fields = json.loads(json.dumps(asdict(config)))
    assert sizes.from_json(fields) == config
    for change in ({"mapping_layers": 65}, {"mapping_layers": -1}, {"resolution": 1 << 40}, {"w_dim": 10**9}):
        with pytest.raises((ZplusError, ValueError)):
            sizes.from_json(fields | change)
    by_layer = isinstance(fields["channels"], list)
    wrong = fields["channels"] + [0] if by_layer else {**fields["channels"], "64": 8}
    for channels in ({}, {"4": 8}, {"a": 8}, wrong):
        with pytest.raises((ZplusError, ValueError)):
            sizes.from_json(fields | {"channels": channels})


def test_a_fingerprint_names_the_weights_alone(tiny):
    generator, other, changed = TINY[tiny](5), TINY[tiny](5), TINY[tiny](5)
    other.name = "another name"
    assert other.fingerprint == generator.fingerprint != TINY[tiny](6).fingerprint
    assert TINY[tiny](5).to(memory_format=torch.channels_last).fingerprint == generator.fingerprint
    last = list(changed.parameters())[-1]
    last.view(-1)[0] += 1e-3
    assert changed.fingerprint != generator.fingerprint
    assert changed.mapping_fingerprint == generator.mapping_fingerprint
