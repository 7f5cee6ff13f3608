"""Generators for other programs: a reader rebuilt from the facts of each format finds exact names and shapes."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from tiny import tiny_mobile, tiny_stylegan2
from zplus.errors import ZplusError
from zplus.generators import SynthesisInputs
from zplus.generators.checkpoints.export import write_state_dict
from zplus.generators.checkpoints.read import read_checkpoint

C, LAST, W = 8, 4, 16  # channels up to 16 px and at 32 px, width of a code


def widths():
    """(side, channels before, channels) of the blocks that enlarge."""
    return [(8, C, C), (16, C, C), (32, C, LAST)]


def rosinality_names():
    """Names and shapes of rosinality's generator at 32 px."""

    def modulated(path, c_in, c_out, kernel):
        return {
            f"{path}.conv.weight": (1, c_out, c_in, kernel, kernel),
            f"{path}.conv.modulation.weight": (c_in, W),
            f"{path}.conv.modulation.bias": (c_in,),
        }

    def styled(path, c_in, c_out):
        return modulated(path, c_in, c_out, 3) | {f"{path}.noise.weight": (1,), f"{path}.activate.bias": (c_out,)}

    def rgb(path, c_in):
        return modulated(path, c_in, 3, 1) | {f"{path}.bias": (1, 3, 1, 1)}

    found = {f"style.{i}.weight": (W, W) for i in (1, 2)} | {f"style.{i}.bias": (W,) for i in (1, 2)}
    found |= {"input.input": (1, C, 4, 4)} | styled("conv1", C, C) | rgb("to_rgb1", C)
    for i, (_, c_in, c_out) in enumerate(widths()):
        found |= styled(f"convs.{2 * i}", c_in, c_out) | styled(f"convs.{2 * i + 1}", c_out, c_out)
        found |= {f"convs.{2 * i}.conv.blur.kernel": (4, 4), f"to_rgbs.{i}.upsample.kernel": (4, 4)}
        found |= rgb(f"to_rgbs.{i}", c_out)
    return found | {f"noises.noise_{k}": (1, 1, side, side) for k, side in enumerate((4, 8, 8, 16, 16, 32, 32))}


def genforce_names():
    """Names and shapes of genforce's generator at 32 px."""
    found = {f"mapping.dense{i}.{x}": s for i in (0, 1) for x, s in (("weight", (W, W)), ("bias", (W,)))}
    found |= {"truncation.w_avg": (W,), "synthesis.early_layer.const": (1, C, 4, 4)}
    found |= {"synthesis.upsample.kernel": (1, 1, 4, 4)}
    layers = [(4, C, C), *(x for side, a, b in widths() for x in ((side, a, b), (side, b, b)))]
    for k, (side, c_in, c_out) in enumerate(layers):
        found |= {f"synthesis.layer{k}.filter.kernel": (1, 1, 4, 4)} if k % 2 else {}
        parts = {"weight": (c_out, c_in, 3, 3), "bias": (c_out,), "noise": (1, 1, side, side), "noise_strength": ()}
        parts |= {"style.weight": (c_in, W), "style.bias": (c_in,)}
        found |= {f"synthesis.layer{k}.{name}": shape for name, shape in parts.items()}
    for k, count in enumerate((C, C, C, LAST)):
        parts = {"weight": (3, count, 1, 1), "bias": (3,), "style.weight": (count, W), "style.bias": (count,)}
        found |= {f"synthesis.output{k}.{name}": shape for name, shape in parts.items()}
    return found


