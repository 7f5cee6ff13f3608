"""A latent opened for sliders: its picture after an edit, undo and redo, and its place in a photo."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import RLock

import numpy as np
import torch
from torch import Tensor

from zplus.direction import Direction
from zplus.editing import Editor
from zplus.errors import ZplusError
from zplus.faces.align import Aligned, whole
from zplus.faces.paste import paste, resized, tone
from zplus.images import fitted, to_pixels
from zplus.latent import Edit, Latent
from zplus.studio.history import History
from zplus.studio.models import Models
from zplus.workflow.options import Feature
from zplus.workflow.photo import Pixels

PREVIEW = 1024  # pixels of the longer side of what the page shows
DRAGGED = "drag"  # the method in the card of a direction that a drag found
_numbers = itertools.count(1)


@dataclass(frozen=True)
class SliderState:
    """What a face is to become.

    Attributes:
        strengths: Of each slider, in standard deviations.
        feature: How F follows.
        drags: The edits that drags of points found, each at its own strength.
    """

    strengths: tuple[float, ...]
    feature: Feature = "moved"
    drags: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where a latent comes from, so that a command can say it.

    Attributes:
        face: The number of the face in the photo; AS_IT_IS for a picture that is cut already.
        seed: Of a face that was sampled.
        method: A name of `zplus.PRESETS` for an inversion.
        steps: Of an inversion; None for those of the method.
    """

    face: int = 0
    seed: int | None = None
    method: str = ""
    steps: int | None = None


@dataclass
class About:
    """What goes with an opened latent: its origin, doubts about its inversion, and its id on the shelf."""

    origin: Origin = Origin()
    doubts: list[str] = field(default_factory=list)
    kept: str | None = None


class Opened:
    """One latent of a model, of a face in a photo or of none.

    Edits of the latent that belong to a slider become that slider's strength, and drags can be undone; others stay.

    Args:
        models: The models of the studio.
        model: The name of one.
        latent: Of one row.
        target: The photo and its crop; None where there is no photo.
        about: What goes with it.

    Attributes:
        number: Its own among all that this program opened.
        first: What the face was when it was opened: the edits that the latent came with.
        lock: Held while its networks run.
    """

    def __init__(self, models: Models, model: str, latent: Latent, target: Aligned | None, about: About | None = None):
        self.number, self.model, self.about = next(_numbers), model, about or About()
        self.has_photo, self._models = target is not None, models
        self.generator, self.sliders = models.generator(model), models.sliders(model)
        first, rest = _split(latent, self.sliders)
        latent = replace(latent, edits=rest, edited=None)
        quick = None if latent.added or latent.offsets else models.execution(model)
        if quick is not None and target is None:  # compiled code takes ten seconds to load: too long for a first look
            quick = replace(quick, compiled=False)
        self._editor, self.lock = Editor(self.generator, latent, quick), RLock()
        self.latent, bare = self._editor.edit({}) if rest else latent, replace(latent, edits=())
        self.reconstruction = self._editor.image(self.latent)[0].cpu()  # now, so that no slider waits for a compiler
        self._inverted = self._editor.image(bare)[0].cpu() if rest else self.reconstruction
        self.target = target or whole(to_pixels(self.reconstruction), self.generator.resolution)
        self.first, self.history = first, History(first)

    @property
    def state(self) -> SliderState:
        """What the face is to become now."""
        return self.history.now

    def move(self, strengths: Sequence[float], feature: Feature, gesture: str = "") -> None:
        """The sliders were moved; moves of one gesture are undone together. Raises ZplusError."""
        if len(strengths) != len(self.sliders) or not np.isfinite(strengths).all():
            raise ZplusError("The sliders do not fit what is open: load the page again.")
        self.history.put(replace(self.state, strengths=tuple(strengths), feature=feature), gesture)

    def dragged(self, latent: Latent) -> None:
        """Points were dragged: the last edit of the latent is one more step."""
        old = {drag.direction.name for drag in self.state.drags}
        found = [one for one in latent.edits if _is_drag(one) and one.direction.name not in old]
        self.history.put(replace(self.state, drags=(*self.state.drags, *found)))

    def reset(self) -> None:
        """The face as it was inverted, which can be undone."""
        self.history.put(SliderState((0.0,) * len(self.sliders), self.state.feature))

    def moved(self, state: SliderState) -> list[tuple[Direction, float]]:
        """The directions of a state that are not at 0, with their strengths."""
        drags = [(drag.direction, drag.strength) for drag in state.drags]
        return [pair for pair in zip(self.sliders, state.strengths, strict=True) if pair[1]] + drags

    def edited(self, state: SliderState, part: float = 1.0) -> Latent:
        """The latent after `part` of an edit."""
        with self.lock:
            strengths = {direction: part * strength for direction, strength in self.moved(state)}
            return self._editor.edit(strengths, feature=state.feature)

    def picture(self, state: SliderState, part: float = 1.0) -> Tensor:
        """The edited crop [3, R, R] in [-1, 1] as it is shown while sliders move."""
        if not self.moved(state) or not part:
            return self.reconstruction
        with self.lock:
            self._models.runs += 1
            return self._editor.image(self.edited(state, part))[0].cpu()

    def before(self) -> Pixels:
        """What the crop is compared with, as large as the page shows it."""
        return fitted(self.target.pixels, PREVIEW)

    def after(self) -> Pixels:
        """The edited crop, as large as the page shows it; of a photo in its light and colours, as it is pasted."""
        return fitted(to_pixels(self.picture(self.state) + self.tone), PREVIEW)

    def pasted(self, onto: Pixels, others: Sequence[Aligned]) -> Pixels:
        """A photo as large as the page shows it, with the edit pasted in. See `zplus.paste`."""
        image = self.picture(self.state)
        return onto if image is self._inverted else paste(self.small, self._inverted, image, "keep", others, onto)

    @cached_property
    def tone(self) -> Tensor:
        """What brings the crop of a photo into its light and colours, [3, R, R] or nothing."""
        if not self.has_photo:
            return torch.zeros(())
        return resized(tone(self.target, self._inverted), self.generator.resolution)

    @cached_property
    def small(self) -> Aligned:
        """The photo as large as the page shows it, and where the crop lies in it."""
        photo = fitted(self.target.photo, PREVIEW)
        return replace(self.target, photo=photo, quad=self.target.quad * (len(photo) / len(self.target.photo)))


def _is_drag(edit: Edit) -> bool:
    return edit.direction.card.get("method") == DRAGGED


def _split(latent: Latent, sliders: Sequence[Direction]) -> tuple[SliderState, tuple[Edit, ...]]:
    """The state that the edits of sliders and drags amount to, and the other edits."""
    strengths = [0.0] * len(sliders)
    drags: list[Edit] = []
    rest: list[Edit] = []
    for edit in latent.edits:
        vector = edit.direction.vector.cpu()
        own = [i for i, slider in enumerate(sliders) if edit.layers is None and torch.equal(slider.vector, vector)]
        if own:
            strengths[own[0]] += edit.strength
        else:
            (drags if _is_drag(edit) and edit.layers is None else rest).append(edit)
    return SliderState(tuple(strengths), latent.feature, tuple(drags)), tuple(rest)
