"""The distances between sets of features, against what is known of Gaussians and against torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from command_line import needs_lpips, picture
from networks import random_lpips
from tiny import tiny_stylegan2
from zplus.errors import ZplusError
from zplus.images import fitted, to_pixels
from zplus.perception.lpips import LPIPS
from zplus.spaces import make_space
from zplus.training import stream
from zplus.training.data import read_pictures
from zplus.training.distance import (
    distances,
    features,
    frechet_distance,
    kernel_distance,
    kernel_shares,
    picture_features,
    sample_features,
)
from zplus.training.stream import open_pictures


def normal(n, d=8, seed=0, mean=0.0, spread=1.0):
    return mean + spread * np.random.default_rng(seed).standard_normal((n, d))


def test_kernel_distance_is_that_of_torchmetrics():
    a, b = normal(40), normal(40, seed=1, mean=0.3)
    found = kernel_distance(a, b, subsets=3, size=40)
    assert found.mean == pytest.approx(float(poly_mmd(*map(torch.from_numpy, (a, b)), 3, None, 1.0)), rel=1e-9)
    assert found.spread == pytest.approx(0.0, abs=1e-12)  # every subset is the whole


def test_kernel_distance_of_one_distribution_is_zero_in_the_mean():
    same = kernel_distance(normal(2000), normal(2000, seed=1), size=500, subsets=50)
    other = kernel_distance(normal(2000), normal(2000, seed=1, mean=0.3), size=500, subsets=50)
    assert abs(same.mean) < 0.05 < other.mean - 3 * other.spread
    assert same.spread > 0


def test_kernel_distance_in_one_dimension_at_known_points():
    a, b = np.array([[0.0], [1.0]]), np.array([[2.0], [0.0]])
    # k(x, y) = (x y + 1)^3: within a k(0,1) = 1, within b k(2,0) = 1, across 1, 1, 27, 1
    assert kernel_distance(a, b, subsets=1).mean == pytest.approx(1 + 1 - 2 * 30 / 4)


def paired_discrepancy(a, b):
    """Lemma 6 of Gretton et al. 2012 as it is written, a pair at a time."""
    pairs, d = list(zip(a, b, strict=True)), a.shape[1]
    k = lambda x, y: (x @ y / d + 1) ** 3  # noqa: E731
    found = [
        k(x, u) + k(y, v) - k(x, v) - k(u, y)
        for i, (x, y) in enumerate(pairs) for j, (u, v) in enumerate(pairs) if i != j
    ]  # fmt: skip
    return np.mean(found)


def test_shares_are_the_pseudo_values_of_the_jackknife():
    a, b = normal(9), normal(9, seed=1, mean=0.5)
    whole = paired_discrepancy(a, b)
    without = [paired_discrepancy(np.delete(a, i, 0), np.delete(b, i, 0)) for i in range(9)]
    assert kernel_shares(a, b) == pytest.approx(9 * whole - 8 * np.array(without))
    assert kernel_shares(a, b).mean() == pytest.approx(whole)


def test_the_spread_of_shares_is_the_error_of_the_distance():
    drawn = [kernel_shares(normal(40, seed=2 * i), normal(40, seed=2 * i + 1, mean=0.3)) for i in range(400)]
    error = np.std([x.mean() for x in drawn])
    told = np.mean([x.std(ddof=1) / 40**0.5 for x in drawn])
    assert error < told < 1.3 * error  # the jackknife's error is too large rather than too small (Efron and Stein 1981)


def test_frechet_distance_of_gaussians():
    a, b = normal(100_000, 3), normal(100_000, 3, seed=1, mean=2.0, spread=3.0)
    assert frechet_distance(a, b) == pytest.approx(3 * (2**2 + (3 - 1) ** 2), rel=0.02)  # a dimension at a time
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_is_that_of_torchmetrics():
    mix = np.random.default_rng(2).standard_normal((8, 8))
    a, b = normal(300) @ mix, normal(200, seed=1, mean=1.0)
    moments = [torch.from_numpy(x) for y in (a, b) for x in (y.mean(0), np.cov(y, rowvar=False))]
    assert frechet_distance(a, b) == pytest.approx(float(_compute_fid(*moments)), rel=1e-6)


def test_fewer_rows_than_dimensions_are_no_trouble():
    assert np.isfinite(frechet_distance(normal(4, 16), normal(4, 16, seed=1)))


@pytest.mark.parametrize("distance", [kernel_distance, frechet_distance])
def test_what_cannot_be_compared_is_refused(distance):
    with pytest.raises(ZplusError, match="cannot be compared"):
        distance(normal(1), normal(5))
    with pytest.raises(ZplusError, match="cannot be compared"):
        distance(normal(5, 3), normal(5, 4))


@needs_lpips
def test_features_are_those_that_lpips_normalises():
    lpips, pixels = LPIPS("vgg"), np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    raw = features(pixels, lpips, batch=2)
    assert raw.shape == (3, 512)
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        unit = lpips.features(image)[-1]  # [N, 512, 2, 2], each position divided by its length
    ratio = raw / np.maximum(unit.mean((2, 3)).numpy(), 1e-9)
    assert (raw >= 0).all() and raw.max() > 0
    assert ((raw == 0) == (unit.mean((2, 3)).numpy() == 0)).all()
    assert (ratio[raw > 0] > 1).all()


@pytest.mark.parametrize("held", [True, False])
def test_features_of_a_set_are_of_some_of_its_pictures(held, tmp_path, monkeypatch):
    for i in range(12):
        picture(tmp_path / f"{i:02}.png", seed=i, height=32, width=32)
    monkeypatch.setattr(stream, "MAX_HELD", 12 if held else 1)
    lpips, told = random_lpips("vgg"), []
    found = picture_features(open_pictures(tmp_path), 10, lpips, told.append)
    every = features(read_pictures(tmp_path).train, lpips)
    near = np.abs(found[:, None] - every[None]).max(2) < 1e-4
    assert (near.sum(1) == 1).all() and (near.sum(0) <= 1).all() and told == [8, 10]


def test_features_of_samples_are_those_of_their_pictures():
    generator, lpips = tiny_stylegan2(resolution=64), random_lpips("vgg")
    space = make_space("z", generator)
    images = generator.synthesize(space.decode(space.sample(3, 5)))
    pixels = np.stack([fitted(to_pixels(x), 32) for x in images])
    assert sample_features(generator, 32, 3, lpips, seed=5) == pytest.approx(features(pixels, lpips), abs=1e-4)


def test_small_pictures_are_refused():
    with pytest.raises(ZplusError, match="Pictures of 16 px cannot be compared"):
        features(np.zeros((2, 16, 16, 3), np.uint8), random_lpips("vgg"))


def test_distances_of_two_sets():
    near, far = (distances(normal(60), normal(50, seed=1, mean=mean)) for mean in (0.0, 1.0))
    assert near["pictures"] == [60, 50] and near["kernel_deviation"] > 0
    assert far["kernel_distance"] > near["kernel_distance"] and far["frechet_distance"] > near["frechet_distance"]
