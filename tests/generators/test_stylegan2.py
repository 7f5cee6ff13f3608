"""StyleGAN2 against the explicit oracle beside this file, its golden images, and the contract."""

import math
from dataclasses import replace

import numpy as np
import pytest
import stylegan2_oracle as oracle
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from tiny import tiny_stylegan2
from zplus.errors import CheckpointError, UnknownNameError, ZplusError
from zplus.generators.checkpoints.infer import infer_config
from zplus.generators.contract import State, SynthesisInputs
from zplus.generators.resample import downsample, fir_kernel, upsample, upsample_conv
from zplus.generators.stylegan2 import StyleGAN2, StyleGAN2Config

ARCHITECTURES = ("skip", "resnet")
TAPS = ([1, 3, 3, 1], [1, 2, 4, 5], [1, 1], [1, 2, 3], [1, 2, 5, 4, 3, 1])  # no symmetry that could hide a flip


@pytest.fixture(params=ARCHITECTURES)
def generator(request):
    return tiny_stylegan2(architecture=request.param)


def inputs_of(generator: StyleGAN2, n: int = 2, seed: int = 3, noise: str = "const") -> SynthesisInputs:
    z = torch.randn(n, generator.num_codes, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    return SynthesisInputs(generator.styles(generator.map(z)), generator.noise(noise))


def random(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(1).standard_normal(shape)).float()


# Arithmetic


@pytest.mark.parametrize("taps", TAPS)
def test_resampling_is_zero_insertion_and_correlation(taps):
    kernel, x = fir_kernel(taps), random(2, 3, 6, 4)
    for ours, theirs in ((upsample, oracle.enlarge), (downsample, oracle.shrink)):
        expected = np.stack([theirs(row.double().numpy(), kernel.double().numpy()) for row in x])
        assert_close(ours(x, kernel), torch.from_numpy(expected).float())


def test_upsampling_keeps_a_constant_away_from_the_border():
    x = upsample(torch.ones(1, 1, 6, 6), fir_kernel([1, 3, 3, 1]))
    assert_close(x[..., 2:-2, 2:-2], torch.ones(1, 1, 8, 8))


@pytest.mark.parametrize("taps", TAPS)
def test_upsampling_convolution_is_upsampling_then_convolution(taps):
    kernel, x, weight = fir_kernel(taps), random(1, 3, 5, 6), random(4, 3, 3, 3)
    expected = oracle.modulated(x[0].double().numpy(), weight.double().numpy(), np.ones(3), kernel.numpy(), False)
    assert_close(upsample_conv(x, weight, kernel)[0], torch.from_numpy(expected).float())


@pytest.mark.parametrize(("conv", "clamp"), [("conv0", None), ("conv1", None), ("conv1", 0.5)])
def test_convolution_equals_weights_fused_per_sample(conv, clamp):
    generator = tiny_stylegan2(resolution=8, conv_clamp=clamp)
    layer, up = getattr(generator.synthesis["b8"], conv), conv == "conv0"
    x, w = random(2, 4 if not up else 8, *([4, 4] if up else [8, 8])), random(2, 16)
    part = oracle.nest({f"part.{name}": tensor for name, tensor in layer.state_dict().items()})["part"]
    limit = np.inf if clamp is None else clamp
    pairs = zip(x.numpy(), w.numpy(), strict=True)
    expected = [oracle.convolution(a, part, b, up, True, gain=0.7, clamp=limit) for a, b in pairs]
    assert_close(layer(x, layer.affine(w), gain=0.7), torch.from_numpy(np.stack(expected)).float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", oracle.CASES)
def test_images_equal_the_oracle_and_the_golden_file(case):
    generator = tiny_stylegan2(**oracle.CASES[case])
    if generator.config.c_dim:
        generator = generator.with_label(oracle.LABEL)
    w = generator.map(torch.from_numpy(oracle.samples(16, generator.num_codes)).float())
    found = {"w": w}
    for mode in ("const", "none"):
        found[mode] = generator.synthesize(SynthesisInputs(generator.styles(w), generator.noise(mode)))
    golden, explicit = load_file(oracle.GOLDEN), oracle.expected(generator)
    for key, value in found.items():
        assert_close(value, torch.from_numpy(explicit[key]), atol=2e-5, rtol=0)
        assert_close(value, golden[f"{case}.{key}"], atol=2e-5, rtol=0)


# Contract


def test_replaced_layers_make_coarser_codes_inert(generator):
    inputs, other = inputs_of(generator), inputs_of(generator, seed=4)
    for k, layer in enumerate(generator.layers):
        state = generator.head(inputs, k)
        first = next(i for i, name in enumerate(generator.style_names) if name.startswith(layer.name)) + 1
        mixed = other.styles[:first] + inputs.styles[first:]
        if generator.config.architecture == "resnet" or "conv0" in layer.name:
            image = generator.synthesize(replace(inputs, styles=mixed).with_feature(k, state))
            assert_close(image, generator.synthesize(inputs), atol=1e-5, rtol=0)


def test_dropped_rgb_is_an_rgb_of_zeros():
    generator = tiny_stylegan2()
    inputs = inputs_of(generator)
    for k in range(len(generator.layers)):
        features, rgb = generator.head(inputs, k)
        dropped = generator.synthesize(inputs.with_feature(k, State(features, None)))
        zeros = State(features, torch.zeros(2, 3, *features.shape[2:]))
        assert_close(dropped, generator.synthesize(inputs.with_feature(k, zeros)))
        if rgb is not None:
            assert not torch.allclose(dropped, generator.synthesize(inputs))


def test_layers_and_codes_of_the_skip_architecture():
    generator = tiny_stylegan2(resolution=16)
    assert [(x.name, x.resolution, x.channels, x.code) for x in generator.layers] == [
        ("b4.conv1", 4, 8, 0),
        ("b8.conv0", 8, 8, 1),
        ("b8.conv1", 8, 8, 2),
        ("b16.conv0", 16, 4, 3),
        ("b16.conv1", 16, 4, 4),
    ]
    assert generator.style_names[:5] == ("b4.conv1", "b4.torgb", "b8.conv0", "b8.conv1", "b8.torgb")
    assert generator.style_codes == (0, 1, 1, 2, 3, 3, 4, 5)
    assert generator.style_sizes == (8, 8, 8, 8, 8, 8, 4, 4)
    assert generator.num_codes == 6


def test_layers_and_codes_of_the_resnet_architecture():
    generator = tiny_stylegan2(resolution=16, architecture="resnet")
    assert [x.name for x in generator.layers] == ["b4.conv1", "b8.conv1", "b16.conv1"]
    assert generator.style_names == ("b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1", "b16.torgb")
    assert generator.style_codes == (0, 1, 2, 3, 4, 5)
    assert generator.head(inputs_of(generator), 2).rgb is None


def test_w_mean_is_the_buffer_of_the_checkpoint():
    generator = tiny_stylegan2()
    assert generator.w_mean is generator.mapping.w_avg
    assert tiny_stylegan2(w_mean=False).w_mean is None


# Noise


def test_seeded_noise_has_the_strength_that_was_learnt(generator):
    assert [tuple(x.shape) for x in generator.noise("none")] == [(1, 1, s, s) for s in (4, 8, 8, 16, 16, 32, 32)]
    strength = generator.synthesis["b32"].conv1.noise_strength
    assert_close(generator.noise("17")[-1].std(), strength.abs(), rtol=0.1, atol=0)


def test_stored_noise_given_as_maps_is_the_stored_noise(generator):
    inputs = inputs_of(generator)
    parts = [generator.synthesis.get_submodule(name) for name in generator.conv_names]
    maps = tuple((x.noise_const * x.noise_strength)[None, None] for x in parts)
    image = generator.synthesize(inputs)
    assert_close(generator.synthesize(replace(inputs, noise=maps)), image)
    assert not torch.allclose(generator.synthesize(replace(inputs, noise=generator.noise("none"))), image)


# Labels


def test_a_label_is_an_index_or_a_vector():
    generator = tiny_stylegan2(resolution=8, c_dim=3)
    bound, z = generator.with_label(1), random(2, 1, 16)
    assert_close(bound.map(z), generator.with_label([0.0, 1.0, 0.0]).map(z))
    assert not torch.allclose(bound.map(z), generator.with_label(2).map(z))
    assert bound.mapping is generator.mapping
    assert generator.label is None
    assert generator.with_label(True).label.tolist() == [0, 1, 0]  # an int, which as an index would be a mask


def test_a_label_does_not_change_with_the_callers_tensor():
    label = torch.tensor([1.0, 0.0, 0.0])
    bound = tiny_stylegan2(resolution=8, c_dim=3).with_label(label)
    label[0] = 5.0
    assert bound.label.tolist() == [1, 0, 0]


@pytest.mark.parametrize("label", [-1, 3, [1.0, 0.0], torch.zeros(1, 3), [math.nan, 0.0, 1.0]])
def test_a_label_out_of_range_is_refused(label):
    with pytest.raises(ZplusError, match="label"):
        tiny_stylegan2(resolution=8, c_dim=3).with_label(label)


def test_a_label_is_demanded_where_there_are_some():
    with pytest.raises(ZplusError, match="choose one of its 3 labels with --label"):
        tiny_stylegan2(resolution=8, c_dim=3).map(random(1, 1, 16))


# Checkpoints


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"architecture": "resnet"},
        {"resolution": 8, "c_dim": 3, "z_dim": 12, "w_dim": 20, "mapping_layers": 5},
        {"resolution": 16, "channels": 6, "w_mean": False, "taps": (0.25, 0.25, 0.25, 0.25)},
    ],
)
def test_infer_config_round_trip(sizes):
    generator = tiny_stylegan2(**sizes)
    config = infer_config(generator.state_dict())
    assert config == generator.config
    StyleGAN2(config).load_state_dict(generator.state_dict())


