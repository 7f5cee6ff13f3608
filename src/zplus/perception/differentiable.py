"""Who is seen, age, gender and smile as terms of a loss: the scorers' networks on faces that are cut with gradients."""

from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.faces.warp import warp
from zplus.perception import age_gender, emotion, identity
from zplus.perception.face_input import FaceInput
from zplus.perception.weights import age_tensors, emotion_tensors, gender_tensors, identity_tensors

Images = Float[Tensor, "n 3 h w"]


class DifferentiableFace:
    """Scores of images in which the face lies where it lies in a picture, whose landmarks were found once.

    Images are [N,3,H,W] in [-1,1], RGB, of the picture's size, on `device`; all results [N] are differentiable by them.
    Networks load when first needed: DownloadError where their files are not here.
    """

    def __init__(self, face: FaceInput, device: torch.device | str = "cpu"):
        self.face, self.device = face, torch.device(device)

    def identity(self, images: Images) -> Float[Tensor, "n 128"]:
        """Descriptors, which lie within 0.6 for one person."""
        return identity.descriptors(self._identity, self.chips(images, identity.SIZE, identity.PADDING))

    def age(self, images: Images) -> Float[Tensor, " n"]:
        """Perceived ages in years."""
        return age_gender.age(self._age, self.chips(images, age_gender.AGE_SIZE, age_gender.PADDING))

    def gender(self, images: Images) -> Float[Tensor, " n"]:
        """Log-odds of being perceived as a man against as a woman."""
        return age_gender.gender(self._gender, self.chips(images, age_gender.GENDER_SIZE, age_gender.PADDING))

    def smile(self, images: Images) -> Float[Tensor, " n"]:
        """Log-odds of "happy"."""
        return emotion.smile(self._emotion, self.chips(images, emotion.SIZE, emotion.PADDING))

    def chips(self, images: Images, size: int, padding: float) -> Float[Tensor, "n 3 {size} {size}"]:
        """The faces upright in `size` pixels, as `FaceInput.chip` cuts them but for the filter."""
        height, width = self.face.pixels.shape[:2]
        if images.shape[-2:] != (height, width):
            raise ValueError(f"The images have {tuple(images.shape[-2:])} pixels, and the face's {(height, width)}.")
        seen = warp(images.flatten(0, 1), self.face.chip_matrix(size, padding), (size, size))
        return seen.unflatten(0, (-1, 3))

    @cached_property
    def _identity(self) -> dict[str, Tensor]:
        return self._moved(identity_tensors())

    @cached_property
    def _age(self) -> dict[str, Tensor]:
        return self._moved(age_tensors())

    @cached_property
    def _gender(self) -> dict[str, Tensor]:
        return self._moved(gender_tensors())

    @cached_property
    def _emotion(self) -> dict[str, Tensor]:
        return self._moved(emotion_tensors())

    def _moved(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: x.to(self.device) for name, x in weights.items()}
