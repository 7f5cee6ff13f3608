"""The options of the workflow, each a record that the command line, Python and what is stored share. No torch here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from zplus.errors import ZplusError

Feature = Literal["moved", "added", "fixed"]  # `zplus.latent.FeatureMove` and `Move`, which come with torch
Move = Literal["straight", "sphere"]
Paste = Literal["keep", "replace"]
LearnSpace = Literal["z", "w", "s"]


@dataclass(frozen=True)
class InvertOptions:
    """How photos are inverted. Kept in the record of every inversion.

    model: a name of the zoo or a file. method: a preset of `zplus.inversion.PRESETS`. layer: where F sits, None for the
    default. steps, seed: None is the method's. start: the name of an init or the file of a latent. face: 0 is the
    largest. align: False for a photo that is cut already. label: of a conditional model. encoder: a file, None for the
    one that comes with the model.
    """

    model: str = "ffhq-mobile"
    space: str = "f/z+"
    method: str = "default"
    layer: str | None = None
    psi: float = 1.0
    steps: int | None = None
    seed: int | None = None
    start: str | None = None
    face: int = 0
    align: bool = True
    device: str = "cpu"
    label: int | None = None
    encoder: str | None = None


@dataclass(frozen=True)
class EditOptions:
    """What becomes of a latent.

    strengths: in standard deviations, by direction (name or file). targets: scores to reach, by direction. sweep: a
    direction and its strengths, one picture each. feature, move: None is as the latent has it. mask: a region of the
    face or a picture, white where the edit shows. paste: keeps the photo's pixels where no shape moved, or replaces the
    whole crop. crop_alone: writes the crop, not the photo. scores: whether to measure the attributes before and after.
    """

    strengths: Mapping[str, float] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    sweep: tuple[str, tuple[float, ...]] | None = None
    feature: Feature | None = None
    move: Move | None = None
    mask: str | None = None
    paste: Paste = "keep"
    crop_alone: bool = False
    scores: bool = True

    @property
    def moved(self) -> tuple[str, ...]:
        """The directions whose strengths are given."""
        return (*self.strengths, *((self.sweep[0],) if self.sweep else ()))


@dataclass(frozen=True)
class LearnOptions:
    """What is learnt of a generator, and from what: one of attribute or scorer, components, positive and negative.

    name: None is the attribute's or the file's. method: a finder of `zplus.editing.FINDERS`, None for the first that
    fits. scorer: MODULE:FUNCTION. layers: FIRST:LAST. without: directions that are projected out. samples: drawn and
    scored. align: of the sorted pictures.
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
    """FIRST:LAST as numbers. Raises ZplusError where there are no such codes.

    >>> layer_range("0:5", 18)
    (0, 5)
    """
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and int(first) < int(last) <= codes):
        raise ZplusError(f"--layers is {text!r}, but must be FIRST:LAST with 0 <= FIRST < LAST <= {codes}.")
    return int(first), int(last)
