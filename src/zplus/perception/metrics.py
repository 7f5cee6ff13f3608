"""Metrics between images by name, all of one signature: (image, target) -> [N]. They have no gradient.

Examples:
    >>> METRICS["mse"](torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5)).tolist()
    [0.25, 0.25]
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import UnknownNameError, ZplusError
from zplus.perception.identity import Identity, identity_distance
from zplus.perception.lpips import LPIPS, distance_at
from zplus.perception.similarity import ms_ssim, ssim
from zplus.perception.squared_error import mse, psnr

LPIPS_SIDE = 256  # pixels: LPIPS is measured at this size everywhere in this field

Images = Float[Tensor, "n 3 h w"]
Compare = Callable[[Images, Images], Float[Tensor, " n"]]


@cache
def _lpips(net: str) -> LPIPS:
    return LPIPS(net)


@cache
def _identity() -> Identity:
    return Identity()


@dataclass(frozen=True)
class MetricNetworks:
    """The networks of the metrics; by default on the CPU, shared, and loaded when first used.

    Attributes:
        lpips: Gives LPIPS for a trunk, "vgg" or "alex", on the images' device.
        identity: Gives the identity network, or None, for which the identity distance is nan.
        lpips_side: Side in pixels to which images are resized for LPIPS.
    """

    lpips: Callable[[str], LPIPS] = _lpips
    identity: Callable[[], Identity | None] = _identity
    lpips_side: int = LPIPS_SIDE


@dataclass(frozen=True)
class Metric:
    """A metric. `best` is its value for equal images; if `symmetric`, the arguments can be exchanged."""

    name: str
    measures: str
    best: float
    load: Callable[[MetricNetworks], Compare]
    higher_is_better: bool = False
    symmetric: bool = True

    @torch.inference_mode()
    def __call__(self, image: Tensor, target: Tensor, networks: MetricNetworks | None = None) -> Float[Tensor, " n"]:
        """The metric of each row; nan where it cannot be measured.

        Args:
            image: float [N, 3, H, W] in [-1, 1], RGB.
            target: The same.
            networks: The networks to use; None for the defaults, which measure on the CPU.

        Raises:
            ZplusError: A shape or type is wrong.
            DownloadError: A network has not been pulled.
            MissingExtraError: An optional dependency is not installed.
        """
        _check(image, target)
        if networks is None:
            image, target, networks = image.cpu(), target.cpu(), MetricNetworks()
        return self.load(networks)(image, target)


def _check(image: Tensor, target: Tensor) -> None:
    fits = image.ndim == 4 and image.shape[1] == 3 and image.shape == target.shape
    if not (fits and image.is_floating_point() and target.is_floating_point()):
        got = " and ".join(f"{tuple(x.shape)} of {x.dtype}" for x in (image, target))
        raise ZplusError(f"Images {got} cannot be compared: give two of one shape [N, 3, H, W], floats in [-1, 1].")


def _by_lpips(net: str) -> Callable[[MetricNetworks], Compare]:
    return lambda networks: partial(distance_at, networks.lpips(net), networks.lpips_side)


_ALL = (
    Metric("mse", "mean squared error", 0.0, lambda networks: mse),
    Metric("psnr", "peak signal-to-noise ratio, dB", inf, lambda networks: psnr, higher_is_better=True),
    Metric("ssim", "structural similarity", 1.0, lambda networks: ssim, higher_is_better=True),
    Metric("ms_ssim", "SSIM over five scales, from 176 px", 1.0, lambda networks: ms_ssim, higher_is_better=True),
    Metric("lpips_vgg", "perceptual distance by VGG16", 0.0, _by_lpips("vgg")),
    Metric("lpips_alex", "perceptual distance by AlexNet", 0.0, _by_lpips("alex")),
    Metric(
        "identity_distance", "distance of the faces' descriptors; below 0.6, one person", 0.0,
        lambda networks: partial(identity_distance, networks.identity()),
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}


def measure_images(
    image: Tensor, target: Tensor, names: Iterable[str] = tuple(METRICS), networks: MetricNetworks | None = None
) -> dict[str, Float[Tensor, " n"]]:
    """Several metrics [N] by name.

    Args:
        image: float [N, 3, H, W] in [-1, 1], RGB.
        target: The same.
        names: Names of `METRICS`; all by default.
        networks: The networks to use; None for the defaults, which measure on the CPU.

    Raises:
        UnknownNameError: There is no such metric.
    """
    names = list(names)
    for name in names:
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS)
    return {name: METRICS[name](image, target, networks) for name in names}
