"""A smile score by a network: mini-Xception (Arriaga et al. 2017, arXiv 1710.07557), trained on FER2013.

It classifies seven emotions of a grey face of 64 px. Batch normalisation is folded into the convolutions.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.images import to_tensor
from zplus.perception.face_input import FaceInput
from zplus.perception.weights import emotion_tensors

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
HAPPY = EMOTIONS.index("happy")
SIZE, PADDING = 64, 0.2  # of paddings 0 to 0.5 this agrees best with the geometry of the mouth
BLOCKS = 4
GREY = (0.299, 0.587, 0.114)


def emotions(weights: Mapping[str, Tensor], image: Float[Tensor, "n 1 64 64"]) -> Float[Tensor, "n 7"]:
    """The logits of the seven emotions, of grey images in [-1,1]."""

    def conv(x: Tensor, name: str, **options: int) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"), **options)

    x = F.relu(conv(F.relu(conv(image, "stem.0")), "stem.1"))  # [N, 8, 60, 60]
    for k in range(BLOCKS):
        y = x
        for half in range(2):
            y = conv(y, f"block.{k}.depth.{half}", padding=1, groups=y.shape[1])
            y = conv(y, f"block.{k}.point.{half}")
            y = F.relu(y) if half == 0 else y
        x = _pool(y) + conv(x, f"block.{k}.shortcut", stride=2)  # [N, 16, 30, 30] ... [N, 128, 4, 4]
    return conv(x, "last", padding=1).mean((2, 3))


def smile(weights: Mapping[str, Tensor], image: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, " n"]:
    """The log-odds of "happy" of faces in [-1,1], cut by `FaceInput.chip(SIZE, PADDING)`; differentiable."""
    grey = (image * torch.tensor(GREY).to(image)[:, None, None]).sum(1, keepdim=True)
    logits = emotions(weights, torch.cat([grey, grey.flip(3)]))
    others = torch.cat([logits[:, :HAPPY], logits[:, HAPPY + 1 :]], 1)
    return (logits[:, HAPPY] - others.logsumexp(1)).unflatten(0, (2, -1)).mean(0)


class SmileNetwork:
    """Scores a face by the log-odds of "happy" against the other six; not saturated where the probability is."""

    def __init__(self) -> None:
        self.weights = emotion_tensors()

    @torch.inference_mode()
    def __call__(self, face: FaceInput) -> float:
        """The mean over the face and its mirror image."""
        return float(smile(self.weights, to_tensor(face.chip(SIZE, PADDING))))


def _pool(x: Tensor) -> Tensor:
    """Max pooling 3x3 with stride 2, padded as in Keras: even sizes at their end only."""
    before = x.shape[-1] % 2
    return F.max_pool2d(F.pad(x, (before, 1, before, 1), value=-torch.inf), 3, 2)
