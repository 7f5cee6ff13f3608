"""The similarity of a reconstruction to its photo: the figures in every report of this package."""

from jaxtyping import Float
from torch import Tensor

from zplus.perception.identity import Identity
from zplus.perception.metrics import LPIPS_SIDE, METRICS, MetricNetworks, measure_images

FIGURES = tuple(METRICS)


def measure_quality(
    image: Float[Tensor, "1 3 r r"], target: Float[Tensor, "1 3 r r"], identity: Identity | None = None
) -> dict[str, float]:
    """All `METRICS` of a reconstruction; nan for what cannot be measured.

    mse (of images in [-1, 1]), psnr, ssim and ms_ssim are at full resolution, LPIPS at 256 px. identity_distance is
    between face descriptors: below 0.6 is the same person; nan without `identity` or without a face. MS-SSIM needs 176
    px a side.

    Args:
        image: float [1, 3, R, R] in [-1, 1], RGB.
        target: The same.
        identity: The identity network, or None.
    """
    image, target = image.cpu().float().clamp(-1, 1), target.cpu().float().clamp(-1, 1)
    networks = MetricNetworks(identity=lambda: identity, lpips_side=LPIPS_SIDE)
    return {name: float(value) for name, value in measure_images(image, target, METRICS, networks).items()}