def test_what_shapes_cannot_tell_is_an_argument():
    config = infer_config(tiny_stylegan2(resolution=8).state_dict(), mapping_lr=0.1, conv_clamp=256.0)
    assert (config.mapping_lr, config.conv_clamp) == (0.1, 256.0)


@pytest.mark.parametrize(
    "name",
    [
        "mapping.fc0.weight",
        "mapping.fc0.bias",
        "synthesis.b4.const",
        "synthesis.b4.resample_filter",
        "synthesis.b8.conv1.weight",
        "synthesis.b8.torgb.affine.weight",
        "synthesis.b16.conv0.noise_const",
    ],
)
def test_a_missing_tensor_is_named(name):
    tensors = tiny_stylegan2(resolution=16).state_dict()
    del tensors[name]
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        infer_config(tensors)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mapping.fc0.weight", (16,)),
        ("mapping.w_avg", (3,)),
        ("synthesis.b4.stray", (1,)),
        ("synthesis.b8.conv0.weight", (8, 8, 5, 5)),
        ("synthesis.b99999.conv1.weight", (4, 4, 3, 3)),
    ],
)
def test_a_tensor_of_a_wrong_shape_or_place_is_named(name, shape):
    tensors = {**tiny_stylegan2(resolution=16).state_dict(), name: torch.zeros(shape)}
    with pytest.raises(CheckpointError, match=r"mapping\.|synthesis\.|99999 px"):
        infer_config(tensors)


def test_nothing_at_all_is_no_generator():
    with pytest.raises(CheckpointError, match=r"mapping\.fc0\.weight is missing"):
        infer_config({})


def test_a_configuration_of_nonsense_is_refused():
    config = tiny_stylegan2(resolution=8, taps=[1, 1]).config
    assert list(StyleGAN2Config().channels.values()) == [512, 512, 512, 512, 512, 256, 128, 64, 32]
    with pytest.raises(ZplusError, match="Channels"):
        StyleGAN2Config(resolution=16, channels={4: 8, 16: 8})
    with pytest.raises(UnknownNameError, match="resnet"):
        replace(config, architecture="resne")
    for taps in ((1,), (1,) * 17):
        with pytest.raises(ZplusError, match="2 to 16 taps"):
            replace(config, taps=taps)
