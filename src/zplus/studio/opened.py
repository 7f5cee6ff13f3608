"""A latent opened for sliders: previews, undo and redo, paste, and what can be downloaded."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import RLock

import numpy as np
import torch
from torch import Tensor

from zplus.editing import Editor
from zplus.errors import ZplusError
from zplus.faces.align import Aligned, whole
from zplus.faces.paste import paste
from zplus.generators import Generator
from zplus.images import fitted, to_pixels
from zplus.inversion.execution import Execution
from zplus.latent import Edit, Latent, save_latent
from zplus.spaces import render
from zplus.studio.history import History
from zplus.studio.models import Slider
from zplus.studio.passing import given_out
from zplus.studio.pictures import Pixels, address, animated, encoded

PREVIEW = 1024  # pixels of the longer side of what the page shows
STRIP = (0.0, 0.25, 0.5, 0.75, 1.0)  # parts of the edit
FRAMES = 24  # of an animation, one way
FRAME = 512  # pixels a side of its frames


@dataclass(frozen=True)
class Wish:
    """What the sliders say, in standard deviations, and how F goes with it."""

    strengths: tuple[float, ...]
    feature: str = "moved"

    @property
    def nothing(self) -> bool:
        """Whether no slider was moved."""
        return not any(self.strengths)


class Opened:
    """One latent, of one photo or of none. target: the photo and its crop, where there is a photo.

    Edits of the latent that belong to a slider become that slider's strength; others stay as they are.
    """

    def __init__(
        self,
        generator: Generator,
        sliders: Sequence[Slider],
        latent: Latent,
        target: Aligned | None,
        execution: Execution,
        name: str,
    ):
        self.generator, self.sliders, self.name = generator, tuple(sliders), name
        strengths, rest = _split(latent.edits, sliders)
        latent = replace(latent, edits=rest, edited=None)
        quick = None if latent.added or latent.offsets else execution
        self._editor = Editor(generator, latent, quick)
        self.latent = self._editor.edit({}) if rest else latent
        self._target, self._lock = target, RLock()
        self._before: dict[bool, str] = {}
        self.history = History(Wish(strengths, latent.feature))

    @property
    def wish(self) -> Wish:
        """What the sliders say now."""
        return self.history.now

    @property
    def has_photo(self) -> bool:
        """Whether there is a photo to paste into."""
        return self._target is not None

    @cached_property
    def target(self) -> Aligned:
        """The photo and its crop; without a photo the reconstruction stands for both."""
        return self._target or whole(self.reconstruction_pixels, self.generator.resolution)

    @cached_property
    def reconstruction(self) -> Tensor:
        """The picture [3, R, R] of the latent before the sliders."""
        with self._lock:
            return self._editor.picture(self.latent)[0].cpu()

    @property
    def reconstruction_pixels(self) -> Pixels:
        """The same as pixels."""
        return to_pixels(self.reconstruction)

    def move(self, wish: Wish) -> None:
        """The sliders were moved; those of one slider that follow each other soon are undone together."""
        if len(wish.strengths) != len(self.sliders) or not np.isfinite(wish.strengths).all():
            raise ZplusError("The sliders do not fit what is open: load the page again.")
        moved = [i for i, (a, b) in enumerate(zip(wish.strengths, self.wish.strengths, strict=True)) if a != b]
        self.history.put(wish, str(moved), time.monotonic())

    def reset(self) -> None:
        """All sliders to 0, which can be undone."""
        self.history.put(Wish((0.0,) * len(self.sliders), self.wish.feature), "reset", time.monotonic())

    def edited(self, wish: Wish, part: float = 1.0) -> Latent:
        """The latent after `part` of an edit."""
        pairs = zip(self.sliders, wish.strengths, strict=True)
        strengths = {slider.direction: part * strength for slider, strength in pairs if strength}
        with self._lock:
            return self._editor.edit(strengths, feature=wish.feature)  # type: ignore[arg-type]

    def picture(self, wish: Wish, part: float = 1.0) -> Tensor:
        """The edited crop [3, R, R] as it is shown while sliders move."""
        if wish.nothing or not part:
            return self.reconstruction
        with self._lock:
            return self._editor.picture(self.edited(wish, part))[0].cpu()

    def before(self, in_photo: bool) -> str:
        """The address of what is compared with: the photo or its crop, as large as the page shows it."""
        if in_photo not in self._before:
            pixels = self._small.photo if in_photo else fitted(self.target.pixels, PREVIEW)
            self._before[in_photo] = address(pixels, edited=not self.has_photo)
        return self._before[in_photo]

    def after(self, in_photo: bool) -> Pixels:
        """The edit, in the photo or as a crop, as large as the page shows it."""
        image = self.picture(self.wish)
        if not in_photo:
            return fitted(to_pixels(image), PREVIEW)
        return paste(self._small, self.reconstruction, image)

    def download(self, kind: str, in_photo: bool) -> tuple[bytes, str]:
        """A file and its name: "picture" at full size, "strip", "animation" or "latent"."""
        stem, wish, note = self.name, self.wish, self.note
        if kind == "latent":
            edited = self.edited(wish)
            content = given_out("latent.safetensors", lambda path: save_latent(edited, path))
            return content, f"{stem}.latent.safetensors"
        if kind == "picture":
            with self._lock, torch.inference_mode():
                before, after = (render(self.generator, x)[0].cpu() for x in (self.latent, self.edited(wish)))
            if in_photo and self.has_photo:
                return encoded(paste(self.target, before, after), ".jpg", note), f"{stem}.edited.jpg"
            return encoded(to_pixels(after), ".png", note), f"{stem}.edited.png"
        if wish.nothing:
            raise ZplusError("Move a slider first: a strip and an animation show the way to an edit.")
        if kind == "strip":
            frames = [to_pixels(self.picture(wish, part)) for part in STRIP]
            return encoded(np.concatenate(frames, axis=1), ".png", note), f"{stem}.strip.png"
        frames = [fitted(to_pixels(self.picture(wish, i / (FRAMES - 1))), FRAME) for i in range(FRAMES)]
        return animated(frames, note), f"{stem}.animation.webp"

    @property
    def note(self) -> str:
        """The edit in words, for the mark of a picture."""
        pairs = zip(self.sliders, self.wish.strengths, strict=True)
        return ", ".join(f"{slider.direction.name} {strength:+g}" for slider, strength in pairs if strength)

    @cached_property
    def _small(self) -> Aligned:
        """The photo as large as the page shows it."""
        photo = fitted(self.target.photo, PREVIEW)
        return replace(self.target, photo=photo, quad=self.target.quad * (len(photo) / len(self.target.photo)))


def _split(edits: Sequence[Edit], sliders: Sequence[Slider]) -> tuple[tuple[float, ...], tuple[Edit, ...]]:
    """The strength of each slider, and the edits that are no slider's."""
    strengths, rest = [0.0] * len(sliders), []
    for edit in edits:
        for i, slider in enumerate(sliders):
            if edit.layers is None and torch.equal(slider.direction.vector, edit.direction.vector.cpu()):
                strengths[i] += edit.strength
                break
        else:
            rest.append(edit)
    return tuple(strengths), tuple(rest)
