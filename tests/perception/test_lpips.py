"""LPIPS: its mathematics with random weights, and the official ones against values of the verified implementation."""

import pytest
import torch
from torch import nn

from networks import random_lpips, wide_lpips
from zplus.archives import folder
from zplus.cache import cache_folder
from zplus.errors import UnknownNameError
from zplus.perception.lpips import ALEX, LPIPS, POOLS, SCALE, SHIFT, STAGES, at
from zplus.perception.weights import LPIPS_WEIGHTS

# distance(pattern(0), pattern(1)) and distance(pattern(0), pattern(2)) at 64 px, by the implementation that gives the
# authors' 0.722 and 0.138 on their pictures (benchmarks/parity_lpips.py)
ORACLE = {"alex": (0.28109, 0.58345), "vgg": (0.66926, 0.84633)}


def pattern(k: int, size: int = 64) -> torch.Tensor:
    """A picture [1,3,S,S] in [-1,1] of waves."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    waves = [torch.sin((3 + 4 * k) * x + c) * torch.cos((5 + 2 * k * k) * y - c) for c in range(3)]
    return torch.stack(waves)[None]


def by_loops(judge: LPIPS, a: torch.Tensor, b: torch.Tensor) -> float:
    """Equation 1, position by position, of one pair [3,H,W]."""
    pair = [(x - torch.tensor(SHIFT)[:, None, None]) / torch.tensor(SCALE)[:, None, None] for x in (a, b)]
    total, layer = 0.0, 0
    for k, stage in enumerate(STAGES[judge.net]):
        if POOLS[judge.net][k]:
            pair = [nn.MaxPool2d(POOLS[judge.net][k], 2)(x) for x in pair]
        for _, _, _, stride, padding in stage:
            conv = judge.conv[layer]
            pair = [torch.conv2d(x[None], conv.weight, conv.bias, stride, padding)[0].clamp(min=0) for x in pair]
            layer += 1
        _, height, width = pair[0].shape
        for y in range(height):
            for x in range(width):
                f, g = (one[:, y, x] / (one[:, y, x].norm() + 1e-10) for one in pair)
                total += float((judge.head[k] * (f - g) ** 2).sum()) / (height * width)
    return total


@pytest.mark.parametrize("net", ["vgg", "alex"])
def test_equals_the_equation_written_with_loops(net):
    judge, a, b = wide_lpips(net), pattern(0, 35), pattern(1, 35)
    assert judge(a, b).item() == pytest.approx(by_loops(judge, a[0], b[0]), rel=1e-4)


def test_is_symmetric_and_zero_for_equal_images():
    judge, a, b = random_lpips("alex"), pattern(0), pattern(1)
    assert judge(a, a).item() == 0
    assert judge(a, b).item() > 0.01
    torch.testing.assert_close(judge(a, b), judge(b, a))


def test_rows_do_not_depend_on_their_company():
    judge = random_lpips("alex")
    a, b = (torch.cat([pattern(k) for k in order]) for order in ((0, 1, 2), (2, 0, 1)))
    single = torch.cat([judge(x[None], y[None]) for x, y in zip(a, b, strict=True)])
    torch.testing.assert_close(judge(a, b), single)


def test_features_of_the_target_are_reused():
    judge, a, b = wide_lpips("vgg"), pattern(0, 32), pattern(1, 32)
    target = judge.features(b)
    torch.testing.assert_close(judge.distance(judge.features(a), target), judge(a, b))
    assert [f.shape[1] for f in target] == [64, 128, 256, 512, 512]
    for f in target:
        lengths = f.norm(dim=1)
        assert ((lengths - 1).abs() < 1e-4).logical_or(lengths == 0).all()


def test_gradients_are_finite_even_where_all_features_are_zero():
    judge = random_lpips("alex")
    for bias in (layer.bias for layer in judge.conv):
        bias.data.fill_(-100.0)
    image = pattern(0).requires_grad_()
    judge(image, pattern(1)).sum().backward()
    assert torch.isfinite(image.grad).all()


def test_gradients_go_downhill():
    judge, a, b = random_lpips("alex"), pattern(0).requires_grad_(), pattern(1)
    before = judge(a, b)
    before.sum().backward()
    step = 1e-3 * a.grad / a.grad.norm()
    assert judge(a.detach() - step, b) < before


def test_reduced_precision_and_channels_last_stay_near():
    judge, a, b = random_lpips("alex"), pattern(0), pattern(1)
    exact = judge(a, b)
    judge.to(memory_format=torch.channels_last)
    torch.testing.assert_close(judge(a.contiguous(memory_format=torch.channels_last), b), exact)
    with torch.autocast("cpu", torch.bfloat16):
        rough = judge(a, b)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.03, atol=0)


def test_at_takes_means_for_whole_factors():
    image = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    torch.testing.assert_close(at(image, 4), torch.nn.functional.interpolate(image, (4, 4), mode="area"))
    assert at(image, 8) is image
    assert at(image[:, :, :, :6], 4).shape == (2, 3, 4, 4)
    torch.testing.assert_close(at(torch.full((1, 3, 7, 7), 0.3), 4), torch.full((1, 3, 4, 4), 0.3))


def test_an_unknown_network_is_named():
    with pytest.raises(UnknownNameError, match="alex"):
        LPIPS("alexnet")


def test_the_layers_are_those_of_the_paper():
    assert [stage[-1][1] for stage in ALEX] == [64, 192, 384, 256, 256]


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_official_weights(net):
    converted = list((cache_folder() / "networks").glob(f"lpips-{net}-*.safetensors"))
    if folder(LPIPS_WEIGHTS) is None and not converted:
        pytest.skip("the LPIPS weights are not in the cache: run zplus pull")
    judge = LPIPS(net)
    assert min(head.min().item() for head in judge.head) >= 0
    got = tuple(judge(pattern(0), pattern(k)).item() for k in (1, 2))
    assert got == pytest.approx(ORACLE[net], abs=2e-4)
