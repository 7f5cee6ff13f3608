"""The figures of a reconstruction, against torchmetrics."""

import math

import pytest
import torch
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure as reference_ms_ssim,
)
from torchmetrics.functional.image import (
    peak_signal_noise_ratio as reference_psnr,
)
from torchmetrics.functional.image import (
    structural_similarity_index_measure as reference_ssim,
)

from command_line import needs_lpips
from zplus.perception.quality import FIGURES, measure_quality
from zplus.perception.similarity import ms_ssim, ssim


def pictures(side: int = 192, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth pictures in [-1, 1], and noisy copies."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 3, 12, 12, generator=random) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return smooth, (smooth + 0.2 * torch.randn(smooth.shape, generator=random)).clamp(-1, 1)


def test_ssim_is_that_of_torchmetrics_where_it_does_not_pad():
    a, b = pictures()
    _, whole = reference_ssim((a + 1) / 2, (b + 1) / 2, data_range=1.0, reduction="none", return_full_image=True)
    assert torch.allclose(ssim(a, b), whole[:, :, 5:-5, 5:-5].mean((1, 2, 3)), atol=1e-5)


def test_ms_ssim_is_that_of_torchmetrics():
    a, b = pictures(512)
    wanted = reference_ms_ssim((a + 1) / 2, (b + 1) / 2, data_range=1.0, reduction="none")
    assert torch.allclose(ms_ssim(a, b), wanted, atol=1e-4)


@needs_lpips
def test_all_figures():
    a, b = pictures(n=1)
    found = measure_quality(b, a)
    assert tuple(found) == FIGURES
    assert found["mse"] == pytest.approx(float((a - b).square().mean()), rel=1e-5)
    assert found["psnr"] == pytest.approx(float(reference_psnr(b, a, data_range=2.0)), abs=1e-3)
    assert found["lpips_alex"] > 0 and found["lpips_vgg"] > 0 and math.isnan(found["identity_distance"])


@needs_lpips
def test_equal_pictures():
    a, _ = pictures(64, 1)
    found = measure_quality(a, a)
    assert found["mse"] == 0 and found["psnr"] == math.inf and found["ssim"] == pytest.approx(1)
    assert math.isnan(found["ms_ssim"]) and found["lpips_vgg"] == pytest.approx(0, abs=1e-6)
