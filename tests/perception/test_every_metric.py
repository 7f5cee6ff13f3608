"""One harness that every image metric passes. A new metric is one more row: its value on two images, its tolerance."""

from functools import cache

import pytest
import torch
from torch import Tensor

from command_line import ASTRONAUT
from zplus.archives import Archive, folder
from zplus.errors import UnknownNameError, ZplusError
from zplus.faces.weights import FACE_MODELS
from zplus.images import read_image, to_tensor
from zplus.perception.identity import identity_distance
from zplus.perception.metrics import METRICS, MetricNetworks, measure_images
from zplus.perception.weights import LPIPS_WEIGHTS

# Of the noisy photo against the photo, a tolerance for other versions of the libraries, and the files that it takes.
ON_ASTRONAUT: dict[str, tuple[float, float, Archive | None]] = {
    "mse": (0.00893, 1e-4, None),
    "psnr": (26.512, 0.02, None),
    "ssim": (0.5499, 1e-3, None),
    "ms_ssim": (0.9303, 1e-3, None),
    "lpips_vgg": (0.1453, 1e-3, LPIPS_WEIGHTS),
    "lpips_alex": (0.0464, 1e-3, LPIPS_WEIGHTS),
    "identity_distance": (0.206, 0.02, FACE_MODELS),
}
SHAPES = [
    ((1, 3, 16, 16), (1, 3, 16, 15)),
    ((2, 3, 16, 16), (1, 3, 16, 16)),
    ((1, 1, 16, 16), (1, 1, 16, 16)),
    ((3, 16, 16), (3, 16, 16)),
]


@pytest.fixture(params=METRICS)
def metric(request):
    archive = ON_ASTRONAUT[request.param][2]
    if archive is not None and folder(archive) is None:
        pytest.skip("its network is not in the cache: run zplus pull")
    return METRICS[request.param]


@cache
def photo() -> Tensor:
    return to_tensor(read_image(ASTRONAUT))


@cache
def noisy(strength: float = 0.1) -> Tensor:
    """The photo with Gaussian noise, clamped."""
    noise = torch.randn(photo().shape, generator=torch.Generator().manual_seed(0))
    return (photo() + strength * noise).clamp(-1, 1)


@cache
def measured(name: str, strength: float = 0.1) -> float:
    """The metric of the noisy photo against the photo."""
    return METRICS[name](noisy(strength), photo()).item()


def test_every_metric_has_a_row():
    assert list(ON_ASTRONAUT) == list(METRICS)


def test_its_entry_is_whole(metric):
    assert METRICS[metric.name] is metric and metric.measures


def test_its_value(metric):
    value, tolerance, _ = ON_ASTRONAUT[metric.name]
    assert measured(metric.name) == pytest.approx(value, abs=tolerance)


def test_equal_images_have_the_best_value(metric):
    assert metric(photo(), photo().clone()).tolist() == pytest.approx([metric.best], abs=1e-6)


def test_a_noisier_image_is_worse(metric):
    less, more = (measured(metric.name, strength) for strength in (0.1, 0.2))
    assert metric.best != less
    assert (more < less) == metric.higher_is_better and more != less


def test_whether_either_image_may_be_the_target(metric):
    swapped = metric(photo(), noisy()).item()
    assert (swapped == pytest.approx(measured(metric.name), abs=1e-6)) == metric.symmetric


def test_rows_do_not_know_each_other(metric):
    together = metric(torch.cat([noisy(0.2), noisy()]), torch.cat([photo(), photo()]))
    alone = [measured(metric.name, strength) for strength in (0.2, 0.1)]
    assert together.tolist() == pytest.approx(alone, abs=1e-5, rel=1e-5)


@pytest.mark.parametrize(("shape", "other"), SHAPES)
def test_other_shapes_are_refused(metric, shape, other):
    with pytest.raises(ZplusError, match=r"cannot be compared: give two of one shape \[N, 3, H, W\]"):
        metric(torch.zeros(shape), torch.zeros(other))


def test_pixels_are_refused(metric):
    pixels = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(ZplusError, match="uint8"):
        metric(pixels, pixels)


def test_a_metric_that_is_none_is_refused_before_any_is_measured():
    with pytest.raises(UnknownNameError, match="did you mean 'psnr'"):
        measure_images(photo(), photo(), ["lpips_vgg", "pnsr"], MetricNetworks(lpips=pytest.fail))


def test_the_networks_that_are_given_are_used():
    nobody = MetricNetworks(identity=lambda: None)
    assert measure_images(photo(), photo(), ["identity_distance"], nobody)["identity_distance"].isnan().all()
    assert identity_distance(None, photo(), photo()).shape == (1,)
