"""LPIPS v0.1: the perceptual distance of Zhang et al. 2018 (arXiv 1801.03924, equation 1), VGG16 and AlexNet trunks.

d(x, y) = sum over layers of the mean over positions of sum_c head_c (f_c(x) - f_c(y))^2, f normalised over channels.
"""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zplus.errors import UnknownNameError
from zplus.perception.weights import lpips_tensors

# A stage ends where features are taken. Each convolution: input and output channels, kernel, stride, padding.
VGG = (
    ((3, 64, 3, 1, 1), (64, 64, 3, 1, 1)),
    ((64, 128, 3, 1, 1), (128, 128, 3, 1, 1)),
    ((128, 256, 3, 1, 1), (256, 256, 3, 1, 1), (256, 256, 3, 1, 1)),
    ((256, 512, 3, 1, 1), (512, 512, 3, 1, 1), (512, 512, 3, 1, 1)),
    ((512, 512, 3, 1, 1), (512, 512, 3, 1, 1), (512, 512, 3, 1, 1)),
)
ALEX = (
    ((3, 64, 11, 4, 2),),
    ((64, 192, 5, 1, 2),),
    ((192, 384, 3, 1, 1),),
    ((384, 256, 3, 1, 1),),
    ((256, 256, 3, 1, 1),),
)
STAGES = {"vgg": VGG, "alex": ALEX}
POOLS = {"vgg": (0, 2, 2, 2, 2), "alex": (0, 3, 3, 0, 0)}  # size of the max pooling before a stage; its stride is 2
SHIFT = (-0.030, -0.088, -0.188)  # ImageNet's mean and spread, for images in [-1, 1]
SCALE = (0.458, 0.448, 0.450)
MIN_SIDE = 32  # pixels of an image: the trunk halves it four times
TINY = 1e-20  # under the root: 1e-10 in the norm, as in the original, and a gradient of zero where all features are

BATCH = 16  # images that `distance_at` looks at together: at 256 px the features of one are 32 MB

Features = tuple[Tensor, ...]


class LPIPS(nn.Module):
    """The distance with a "vgg" or "alex" trunk, by default with the official weights.

    Images are [N, 3, H, W] in [-1, 1], RGB, of 32 px a side or more. Rows do not influence each other. Convolutions use
    the memory format and autocast of the caller; normalisation and heads are computed in fp32.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, net: str = "vgg", tensors: Mapping[str, Tensor] | None = None):
        super().__init__()
        if net not in STAGES:
            raise UnknownNameError("LPIPS network", net, STAGES)
        self.net = net
        self.conv = nn.ModuleList(
            nn.Conv2d(i, o, kernel, stride, padding) for stage in STAGES[net] for i, o, kernel, stride, padding in stage
        )
        self.head = nn.ParameterList(torch.zeros(stage[-1][1]) for stage in STAGES[net])
        self.load_state_dict(dict(lpips_tensors(net) if tensors is None else tensors))
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def stages(self, image: Float[Tensor, "n 3 h w"]) -> Iterator[Float[Tensor, "n _ _ _"]]:
        """The features of the five stages [N, C_k, h_k, w_k] of the trunk."""
        x, convolutions = (image - self.shift) / self.scale, iter(self.conv)
        for stage, pool in zip(STAGES[self.net], POOLS[self.net], strict=True):
            x = F.max_pool2d(x, pool, 2) if pool else x
            for _ in stage:
                x = F.relu(next(convolutions)(x), inplace=True)
            yield x

    def features(self, image: Float[Tensor, "n 3 h w"]) -> Features:
        """The same, normalised over channels, in fp32."""
        return tuple(map(_normalised, self.stages(image)))

    def distance(self, a: Features, b: Features) -> Float[Tensor, " n"]:
        """The distance [N] between two images of the same size, from their features."""
        with torch.autocast(a[0].device.type, enabled=False):
            parts = [
                ((x - y).square() * head.view(1, -1, 1, 1)).sum(1).mean((1, 2))  # [N]
                for x, y, head in zip(a, b, self.head, strict=True)
            ]
            return torch.stack(parts).sum(0)

    def forward(self, a: Float[Tensor, "n 3 h w"], b: Float[Tensor, "n 3 h w"]) -> Float[Tensor, " n"]:
        """The distance [N] between two images of the same size."""
        return self.distance(self.features(a), self.features(b))


def at(image: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c {size} {size}"]:
    """Resize an image; LPIPS depends on the size, which is 256 px by convention.

    If a square image is k times as large, the mean over k x k pixels (F.interpolate's "area"), else antialiased
    bilinear.
    """
    height, width = image.shape[-2:]
    if height == width == size:
        return image
    if height == width and height % size == 0:
        return F.avg_pool2d(image, height // size)
    return F.interpolate(image, (size, size), mode="bilinear", antialias=True)


def distance_at(
    lpips: LPIPS, size: int, a: Float[Tensor, "n 3 h w"], b: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, " n"]:
    """The distance [N] of images resized to size x size, `BATCH` at a time."""
    pairs = zip(at(a, size).split(BATCH), at(b, size).split(BATCH), strict=True)
    return torch.cat([lpips(x, y) for x, y in pairs])


def _normalised(x: Tensor) -> Tensor:
    """Unit length over channels at every position, in fp32."""
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        return x * torch.rsqrt(x.square().sum(1, keepdim=True) + TINY)
