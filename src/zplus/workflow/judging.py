"""Judge an inversion or an edit: warnings about it, identity, and scores of a face's attributes."""

import math
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from zplus.editing import directions_of
from zplus.errors import DownloadError, MissingExtraError
from zplus.faces.align import Aligned
from zplus.faces.detector import FaceDetector
from zplus.generators import Generator
from zplus.images import to_pixels
from zplus.latent import Latent
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.face_input import largest_face, mirror_gap
from zplus.perception.identity import Identity, distance
from zplus.workflow.callbacks import Callbacks
from zplus.workflow.photo import Pixels

MAX_GAP = 0.08  # distances between the eyes; .06 is the most of 159 portraits, .7 a face from the side
MAX_DOMAIN_DISTANCE = 3.0  # deviations beyond which a photo is unlike what an encoder learnt from
SAME_PERSON = 0.6  # identity distance below which the descriptor was trained to see one person
MIN_FACE_SIDE = 128  # pixels: on 64 px one cartoon of 30 is taken for the photo of a face

Scores = dict[str, float]


def load_identity(callbacks: Callbacks) -> Identity | None:
    """The identity network; None, with a warning, if it is not on this machine."""
    try:
        return Identity()
    except (DownloadError, MissingExtraError) as error:
        callbacks.warn(f"There is no identity distance: {error}")
        return None


def makes_faces(generator: Generator) -> bool:
    """Whether a generator is known to make photos of faces: directions that come for it have scores of faces."""
    return any(one.card.get("attribute") in ATTRIBUTES for one in directions_of(generator).values())


def latent_doubts(latent: Latent) -> list[str]:
    """Warnings that follow from a latent's own figures, one sentence each."""
    found = latent.figures.get("strangeness", [0.0])[0]
    if found <= MAX_DOMAIN_DISTANCE:
        return []
    return [
        f"The photo lies {found:.1f} deviations from what the encoder learnt from (bound {MAX_DOMAIN_DISTANCE}): the "
        "result may be poor; see whether it shows what the model makes, upright and cut as the model expects it."
    ]


def face_doubts(generator: Generator, aligned: Aligned, identity: Identity, apart: float) -> list[str]:
    """Warnings about the reconstruction of a face, one sentence each.

    There are none if the crop shows no face and the generator is not known to make faces.

    Args:
        generator: The generator of the reconstruction.
        aligned: The crop of the photo.
        identity: The identity network.
        apart: The identity distance of crop and reconstruction, nan if unknown.
    """
    face, found = largest_face(aligned.pixels, identity.detector), []
    if face is not None and mirror_gap(face, identity.detector) > MAX_GAP:
        found.append(
            "The face is seen from the side or covered in part (its mirror image shows other landmarks): the "
            "reconstruction holds, but a turned head, another age or another mouth may come apart."
        )
    if math.isnan(apart) and (face is not None or makes_faces(generator)):
        found.append("No face was seen in the crop or its reconstruction, so there is no identity distance.")
    return found + other_person("The reconstruction", apart)


def other_person(what: str, apart: float) -> list[str]:
    """A warning if a distance says that an image shows another person; none for nan."""
    if not apart > SAME_PERSON:
        return []
    return [f"{what} may show somebody else: {in_words(apart)}."]


def in_words(apart: float) -> str:
    """An identity distance and what it means.

    >>> in_words(0.25)
    'identity distance 0.25 (the same person below 0.6)'
    """
    return f"identity distance {apart:.2f} (the same person below {SAME_PERSON:g})"


def identity_between(identity: Identity, first: Pixels, second: Pixels) -> float:
    """The identity distance of the faces in two images; nan if one shows no face."""
    return distance(identity.embed(first), identity.embed(second))


def measure_scores(
    generator: Generator, images: Sequence[Float[Tensor, "3 r r"]], callbacks: Callbacks
) -> list[Scores | None]:
    """Score the attributes of faces.

    The scorers are loaded only if the generator is known to make faces, or the first image shows one.

    Args:
        generator: The generator of the images.
        images: Images in [-1, 1].
        callbacks: `warn` is told if the scorers are not on this machine.

    Returns:
        For each image its scores by attribute, or None if faces are not scored.
    """
    pictures: list[Any] = [to_pixels(image) for image in images]
    try:
        detector = FaceDetector()
        if not (makes_faces(generator) or _is_face(pictures[0], detector)):
            return [None for _ in pictures]
        scorers = Scorers(detector)
        return [scorers.measure(pixels, ATTRIBUTES) for pixels in pictures]
    except (DownloadError, MissingExtraError) as error:
        callbacks.warn(f"There are no scores: {error}")
        return [None for _ in pictures]


def _is_face(pixels: Pixels, detector: FaceDetector) -> bool:
    return min(pixels.shape[:2]) >= MIN_FACE_SIDE and detector.largest(pixels) is not None
