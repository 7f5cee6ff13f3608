"""StyleGAN3, T and R, against the explicit oracle beside this file; its operations, transform, files and contract."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import stylegan3_oracle as oracle
import torch
from scipy import signal
from stylegan2_oracle import map_code, nest, samples
from torch.nn import functional as F
from torch.testing import assert_close

from checkpoint_files import nvidia_torch, write
from tiny import tiny_stylegan3
from zplus.errors import CheckpointError, ZplusError
from zplus.generators import SynthesisInputs, load_generator
from zplus.generators.checkpoints.read import read_checkpoint
from zplus.generators.contract import State
from zplus.generators.filtered import WHOLE, FilteredLeakyReLU, Resampling
from zplus.generators.filters import lowpass, radial_lowpass
from zplus.generators.stylegan3 import Sampling, StyleGAN3, StyleGAN3Config, SynthesisLayer, samplings
from zplus.generators.transform import read_transform, transform_of
from zplus.generators.winograd import MIN_CHANNELS, MIN_SIDE, convolution
from zplus.latent import Decoding, Point, load_latent, save_latent
from zplus.spaces import latent_of, make_space, render

CASES = {
    "t": {},
    "r": {"r": True},
    "conditional": {"resolution": 64, "c_dim": 3, "channels": (6, 6, 6, 5, 5, 4, 4, 3)},
    "smallest": {"resolution": 16, "channels": (5, 4, 3)},
}
LABEL = 2


@pytest.fixture(params=CASES)
def generator(request):
    made = tiny_stylegan3(**CASES[request.param])
    return made.with_label(LABEL) if made.config.c_dim else made


def codes_of(generator) -> torch.Tensor:
    return generator.map(torch.from_numpy(samples(16, generator.num_codes)).float())


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape)).float()


# Arithmetic


def test_w_is_that_of_the_oracle(generator):
    mapping = nest(generator.state_dict())["mapping"]
    label = np.eye(3)[LABEL] if generator.label is not None else None
    z = samples(16, generator.num_codes)
    expected = np.stack([[map_code(mapping, row, label) for row in rows] for rows in z])
    assert_close(codes_of(generator), torch.from_numpy(expected).float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("moved", [False, True])
def test_every_state_and_the_image_are_those_of_the_oracle(generator, moved):
    transform = transform_of(25, 0.1, -0.2) if moved else torch.eye(3)
    shown = generator.with_transform(transform) if moved else generator
    tree, w = nest(generator.state_dict())["synthesis"], codes_of(generator)
    inputs = SynthesisInputs(generator.styles(w))
    found = [shown.initial(inputs), *(shown.head(inputs, k) for k in range(len(generator.layers)))]
    images = [*(state.features for state in found), shown.synthesize(inputs)]
    for i, row in enumerate(w.double().numpy()):
        wanted = oracle.states(tree, row, generator.resolution, generator.config.radial, transform.double().numpy())
        assert len(wanted) == len(images)
        for got, expected in zip(images, wanted, strict=True):
            assert_close(got[i], torch.from_numpy(expected).float(), atol=2e-5, rtol=1e-5)


def test_layers_are_named_by_their_canvas_and_their_sampling_rate():
    generator = StyleGAN3(StyleGAN3Config())  # the public sizes of T at 1024 px
    assert generator.layers[5] == ("L5_148_512", 128, 512, 6, 10)
    assert [x.name for x in generator.layers[-3:]] == ["L11_1044_51", "L12_1044_32", "L13_1024_32"]
    assert [x.side for x in generator.layers[-3:]] == [1044, 1044, 1024]
    assert generator.rgb_name == "L14_1024_3"
    assert generator.num_codes == 16
    assert generator.style_sizes[:2] == (4, 512)


def test_filters_are_those_of_their_design():
    for rate, cutoff, width, taps in ((32, 2.0, 6.0, 12), (64, 5.3, 10.7, 24), (512, 128.0, 5.0, 12)):
        assert_close(
            lowpass(taps, cutoff, width, rate), oracle.separable(taps, cutoff, width, rate), atol=1e-12, rtol=0
        )
        plane = radial_lowpass(taps, cutoff, width, rate)
        assert_close(plane, oracle.radial(taps, cutoff, width, rate), atol=1e-12, rtol=0)


@pytest.mark.parametrize("n_in", [14, 38, WHOLE, WHOLE + 1, 150])
@pytest.mark.parametrize(("up", "down", "taps", "low"), [(2, 1, 12, 11), (4, 1, 24, 22), (1, 2, 12, 0), (2, 1, 12, -9)])
def test_resampling_is_zeros_correlation_and_slicing(n_in, up, down, taps, low):
    """The whole matrix and its blocks, against a full correlation; filters have no symmetry that could hide a flip."""
    line, other = np.random.RandomState(0).standard_normal((2, taps))
    n_out = (n_in * up + low - taps + 1 + (3 if low > 0 else 0)) // down
    layer = Resampling(np.stack([line, other]), n_in, n_out, up, down, low, (2, 1))
    x = random(2, n_in, n_in, 3)
    spread = np.zeros((2, n_in * up, n_in * up, 3))
    spread[:, ::up, ::up] = x.numpy()
    high = max(0, n_out * down + taps - n_in * up - low)
    full = oracle.padded(spread.transpose(0, 3, 1, 2).reshape(6, n_in * up, -1), low, high)
    wanted = np.stack([signal.correlate(row, np.outer(other, line), mode="valid", method="fft") for row in full])
    wanted = wanted[:, : n_out * down : down, : n_out * down : down].reshape(2, 3, n_out, n_out).transpose(0, 2, 3, 1)
    assert_close(layer(x), torch.from_numpy(wanted).float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("clamp", [0.5, 256.0])
@pytest.mark.parametrize(
    ("n_in", "n_out", "factors"), [(20, 18, (2, 2)), (104, 102, (2, 2)), (38, 52, (4, 2)), (70, 48, (2, 2))]
)
def test_filtered_activation_equals_the_oracle(n_in, n_out, factors, clamp):
    up, down = factors
    lines = lowpass(6 * up, 4.0, 4.0, 32 * up), radial_lowpass(6 * down, 5.0, 3.0, 32 * down)
    layer = FilteredLeakyReLU(*lines, n_in, n_out, factors, clamp)
    x = random(1, 2, n_in, n_in)
    wanted = oracle.resampled(x[0].double().numpy(), *lines, factors, n_out, clamp)
    assert_close(layer(x)[0], torch.from_numpy(wanted).float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("side", "padding"), [(MIN_SIDE, 2), (MIN_SIDE + 5, 0), (MIN_SIDE + 2, 1), (MIN_SIDE - 1, 2)])
def test_winograds_convolution_is_a_convolution_with_its_gradients(side, padding):
    """Exact in float64 but for rounding; maps that are too small take the direct way."""
    x = random(2, MIN_CHANNELS, side, side - 1).double().requires_grad_()
    weight = random(MIN_CHANNELS + 1, MIN_CHANNELS, 3, 3, seed=2).double().requires_grad_()
    found, wanted = convolution(x, weight, padding), F.conv2d(x, weight, padding=padding)
    assert_close(found, wanted, atol=1e-9, rtol=1e-9)
    push = random(*wanted.shape, seed=3).double()
    ours, theirs = (torch.autograd.grad((y * push).sum(), (x, weight)) for y in (found, wanted))
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other, atol=1e-8, rtol=1e-8)


# Gradients


@pytest.mark.parametrize("n_in", [7, WHOLE + 5])
def test_resampling_has_the_gradient_of_finite_differences(n_in):
    parts = np.random.RandomState(3).standard_normal((2, 12))
    n_out = 2 * n_in - 3
    layer = Resampling(parts, n_in, n_out, 2, 1, 8, (2, 1)).double()
    x = random(1, n_in, n_in, 1).double().requires_grad_()
    weight, step = random(1, n_out, n_out, 1).double(), random(1, n_in, n_in, 1, seed=2).double()
    (slope,) = torch.autograd.grad((layer(x) * weight).sum(), x)
    assert_close((slope * step).sum(), (layer(step) * weight).sum())  # it is linear
    if n_in < 10:
        assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("r", [False, True])
def test_the_image_has_the_gradients_of_finite_differences(r):
    generator = tiny_stylegan3(r=r, resolution=16, channels=(4, 3, 3)).double()
    z = random(1, generator.num_codes, 16).double().requires_grad_()
    features = generator.head(SynthesisInputs(generator.styles(generator.map(z))), 0).features.detach()
    weight, ways = random(1, 3, 16, 16).double(), [random(*x.shape, seed=4).double() for x in (z, features)]

    def value(z, features):
        inputs = SynthesisInputs(generator.styles(generator.map(z)))
        return (
            (generator.synthesize(inputs) + generator.synthesize(inputs.with_feature(0, State(features)))) * weight
        ).sum()

    slopes = torch.autograd.grad(value(z, free := features.clone().requires_grad_()), (z, free))
    for k, (slope, way) in enumerate(zip(slopes, ways, strict=True)):
        ends = [[x + sign * 1e-6 * way if i == k else x for i, x in enumerate((z, features))] for sign in (1, -1)]
        difference = (value(*ends[0]) - value(*ends[1])) / 2e-6
        assert_close((slope * way).sum(), difference.detach(), rtol=1e-5, atol=1e-6)


# Transform


def test_a_transform_turns_and_moves_the_image():
    """Of configuration R, whose filters are alike in all directions, by a quarter turn; T only nearly so."""
    found = {}
    for r in (False, True):
        generator = tiny_stylegan3(r=r)
        inputs = SynthesisInputs(generator.styles(codes_of(generator)))
        image = generator.synthesize(inputs)
        turned = generator.with_transform(transform_of(90)).synthesize(inputs)
        found[r] = (turned - image.rot90(1, (2, 3))).abs().max() / image.std()
        moved = generator.with_transform(transform_of(0, 0.25, -0.125)).synthesize(inputs)
        gap = (moved[..., :-8, 12:] - image[..., 4:-4, 4:-8]).abs().mean()
        assert gap < 0.15 * (image[..., :-8, 12:] - image[..., 4:-4, 4:-8]).abs().mean()
    assert found[True] < 1e-4
    assert found[False] > 0.1


def test_a_transform_is_shared_by_no_other_and_keeps_the_fingerprints():
    generator = tiny_stylegan3()
    moved = generator.with_transform(transform_of(10).flatten().tolist())
    assert generator.transform is None
    assert moved.synthesis is generator.synthesis
    assert (moved.fingerprint, moved.mapping_fingerprint) == (generator.fingerprint, generator.mapping_fingerprint)
    assert_close(moved.transform @ torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 1.0]))


def test_a_latent_keeps_the_transform(tmp_path):
    """From a space of the moved generator or from a decoding; it is drawn on the generator as it is."""
    generator, transform = tiny_stylegan3(), transform_of(20, 0.1, 0)
    moved = generator.with_transform(transform)
    code = make_space("z+", generator).sample(2)
    spaces = (
        make_space("z+", moved),
        make_space("z+", generator, decoding=Decoding(transform=tuple(transform.flatten().tolist()))),
    )
    for k, space in enumerate(spaces):
        save_latent(latent_of(space, Point(code)), tmp_path / f"{k}.safetensors")
        latent = load_latent(tmp_path / f"{k}.safetensors")
        image = render(generator, latent)
        assert_close(image, moved.synthesize(space.decode(code)).clamp(-1, 1), atol=1e-6, rtol=0)
        assert (image - render(generator, replace(latent, decoding=Decoding()))).abs().max() > 0.1
    save_latent(latent_of(make_space("z+", generator), Point(code)), tmp_path / "plain.safetensors")
    assert b"transform" not in (tmp_path / "plain.safetensors").read_bytes()


@pytest.mark.parametrize("text", ["", "a", "1,2", "1,2,3,4", "nan", "1,inf,0", "0,0,0,0,0,0,0,0,1"])
def test_a_text_that_is_no_transform_is_refused(text):
    with pytest.raises(ZplusError, match="transform"):
        read_transform(text)


def test_a_transform_is_read_from_its_text():
    assert_close(read_transform("30"), transform_of(30))
    assert_close(read_transform("30,0.1,-0.2"), transform_of(30, 0.1, -0.2))
    assert_close(read_transform("1,0,0.5,0,1,0,0,0,1")[0], torch.tensor([1.0, 0.0, 0.5]))


@pytest.mark.parametrize(
    "values",
    ["a", [1, 2, 3], [[1, 0], [0, 1]], [1.0] * 9, [0.0] * 6 + [0, 0, 1], [float("nan")] + [0.0] * 7 + [1.0],
     [1, 0, 0, 0, 1, 0, 0, 1, 1], [1e-9, 0, 0, 0, 1, 0, 0, 0, 1], None, torch.eye(4)],
)  # fmt: skip
def test_a_transform_that_is_no_matrix_is_refused(values):
    with pytest.raises(ZplusError, match=r"A transform (is a matrix of 3 x 3 numbers|must be invertible)"):
        tiny_stylegan3(resolution=16, channels=(4, 3, 3)).with_transform(values)


def test_other_generators_and_other_numbers_cannot_be_moved():
    with pytest.raises(ZplusError, match="must be finite"):
        transform_of(float("inf"))
    from tiny import tiny_mobile  # noqa: PLC0415

    with pytest.raises(ZplusError, match="only a StyleGAN3 takes a transform"):
        tiny_mobile().with_transform(torch.eye(3))


# Files


@pytest.mark.parametrize("kind", ["nvidia_torch", "plain"])
def test_a_checkpoint_is_the_generator_that_it_was_written_from(kind, generator, tmp_path):
    read, notes = read_checkpoint(write(tmp_path / "model.pkl", kind, generator))
    assert notes == []
    assert read.config == generator.config
    assert read.name == "model"
    for name, x in generator.state_dict().items():
        assert_close(read.state_dict()[name], x, atol=0, rtol=0)
    bound = load_generator(tmp_path / "model.pkl", label=LABEL if generator.config.c_dim else None)
    inputs = SynthesisInputs(generator.styles(codes_of(generator)))
    assert_close(bound.synthesize(inputs), generator.synthesize(inputs), atol=1e-5, rtol=0)


def test_weights_in_half_precision_are_read(tmp_path):
    written = tiny_stylegan3()
    torch.save({name: x.half() for name, x in written.state_dict().items()}, tmp_path / "a.pt")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    assert read_checkpoint(tmp_path / "a.pt")[0].config == written.config
    assert torch.equal(torch.rand(3), expected)  # reading draws no random numbers


@pytest.mark.parametrize("name", ["L2_52_8.up_filter", "L0_36_8.down_filter"])
def test_filters_that_do_not_belong_to_the_sizes_are_refused(name, tmp_path):
    for r in (False, True):
        tensors = tiny_stylegan3(r=r, channels=(8, 8, 8, 8, 6, 4)).state_dict()
        taps = tensors[f"synthesis.{name}"]
        tensors[f"synthesis.{name}"] = taps.roll(1, 0)
        torch.save(tensors, tmp_path / "a.pt")
        with pytest.raises(
            CheckpointError, match=rf"filter synthesis\.{name} does not belong to a StyleGAN3 of 32 px and 6 l"
        ):
            read_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("synthesis.L3_52_8.bias"), r"synthesis\.L3_52_8\.bias is missing"),
        (lambda t: t.pop("synthesis.L3_52_8.weight"), "layers L0, L1 ... are not complete"),
        (lambda t: t.pop("synthesis.input.phases"), r"synthesis\.input\.phases is missing"),
        (lambda t: t.pop("mapping.fc0.weight"), r"mapping\.fc0\.weight is missing"),
        (lambda t: t.update({"synthesis.stray": torch.zeros(1)}), r"synthesis\.stray is \(1,\), expected none"),
        (lambda t: t.update({"synthesis.L3_52_8.up_filter": torch.zeros(24)}), "up_filter is"),
        (lambda t: t.update({"synthesis.L9_9999_9.weight": torch.zeros(1)}), "not complete"),
        (lambda t: t.update({"synthesis.L7_2048_3.weight": torch.zeros(1)}), "has 16 to 1024 px"),
        (lambda t: t.update({"mapping.embed_proj.weight": torch.zeros(1)}), "This is a StyleGAN-XL"),
        (lambda t: t.update({"mapping.w_avg": torch.zeros(3, 16)}), "This is a StyleGAN-XL"),
    ],
)
def test_tensors_of_other_networks_are_named(change, words, tmp_path):
    tensors = tiny_stylegan3().state_dict()
    change(tensors)
    torch.save(tensors, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "setting", [{"num_critical": 3}, {"conv_clamp": None}, {"output_scale": 1.0}, {"margin_size": 0}]
)
def test_other_settings_are_named(setting, tmp_path):
    (tmp_path / "a.pkl").write_bytes(nvidia_torch(tiny_stylegan3(), **setting))
    with pytest.raises(CheckpointError, match=f"A StyleGAN3 with {next(iter(setting))} = .* is not supported"):
        read_checkpoint(tmp_path / "a.pkl")


@pytest.mark.parametrize("names", [["MainLayers.0.Layers.0.Basis"], ["Model.MainLayers.0.Layers.0.Basis"]])
def test_an_r3gan_is_named(names, tmp_path):
    torch.save(dict.fromkeys(names, torch.ones(1)), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="R3GAN, whose z goes straight into its first layer"):
        read_checkpoint(tmp_path / "a.pt")


# Sizes


@pytest.mark.parametrize(
    "change",
    [{"resolution": 8}, {"resolution": 2048}, {"channels": (8, 8)}, {"channels": (8,) * 41}, {"channels": (8, 0, 8)},
     {"kernel": 5}, {"mapping_lr": 0.0}, {"c_dim": -1}],
)  # fmt: skip
def test_a_configuration_of_nonsense_is_refused(change):
    with pytest.raises(ZplusError):
        replace(tiny_stylegan3().config, **change)


def test_the_configuration_is_plain_json():
    config = tiny_stylegan3().config
    assert StyleGAN3Config.from_json(json.loads(json.dumps(asdict(config)))) == config


def test_samplings_grow_to_that_of_the_image():
    for resolution, layers in ((16, 3), (256, 14), (1024, 14)):
        found = samplings(resolution, layers)
        assert len(found) == layers + 1
        assert found[0].cutoff == 2
        assert found[-1].cutoff == resolution / 2
        assert [x.side for x in found[-2:]] == [resolution] * 2
        cutoff, half, rate, side = oracle.plan(resolution, layers)
        assert found == [Sampling(*map(pytest.approx, row)) for row in zip(cutoff, half, rate, side, strict=True)]


def test_a_layer_of_a_large_canvas_is_that_of_the_oracle():
    """Blocks instead of whole matrices, in a layer that crops its margin."""
    config = StyleGAN3Config(128, 16, 16, channels=(4,) * 6)
    sampled = samplings(128, 6)
    layer = SynthesisLayer((2, 3), (sampled[4], sampled[5]), config, radial=False).requires_grad_(False)
    assert sampled[4].side == 148
    x, style = random(1, 2, 148, 148), 1 + 0.1 * random(1, 2)
    part = {name: tensor.double().numpy() for name, tensor in layer.state_dict().items() if "affine" not in name}
    wanted = oracle.modulated(x[0].double().numpy(), part, style[0].double().numpy(), True)
    taps = [oracle.separable(12, sampled[k].cutoff, sampled[k].half_width, 256) for k in (4, 5)]
    wanted = oracle.resampled(wanted, *taps, (2, 2), 128)
    assert_close(layer(x, style)[0], torch.from_numpy(wanted).float(), atol=1e-5, rtol=1e-5)
