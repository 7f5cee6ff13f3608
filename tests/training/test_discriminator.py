"""The discriminator against a slow reference in float64, its file, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from zplus.errors import CheckpointError
from zplus.generators.resample import downsample, fir_kernel
from zplus.training.discriminator import Discriminator, blur, read_discriminator, save_discriminator

CHANNELS = {4: 5, 8: 4, 16: 3}


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    network = Discriminator(CHANNELS)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network


def correlate(x, weight, stride=1, padding=0):
    """x [C,H,W] with weight [O,C,k,k], one output pixel at a time."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    size = weight.shape[-1]
    side = (x.shape[1] - size) // stride + 1
    out = np.zeros((len(weight), side, side))
    for i in range(side):
        for j in range(side):
            patch = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, i, j] = (weight * patch).sum((1, 2, 3))
    return out


def filtered(x, stride, padding):
    line = np.array([1, 3, 3, 1]) / 8
    return np.stack([correlate(plane[None], np.outer(line, line)[None, None], stride, padding)[0] for plane in x])


def active(x):
    return np.where(x > 0, x, 0.2 * x) * np.sqrt(2)


def reference(tensors, images):
    """Scores by the paper's description: equalised weights, residual blocks, groups of 4 rows i, i + N/4, ..."""
    t = {name: x.double().numpy() for name, x in tensors.items()}

    def conv(x, name, **how):
        weight = t[f"{name}.weight"]
        bias = t.get(f"{name}.bias", np.zeros(len(weight)))
        return correlate(x, weight / np.sqrt(weight[0].size), **how) + bias[:, None, None]

    ends = []
    for image in images:
        x = active(conv(image, "b16.fromrgb"))
        for block in ("b16", "b8"):
            short = conv(filtered(x, 2, 1), f"{block}.skip") * np.sqrt(0.5)
            x = active(conv(x, f"{block}.conv0", padding=1))
            x = short + active(conv(filtered(x, 1, 2), f"{block}.conv1", stride=2)) * np.sqrt(0.5)
        ends.append(x)
    scores, groups = [], len(ends) // 4
    for i, end in enumerate(ends):
        spread = np.sqrt(np.var(ends[i % groups :: groups], axis=0) + 1e-8).mean()
        x = active(conv(np.concatenate([end, np.full((1, 4, 4), spread)]), "b4.conv", padding=1)).ravel()
        x = active(t["b4.fc.weight"] @ x / np.sqrt(x.size) + t["b4.fc.bias"])
        scores.append((t["b4.out.weight"] @ x / np.sqrt(x.size) + t["b4.out.bias"])[0])
    return np.array(scores)


def test_scores_are_those_of_the_reference(discriminator):
    images = torch.randn(8, 3, 16, 16)
    expected = reference(discriminator.state_dict(), images.double().numpy())
    np.testing.assert_allclose(discriminator(images).detach(), expected, rtol=1e-4, atol=1e-4)
    last = discriminator.to(memory_format=torch.channels_last)
    np.testing.assert_allclose(last(images).detach(), expected, rtol=1e-4, atol=1e-4)


def test_fresh_weights_keep_the_spread():
    torch.manual_seed(0)
    network = Discriminator({4: 64, 8: 64, 16: 64, 32: 64})
    features = network.b8(network.b16(network.b32(torch.randn(8, 3, 32, 32)))).detach()
    assert 0.3 < float(features.std()) < 2


def test_every_second_pixel_of_a_blur_is_the_downsampled():
    x, kernel = torch.randn(2, 3, 8, 8), fir_kernel([1, 3, 3, 1])
    assert torch.allclose(blur(x, kernel)[..., 1::2, 1::2], downsample(x, kernel), atol=1e-6)


def test_names_are_those_of_stylegan2_ada():
    names = set(Discriminator(CHANNELS).state_dict())
    both = {f"{block}.{conv}.{part}" for block in ("b16", "b8") for conv in ("conv0", "conv1") for part in PARTS}
    ends = {f"b4.{layer}.{part}" for layer in ("conv", "fc", "out") for part in PARTS}
    assert names == both | ends | {"b16.fromrgb.weight", "b16.fromrgb.bias", "b16.skip.weight", "b8.skip.weight"}


PARTS = ("weight", "bias")


def test_what_was_saved_is_read(discriminator, tmp_path):
    path = tmp_path / "d.safetensors"
    save_discriminator(discriminator, path)
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(read_discriminator(path)(images), discriminator(images))
    filters = {"b16.resample_filter": fir_kernel([1, 3, 3, 1]), "b16.conv1.resample_filter": torch.zeros(4, 4)}
    save_file(load_file(path) | filters, path)
    assert torch.equal(read_discriminator(path)(images), discriminator(images))


def test_the_largest_is_read(tmp_path):
    path = tmp_path / "d.safetensors"
    save_discriminator(Discriminator({4 << i: 1 for i in range(9)}), path)
    assert read_discriminator(path).state_dict().keys() >= {"b1024.conv0.weight"}


@pytest.mark.parametrize("change", ["missing", "size", "bytes"])
def test_a_damaged_file_is_refused(discriminator, tmp_path, change):
    path = tmp_path / "d.safetensors"
    save_discriminator(discriminator, path)
    held = load_file(path)
    if change == "bytes":
        path.write_bytes(path.read_bytes()[:-40])
    elif change == "missing":
        save_file({name: x for name, x in held.items() if name != "b8.skip.weight"}, path)
    else:
        save_file(held | {"b4.conv.bias": torch.zeros(7)}, path)
    with pytest.raises(CheckpointError, match="not a readable discriminator"):
        read_discriminator(path)