def rosinality_image(t, w):
    """The picture of w [1, W], computed as that program does: weights of the sample's own, RGB summed upwards."""

    def modulated(path, x, demodulate):
        weight = t[f"{path}.conv.weight"][0]
        style = w @ t[f"{path}.conv.modulation.weight"].T / math.sqrt(W) + t[f"{path}.conv.modulation.bias"]
        weight = weight / math.sqrt(weight[0].numel()) * style[0][:, None, None]
        return weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt() if demodulate else weight

    def blur(x, kernel, pad):
        return F.conv2d(F.pad(x, pad).transpose(0, 1), kernel.flip((0, 1))[None, None]).transpose(0, 1)

    def styled(path, x, noise):
        weight, kernel = modulated(path, x, True), t.get(f"{path}.conv.blur.kernel")
        if kernel is None:
            x = F.conv2d(x, weight, padding=1)
        else:
            x = blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), kernel, (1, 1, 1, 1))
        x = x + t[f"{path}.noise.weight"] * t[f"noises.noise_{noise}"] + t[f"{path}.activate.bias"][:, None, None]
        return F.leaky_relu(x, 0.2) * 2**0.5

    def rgb(path, x, skip):
        new = F.conv2d(x, modulated(path, x, False)) + t[f"{path}.bias"]
        if skip is None:
            return new
        side = skip.shape[-1]
        spread = F.pad(skip.view(1, 3, side, 1, side, 1), (0, 1, 0, 0, 0, 1)).view(1, 3, 2 * side, 2 * side)
        return new + blur(spread, t[f"{path}.upsample.kernel"], (2, 1, 2, 1))

    x = styled("conv1", t["input.input"], 0)
    image = rgb("to_rgb1", x, None)
    for i in range(3):
        x = styled(f"convs.{2 * i}", x, 2 * i + 1)
        x = styled(f"convs.{2 * i + 1}", x, 2 * i + 2)
        image = rgb(f"to_rgbs.{i}", x, image)
    return image


def written(tmp_path, kind, generator, suffix=".pt"):
    path = tmp_path / f"a{suffix}"
    write_state_dict(generator, path, kind)
    return path


@pytest.mark.parametrize(
    ("kind", "key", "names"),
    [("rosinality", "g_ema", rosinality_names), ("genforce", "generator_smooth", genforce_names)],
)
def test_names_and_shapes_are_those_of_the_program(tmp_path, kind, key, names):
    tree = torch.load(written(tmp_path, kind, tiny_stylegan2()), weights_only=True)
    assert {name: tuple(x.shape) for name, x in tree[key].items()} == names()


def test_a_rebuilt_rosinality_shows_the_same_picture(tmp_path):
    generator = tiny_stylegan2(mapping_lr=0.1)
    tree = torch.load(written(tmp_path, "rosinality", generator), weights_only=True)
    z = torch.randn(1, 1, W, generator=torch.Generator().manual_seed(0))
    w = z[0] * (z[0].square().mean() + 1e-8).rsqrt()
    for i in (1, 2):
        weight, bias = (tree["g_ema"][f"style.{i}.{x}"] * 0.01 for x in ("weight", "bias"))
        w = F.leaky_relu(w @ weight.T / math.sqrt(W) + bias, 0.2) * 2**0.5
    codes = generator.map(z).expand(-1, generator.num_codes, -1)
    assert_close(w, codes[:, 0], atol=1e-4, rtol=1e-4)
    image = generator.synthesize(SynthesisInputs(generator.styles(codes)))
    assert_close(rosinality_image(tree["g_ema"], codes[:, 0]), image, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["rosinality", "genforce", "nvidia"])
def test_what_was_written_is_read_again(tmp_path, kind):
    generator = tiny_stylegan2()
    found, notes = read_checkpoint(written(tmp_path, kind, generator))
    assert (found.config, notes) == (generator.config, [])
    for name, tensor in generator.state_dict().items():
        assert_close(found.state_dict()[name], tensor, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("options", [{"c_dim": 3}, {"architecture": "resnet"}])
def test_nvidias_names_hold_labels_and_residual_networks(tmp_path, options):
    generator = tiny_stylegan2(**options)
    path = written(tmp_path, "nvidia", generator, ".safetensors")
    assert read_checkpoint(path)[0].fingerprint == generator.fingerprint


@pytest.mark.parametrize(
    ("kind", "generator", "words"),
    [
        ("rosinality", lambda: tiny_stylegan2(c_dim=3), "has no labels"),
        ("genforce", lambda: tiny_stylegan2(architecture="resnet"), "has skip alone"),
        ("nvidia", tiny_mobile, "holds StyleGAN2 alone"),
        ("nvidia", lambda: tiny_stylegan2().tuned({}), "tuned to one photo"),
        ("pickle", tiny_stylegan2, "Unknown format"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, kind, generator, words):
    with pytest.raises(ZplusError, match=words):
        written(tmp_path, kind, generator())
    assert not list(tmp_path.iterdir())
