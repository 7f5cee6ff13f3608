"""Options of the workflow, shared by the command line, Python and the stored records. This module imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from zplus.errors import ZplusError

Feature = Literal["moved", "added", "fixed"]  # `zplus.latent.FeatureMove` and `Move`, which come with torch
Move = Literal["straight", "sphere"]
Paste = Literal["keep", "replace"]
LearnSpace = Literal["z", "w", "s"]


@dataclass(frozen=True)
class InvertOptions:
    """How photos are inverted; stored with every inversion.

    Attributes:
        model: A name of `zplus.MODELS` or the file of a generator.
        space: A name of `zplus.SPACES`.
        method: A name of `zplus.PRESETS`.
        layer: The layer of F, by resolution or name; None is the default of the space.
        psi: Truncation in [0, 1]; 1 is none.
        steps: Steps of the inversion; None is the default of the method.
        seed: Seed of random numbers; None is the default of the method.
        start: The initial code: encoder, common, random, mean, or the file of a latent.
        face: The number of the face, by size; 0 is the largest. "all" takes all faces of a photo.
        align: Whether to find and crop a face; False takes the square in the middle of the photo.
        device: cpu, cuda or mps.
        label: The class of a conditional model.
        encoder: The file of an encoder; None is the one that comes with the model.
        transform: How a StyleGAN3 turns and moves what it draws, "ANGLE", "ANGLE,X,Y" or nine numbers of a matrix; None
            leaves it. See `zplus.generators.transform`.
    """

    model: str = "ffhq-mobile"
    space: str = "f/z+"
    method: str = "default"
    layer: str | None = None
    psi: float = 1.0
    steps: int | None = None
    seed: int | None = None
    start: str | None = None
    face: int | Literal["all"] = 0
    align: bool = True
    device: str = "cpu"
    label: int | None = None
    encoder: str | None = None
    transform: str | None = None


@dataclass(frozen=True)
class EditOptions:
    """How a latent is edited and what is written.

    Attributes:
        strengths: Strengths in standard deviations, by name or file of a direction.
        targets: Scores to reach, by name or file of a direction.
        sweep: A direction and a series of strengths, one image each.
        feature: How F changes with an edit; None is the latent's own way. See `zplus.edit`.
        move: How the code moves; None is the latent's own way. See `zplus.edit`.
        mask: A region of the face, or an image that is white where the edit shows.
        paste: Keep the photo's pixels where no shape moved, or replace the whole crop.
        keep_identity: Correct the edits so that the person stays more alike. See `zplus.keep_identity`.
        crop_alone: Write the crop instead of the photo.
        scores: Measure the attributes before and after the edit.
        own: More strengths of single faces of a photo, by the number of the face.
    """

    strengths: Mapping[str, float] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    sweep: tuple[str, tuple[float, ...]] | None = None
    feature: Feature | None = None
    move: Move | None = None
    mask: str | None = None
    paste: Paste = "keep"
    keep_identity: bool = False
    crop_alone: bool = False
    scores: bool = True
    own: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    @property
    def moved(self) -> tuple[str, ...]:
        """The directions whose strengths are given."""
        own = (name for strengths in self.own.values() for name in strengths)
        return (*self.strengths, *own, *((self.sweep[0],) if self.sweep else ()))

    def of_face(self, number: int) -> "EditOptions":
        """What one of several faces is to become: what all become, and its own."""
        strengths = dict(self.strengths)
        for name, strength in self.own.get(number, {}).items():
            strengths[name] = strengths.get(name, 0.0) + strength
        return replace(self, strengths=strengths, own={})


@dataclass(frozen=True)
class VideoOptions:
    """How a film is edited.

    Attributes:
        mask: A region of the face, or an image that is white where the edit shows.
        paste: Keep the frames' pixels where no shape moved, or replace the whole crop.
        frame_steps: Steps of the inversion of each frame but the key frame, from its neighbour's latent.
        quality: x264's CRF, 0 (lossless) to 51; smaller is better.
        rate: Frames a second of a folder of pictures; a film keeps its own.
    """

    mask: str | None = None
    paste: Paste = "keep"
    frame_steps: int = 10
    quality: int = 16
    rate: float = 25.0


@dataclass(frozen=True)
class LearnOptions:
    """Which directions are learnt. Give an attribute or a scorer, or components, or positive and negative.

    Attributes:
        model: A name of `zplus.MODELS` or the file of a generator.
        label: The class of a conditional model.
        name: The name of the direction; None is that of the attribute or of the file.
        method: A name of `zplus.FINDERS`; None is the first that fits.
        attribute: A name of `zplus.ATTRIBUTES`, or the name of what the scorer measures.
        scorer: MODULE:FUNCTION, from pixels uint8 [H, W, 3] to a number.
        components: The number of directions to find without scores.
        positive: A folder of images with the attribute.
        negative: A folder of images without it.
        space: The space that is searched.
        layers: FIRST:LAST, the codes that move; None is all.
        without: Directions that are projected out.
        samples: The number of samples that are drawn and scored.
        seed: Seed of the samples.
        align: Whether the images of the folders are aligned first.
        device: cpu, cuda or mps.
    """

    model: str = InvertOptions.model
    label: int | None = None
    name: str | None = None
    method: str | None = None
    attribute: str | None = None
    scorer: str | None = None
    components: int | None = None
    positive: Path | None = None
    negative: Path | None = None
    space: str = "w"
    layers: str | None = None
    without: Sequence[str] = ()
    samples: int = 5000
    seed: int = 1
    align: bool = True
    device: str = InvertOptions.device


def layer_range(text: str, codes: int) -> tuple[int, int]:
    """Parse FIRST:LAST.

    Raises:
        ZplusError: The text is no range of that many codes.

    >>> layer_range("0:5", 18)
    (0, 5)
    """
    first, _, last = text.partition(":")
    numbers = first.isdecimal() and last.isdecimal() and len(text) < 20  # int() refuses thousands of digits
    if not (numbers and int(first) < int(last) <= codes):
        raise ZplusError(f"--layers is {text[:60]!r}, but must be FIRST:LAST with 0 <= FIRST < LAST <= {codes}.")
    return int(first), int(last)
