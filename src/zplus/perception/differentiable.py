"""Identity, age, gender and smile as terms of a loss: the scorers' networks on differentiably cut faces."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.faces.detector import FaceDetector
from zplus.generators.resample import downsample, fir_kernel
from zplus.images import to_pixels
from zplus.perception import age_gender, emotion, identity
from zplus.perception.face_input import FaceInput, largest_face
from zplus.perception.lpips import at
from zplus.perception.weights import age_tensors, emotion_tensors, gender_tensors, identity_tensors

BINOMIAL = (1, 4, 6, 4, 1)  # dlib's filter before every second pixel is dropped
SEEN = 256  # pixels at which faces of larger images are compared
ASIDE = np.array([-0.25, 0.25])  # x, y in pixels: dlib's account of where it then looks is wrong by this

Images = Float[Tensor, "n 3 h w"]


class DifferentiableFace:
    """Differentiable scores of images whose face lies where it lies in a given image.

    Images are [N, 3, H, W] in [-1, 1], RGB, of that image's size, on `device`; results are [N]. Networks load when
    first needed, and raise DownloadError where their files have not been pulled.
    """

    def __init__(self, face: FaceInput, device: torch.device | str = "cpu"):
        self.face, self.device = face, torch.device(device)

    def identity(self, images: Images) -> Float[Tensor, "n 128"]:
        """Descriptors [N, 128]; those of one person are usually within 0.6."""
        return identity.descriptors(
            _weights(identity_tensors, self.device), self.chips(images, identity.SIZE, identity.PADDING)
        )

    def age(self, images: Images) -> Float[Tensor, " n"]:
        """Perceived ages in years."""
        return age_gender.age(
            _weights(age_tensors, self.device), self.chips(images, age_gender.AGE_SIZE, age_gender.PADDING)
        )

    def gender(self, images: Images) -> Float[Tensor, " n"]:
        """Log-odds of being perceived as a man rather than a woman."""
        return age_gender.gender(
            _weights(gender_tensors, self.device), self.chips(images, age_gender.GENDER_SIZE, age_gender.PADDING)
        )

    def smile(self, images: Images) -> Float[Tensor, " n"]:
        """Log-odds of "happy"."""
        return emotion.smile(_weights(emotion_tensors, self.device), self.chips(images, emotion.SIZE, emotion.PADDING))

    def chips(self, images: Images, size: int, padding: float) -> Float[Tensor, "n 3 {size} {size}"]:
        """The upright faces at `size` pixels, as `FaceInput.chip` cuts them, but without rounding."""
        height, width = self.face.pixels.shape[:2]
        if images.shape[-2:] != (height, width):
            raise ValueError(f"The images have {tuple(images.shape[-2:])} pixels, and the face's {(height, width)}.")
        return _cut(images, self.face.chip_matrix(size, padding), size)


def differentiable_face(image: Float[Tensor, "1 3 h w"], detector: FaceDetector) -> DifferentiableFace | None:
    """The largest face of an image in [-1, 1], for images in which it lies where it lies there; None without a face."""
    found = largest_face(to_pixels(image[0]), detector)
    return None if found is None else DifferentiableFace(found, image.device)


class Unlikeness:
    """The squared distance of face descriptors to those of N images, cut where those show a face; 0 where none.

    Images are [N, 3, s, s] in [-1, 1], RGB; larger ones are seen at 256 px.

    Raises:
        DownloadError: The face models have not been pulled.
    """

    def __init__(self, target: Images, detector: FaceDetector | None = None):
        detector, target = detector or FaceDetector(), _seen(target)
        self.faces = [differentiable_face(x, detector) for x in target.split(1)]
        with torch.no_grad():
            self.wanted = self._descriptors(target)

    def __call__(self, images: Images) -> Float[Tensor, " n"]:
        """The squared distances [N]."""
        return (self._descriptors(_seen(images)) - self.wanted).square().sum(1)

    def _descriptors(self, images: Images) -> Float[Tensor, "n 128"]:
        pairs = zip(self.faces, images.split(1), strict=True)
        return torch.cat([x.new_zeros(1, 128) if face is None else face.identity(x) for face, x in pairs])


def _seen(images: Images) -> Images:
    return at(images, min(SEEN, images.shape[-1]))


@cache
def _weights(read: Callable[[], dict[str, Tensor]], device: torch.device) -> dict[str, Tensor]:
    """A network's weights, read once for all faces."""
    with torch.inference_mode(False):
        return {name: x.to(device) for name, x in read().items()}


def _cut(images: Images, matrix: Float[np.ndarray, "2 3"], size: int) -> Float[Tensor, "n 3 {size} {size}"]:
    """The image at matrix (p, 1), black outside; halved first while a pixel covers more than two of the image."""
    linear, offset = matrix[:, :2], matrix[:, 2]
    while np.hypot(*linear[:, 0]) > 2:
        planes = images.flatten(0, 1)[:, None]  # [3N, 1, H, W]: faster than depthwise
        planes = downsample(planes, fir_kernel(BINOMIAL).to(images))  # the first pixel's centre stays at the first's
        images = planes[:, 0].unflatten(0, (-1, 3))
        linear, offset = linear / 2, (offset - 0.5) / 2 + 0.5 + ASIDE
    sides = np.array([[images.shape[-1]], [images.shape[-2]]])
    centre = linear @ [size / 2, size / 2] + offset
    theta = np.hstack([linear * size, 2 * centre[:, None] - sides]) / sides  # from -1 to 1 in chip and image
    grid = F.affine_grid(torch.from_numpy(theta)[None].to(images), [1, 3, size, size], align_corners=False)
    return F.grid_sample(images + 1, grid.expand(len(images), -1, -1, -1), align_corners=False) - 1
