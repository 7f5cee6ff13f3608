"""A latent opened for sliders: previews, undo and redo, paste, and what can be downloaded."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import RLock

import numpy as np
import torch
from torch import Tensor

from zplus.direction import Direction
from zplus.editing import Editor
from zplus.errors import ZplusError
from zplus.faces.align import Aligned, whole
from zplus.faces.paste import paste
from zplus.images import fitted, image_bytes, to_pixels
from zplus.latent import Edit, Latent, save_latent
from zplus.spaces import render
from zplus.studio.history import History
from zplus.studio.models import Models
from zplus.studio.passing import given_out
from zplus.studio.pictures import address, animated
from zplus.workflow.editing import finished
from zplus.workflow.options import Feature
from zplus.workflow.photo import Pixels
from zplus.workflow.sheet import strip

PREVIEW = 1024  # pixels of the longer side of what the page shows
STRIP = (0.0, 0.25, 0.5, 0.75, 1.0)  # parts of the edit
FRAMES = 24  # of an animation, one way
FRAME = 512  # pixels a side of its frames


@dataclass(frozen=True)
class SliderState:
    """What the sliders say, in standard deviations, and how F goes with it."""

    strengths: tuple[float, ...]
    feature: Feature = "moved"


class Opened:
    """One latent of a model, of one photo or of none. target: the photo and its crop, where there is a photo.

    Edits of the latent that belong to a slider become that slider's strength; others stay as they are.
    """

    def __init__(self, models: Models, model: str, latent: Latent, target: Aligned | None, name: str):
        self.model, self.name, self.has_photo, self._models = model, name, target is not None, models
        self.generator, self.sliders = models.generator(model), models.sliders(model)
        strengths, rest = _split(latent.edits, self.sliders)
        latent = replace(latent, edits=rest, edited=None)
        quick = None if latent.added or latent.offsets else models.execution(model)
        self._editor, self._lock = Editor(self.generator, latent, quick), RLock()
        self.latent, bare = self._editor.edit({}) if rest else latent, replace(latent, edits=())
        self.reconstruction = self._editor.image(self.latent)[0].cpu()  # now, so that no slider waits for a compiler
        self._inverted = self._editor.image(bare)[0].cpu() if rest else self.reconstruction
        self.target = target or whole(to_pixels(self.reconstruction), self.generator.resolution)
        self._before: dict[bool, str] = {}
        self.history = History(SliderState(strengths, latent.feature))

    @property
    def state(self) -> SliderState:
        """What the sliders say now."""
        return self.history.now

    def move(self, state: SliderState) -> None:
        """The sliders were moved; those of one slider that follow each other soon are undone together."""
        if len(state.strengths) != len(self.sliders) or not np.isfinite(state.strengths).all():
            raise ZplusError("The sliders do not fit what is open: load the page again.")
        moved = [i for i, (a, b) in enumerate(zip(state.strengths, self.state.strengths, strict=True)) if a != b]
        self.history.put(state, str(moved), time.monotonic())

    def reset(self) -> None:
        """All sliders to 0, which can be undone."""
        self.history.put(SliderState((0.0,) * len(self.sliders), self.state.feature), "reset", time.monotonic())

    def edited(self, state: SliderState, part: float = 1.0) -> Latent:
        """The latent after `part` of an edit."""
        with self._lock:
            strengths = {direction: part * strength for direction, strength in self._moved(state)}
            return self._editor.edit(strengths, feature=state.feature)

    def picture(self, state: SliderState, part: float = 1.0) -> Tensor:
        """The edited crop [3, R, R] as it is shown while sliders move."""
        if not self._moved(state) or not part:
            return self.reconstruction
        with self._lock:
            self._models.runs += 1
            return self._editor.image(self.edited(state, part))[0].cpu()

    def before(self, in_photo: bool) -> str:
        """The address of what is compared with: the photo or its crop, as large as the page shows it."""
        if in_photo not in self._before:
            pixels = self._small.photo if in_photo else fitted(self.target.pixels, PREVIEW)
            self._before[in_photo] = address(pixels, edited=not self.has_photo)
        return self._before[in_photo]

    def after(self, in_photo: bool) -> Pixels:
        """The edit, in the photo or as a crop, as large as the page shows it."""
        image = self.picture(self.state)
        return paste(self._small, self._inverted, image) if in_photo else fitted(to_pixels(image), PREVIEW)

    def download(self, kind: str, in_photo: bool) -> tuple[bytes, str]:
        """A file and its name: "picture" at full size, "strip", "animation" or "latent"."""
        state = self.state
        moved, edited = self._moved(state), self.edited(state)
        note = ", ".join(f"{direction.name} {strength:+g}" for direction, strength in moved)
        if kind == "latent":
            content = given_out("latent.safetensors", lambda path: save_latent(edited, path))
            return content, f"{self.name}.latent.safetensors"
        if kind == "picture":
            target, suffix = (self.target, ".jpg") if in_photo and self.has_photo else (None, ".png")
            with self._lock:
                image = render(self.generator, edited)[0].cpu()
                pixels = finished(self.generator, edited, image, target)
            return image_bytes(pixels, suffix, note), f"{self.name}.edited{suffix}"
        if not moved:
            raise ZplusError("Move a slider first: a strip and an animation show the way to an edit.")
        if kind == "strip":
            frames = [to_pixels(self.picture(state, part)) for part in STRIP]
            return image_bytes(strip(frames), ".png", note), f"{self.name}.strip.png"
        frames = [fitted(to_pixels(self.picture(state, i / (FRAMES - 1))), FRAME) for i in range(FRAMES)]
        return animated(frames, note), f"{self.name}.animation.webp"

    def _moved(self, state: SliderState) -> list[tuple[Direction, float]]:
        return [pair for pair in zip(self.sliders, state.strengths, strict=True) if pair[1]]

    @cached_property
    def _small(self) -> Aligned:
        """The photo as large as the page shows it."""
        photo = fitted(self.target.photo, PREVIEW)
        return replace(self.target, photo=photo, quad=self.target.quad * (len(photo) / len(self.target.photo)))


def _split(edits: Sequence[Edit], sliders: Sequence[Direction]) -> tuple[tuple[float, ...], tuple[Edit, ...]]:
    """The strength of each slider, and the edits that are no slider's."""
    strengths, rest = [0.0] * len(sliders), []
    for edit in edits:
        vector = edit.direction.vector.cpu()
        own = [i for i, slider in enumerate(sliders) if edit.layers is None and torch.equal(slider.vector, vector)]
        if own:
            strengths[own[0]] += edit.strength
        else:
            rest.append(edit)
    return tuple(strengths), tuple(rest)
