"""How near a reconstruction is to its photo: the figures that every report of this package shows."""

from jaxtyping import Float
from torch import Tensor

from zplus.perception.identity import Identity
from zplus.perception.metrics import LPIPS_SIDE, METRICS, MetricNetworks, measure_images

FIGURES = tuple(METRICS)


def measure_quality(
    image: Float[Tensor, "1 3 r r"], target: Float[Tensor, "1 3 r r"], identity: Identity | None = None
) -> dict[str, float]:
    """All `METRICS` of a reconstruction of a photo, both RGB in [-1,1]; nan for what cannot be measured.

    mse (of images in [-1,1]), psnr, ssim and ms_ssim are those of the full resolution, lpips that at 256 px;
    identity_distance is that of the face descriptors (below 0.6: the same person), nan without `identity` or without a
    face. MS-SSIM needs 176 pixels a side.
    """
    image, target = image.cpu().float().clamp(-1, 1), target.cpu().float().clamp(-1, 1)
    networks = MetricNetworks(identity=lambda: identity, lpips_side=LPIPS_SIDE)
    return {name: float(value) for name, value in measure_images(image, target, METRICS, networks).items()}
