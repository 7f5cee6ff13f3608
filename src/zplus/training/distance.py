"""How far generated pictures are from real ones: the kernel distance and the Fréchet distance, on VGG16's features.

The network is the trunk of LPIPS and not Inception, so figures compare among themselves, not with published ones.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zplus.errors import ZplusError
from zplus.generators import Generator
from zplus.images import fitted, to_pixels
from zplus.perception.lpips import LPIPS, MIN_SIDE
from zplus.spaces import make_space
from zplus.training.data import Pictures, chosen_rows, to_batch
from zplus.training.stream import StreamedPictures

NETWORK = "VGG16 relu5_3, mean over positions"
ROWS = 8  # pictures that are drawn or read at once

Features = Float[np.ndarray, "_ _"]  # a row each picture


class Estimate(NamedTuple):
    """A mean over subsets and its standard deviation from subset to subset."""

    mean: float
    spread: float


def features(pixels: UInt8[np.ndarray, "n h w 3"], lpips: LPIPS, batch: int = 32) -> Float[np.ndarray, "n 512"]:
    """What VGG16 sees in pictures, at their own size; `lpips` is LPIPS("vgg") on any device.

    Raises ZplusError for pictures of less than 32 px.
    """
    if min(pixels.shape[1:3]) < MIN_SIDE:
        raise ZplusError(f"Pictures of {min(pixels.shape[1:3])} px cannot be compared: {MIN_SIDE} px are needed.")
    parts = (to_batch(pixels[start : start + batch]) for start in range(0, len(pixels), batch))
    return np.concatenate([seen(part.to(lpips.shift.device), lpips) for part in parts])


def picture_features(
    pictures: Pictures | StreamedPictures, count: int, lpips: LPIPS, tick: Callable[[int], None] = lambda done: None
) -> Float[np.ndarray, "n 512"]:
    """What VGG16 sees in `count` pictures of a set, chosen at random, always the same ones."""
    rows, found = chosen_rows(0, 0, count, len(pictures)), []
    for start in range(0, count, ROWS):
        found.append(features(np.stack([pictures[row] for row in rows[start : start + ROWS]]), lpips))
        tick(min(start + ROWS, count))
    return np.concatenate(found)


@torch.inference_mode()
def sample_features(
    generator: Generator,
    side: int,
    count: int,
    lpips: LPIPS,
    seed: int = 0,
    tick: Callable[[int], None] = lambda done: None,
) -> Float[np.ndarray, "n 512"]:
    """What VGG16 sees in samples of a generator without truncation, made smaller (Lanczos) where `side` is."""
    space, found = make_space("z", generator), []
    for codes in space.sample(count, seed).split(ROWS):
        pixels = [fitted(to_pixels(image), side) for image in generator.synthesize(space.decode(codes))]
        found.append(features(np.stack(pixels), lpips))
        tick(sum(map(len, found)))
    return np.concatenate(found)


def distances(a: Features, b: Features) -> dict[str, Any]:
    """The distances of two sets of pictures from their features, with the number of pictures in each."""
    kernel = kernel_distance(a, b, size=max(2, min(len(a), len(b), 2000) // 2))
    return {
        "kernel_distance": kernel.mean,
        "kernel_deviation": kernel.spread,
        "frechet_distance": frechet_distance(a, b),
        "pictures": [len(a), len(b)],
        "network": NETWORK,
    }


@torch.inference_mode()
def seen(images: Float[Tensor, "n 3 h w"], lpips: LPIPS) -> Float[np.ndarray, "n 512"]:
    """The same of images in [-1,1], all at once."""
    for stage in lpips.stages(images):
        last = stage  # one at a time in memory
    return last.mean((2, 3)).cpu().numpy()


def kernel_distance(a: Features, b: Features, subsets: int = 100, size: int = 1000, seed: int = 0) -> Estimate:
    """The kernel distance (KID; Binkowski et al. 2018, arXiv 1801.01401, section 4): unbiased, so 0 is met in the mean.

    The squared maximum mean discrepancy under the kernel (x.y / d + 1)^3, over random subsets of at most `size` rows.
    """
    size = min(size, len(a), len(b))
    _check(a, b, size)
    random = np.random.default_rng(seed)
    found = [_discrepancy(_some(a, size, random), _some(b, size, random)) for _ in range(subsets)]
    return Estimate(float(np.mean(found)), float(np.std(found)))


def kernel_shares(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """What each of n pairs of pictures has in the kernel distance of the two sets; none is compared with its own pair.

    The mean is the unbiased estimator for pairs (Gretton et al. 2012, JMLR 13, lemma 6). The values are pseudo-values
    of its jackknife (Tukey 1958), so that the error of their mean is that of the distance. Takes three pairs or more.
    """
    n = len(a)
    _check(a, b, n - 1)
    a, b = a.astype(np.float64), b.astype(np.float64)
    kernel = _kernel(a, a) + _kernel(b, b) - _kernel(a, b) - _kernel(b, a)
    one = (kernel.sum(1) - np.diag(kernel)) / (n - 1)
    return one.mean() + 2 * (n - 1) / (n - 2) * (one - one.mean())


def frechet_distance(a: Features, b: Features) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Heusel et al. 2017, arXiv 1706.08500, equation 6).

    Biased upwards for few pictures: compare only sets of the same size.
    """
    _check(a, b, min(len(a), len(b)))
    a, b = a.astype(np.float64), b.astype(np.float64)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(np.atleast_2d(cov_a))
    root = vectors * np.sqrt(values.clip(0))  # C_a = root root^T, and C_a C_b has the eigenvalues of root^T C_b root
    shared = np.linalg.eigvalsh(root.T @ np.atleast_2d(cov_b) @ root)
    apart = np.square(a.mean(0) - b.mean(0)).sum()
    return float(apart + np.trace(np.atleast_2d(cov_a + cov_b)) - 2 * np.sqrt(shared.clip(0)).sum())


def _discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    n = len(a)
    within = [(kernel.sum() - np.trace(kernel)) / (n * (n - 1)) for kernel in (_kernel(a, a), _kernel(b, b))]
    return sum(within) - 2 * _kernel(a, b).mean()


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _some(x: Features, size: int, random: np.random.Generator) -> np.ndarray:
    return x[random.choice(len(x), size, replace=False)].astype(np.float64)


def _check(a: Features, b: Features, size: int) -> None:
    if a.shape[1] != b.shape[1] or size < 2:
        raise ZplusError(f"Features {a.shape} and {b.shape} cannot be compared: give two pictures or more to each.")
