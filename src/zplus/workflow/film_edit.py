"""Edit the frames of a film, each beside its neighbours: codes, and what is pasted, are steady over time."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zplus.editing import Editor
from zplus.faces.align import Aligned
from zplus.faces.paste import Maps, bounds, paste, paste_maps, steady
from zplus.faces.regions import REGIONS, region_around
from zplus.faces.track import Piece
from zplus.faces.warp import invert
from zplus.latent import Latent, load_latent
from zplus.spaces import render, space_of
from zplus.workflow.film_faces import Places, crop_file
from zplus.workflow.film_work import FilmWork
from zplus.workflow.inverting import Inverter
from zplus.workflow.masks import mask_of
from zplus.workflow.options import VideoOptions
from zplus.workflow.photo import Pixels

CODE_SPREAD = 0.08  # seconds: sigma over which codes are averaged; speech opens and shuts the mouth in twice that
MAX_REACH = 6  # frames before and after that are averaged at most
MAPS_REACH = 2  # frames before and after whose pasted regions are joined
WORSE = 1.02  # of the mean square error: averaged codes above F are taken up to there
PROBES = 6  # frames at which that is measured
NOTHING = np.zeros((1, 1, 3), np.uint8)
RAMP = 0.2  # seconds in which an edit sets in where the face appears


class Shown(NamedTuple):
    """A frame's crop [3, R, R] before and after the edit, and where it is pasted."""

    reconstruction: Float[Tensor, "3 r r"]
    edited: Float[Tensor, "3 r r"]
    maps: Maps


class FrameEditor:
    """Edits the frames of a film that are inverted already. A few are held at a time.

    Args:
        inverter: What inverted them.
        work: Where the latents and crops are.
        places: Where the face is.
        key: The key frame, in which a mask that is the same for all frames is made.
        options: The mask, and how edits are pasted.
        strengths: Strength by the name or file of a direction.
        rate: Frames a second.
    """

    def __init__(
        self, inverter: Inverter, work: FilmWork, places: Places, key: int, options: VideoOptions,
        strengths: Mapping[str, float], rate: float,
    ):  # fmt: skip
        self.inverter, self.work, self.places, self.options = inverter, work, places, options
        self.generator, self.strengths, self.rate = inverter.generator, strengths, rate
        first = load_latent(work.latent(key))
        self.space = space_of(self.generator, first)
        self.sigma = CODE_SPREAD * rate
        self.reach = min(MAX_REACH, math.ceil(2 * self.sigma))
        self.latent = lru_cache(2 * self.reach + 1)(lambda i: load_latent(work.latent(i)))
        self.shown = lru_cache(2 * MAPS_REACH + 1)(self._shown)
        by_frame = options.mask in REGIONS and places.landmarks is not None
        self.mask = None if by_frame or options.mask is None else mask_of(options.mask, self.generator, first)
        self.averaged = self._averaged()

    def patch(self, i: int, pixels: Pixels) -> Pixels:
        """The part of frame i inside `bounds`, edited."""
        maps = [self.shown(j).maps for j in self._around(i, MAPS_REACH)]
        aligned = Aligned(pixels, self.places.quad(pixels, i), crop_file(self.work.crop(i)).pixels)
        shown = self.shown(i)
        result = paste(aligned, shown.reconstruction, shown.edited, self.options.paste, maps=steady(maps))
        left, top, right, bottom = bounds(aligned.quad, *pixels.shape[:2])
        return result[top:bottom, left:right]

    def steadied(self, i: int, averaged: Bool[Tensor, "1 _ _"]) -> Latent:
        """The latent of frame i with those numbers of its code averaged over its neighbours."""
        latent, frames = self.latent(i), self._around(i, self.reach)
        weights = torch.tensor([math.exp(-0.5 * (d / self.sigma) ** 2) for d in range(-self.reach, self.reach + 1)])
        codes = torch.cat([self.latent(j).inverted.code for j in frames])  # [frames, K, D]
        mean = torch.tensordot(weights / weights.sum(), codes, 1)[None]
        mean = self.space.retract(mean.to(self.generator.device)).cpu()
        code = torch.where(averaged.cpu(), mean, latent.inverted.code)
        return replace(latent, inverted=latent.inverted._replace(code=code))

    def _shown(self, i: int) -> Shown:
        editor = Editor(self.generator, self.steadied(i, self.averaged), self.inverter.execution)
        strengths = {name: self._onset(i) * strength for name, strength in self.strengths.items()}
        edited = editor.edit(strengths, mask=self._mask(i))
        before, after = (editor.image(x)[0].cpu() for x in (editor.latent, edited))
        return Shown(before, after, paste_maps(crop_file(self.work.crop(i)), before, after))

    def _mask(self, i: int) -> Tensor | None:
        name, landmarks = self.options.mask, self.places.landmarks
        if name not in REGIONS or landmarks is None:
            return self.mask
        back = invert(Aligned(NOTHING, self.places.quad(NOTHING, i), NOTHING).matrix(1))
        return region_around(landmarks[i] @ back[:, :2].T + back[:, 2], name)

    def _onset(self, i: int) -> float:
        """The part of the edit that frame i shows: less than 1 beside frames without a face."""
        first, last = self._piece(i)
        frames, ends = RAMP * self.rate + 1, []
        if first > 0:
            ends.append((i - first + 1) / frames)
        if last < self.places.frames:
            ends.append((last - i) / frames)
        return min([1.0, *ends])

    def _piece(self, i: int) -> Piece:
        return next(piece for piece in self.places.pieces if piece.first <= i < piece.last)

    def _around(self, i: int, reach: int) -> list[int]:
        """The frames around i; beyond the ends of its piece these are repeated."""
        first, last = self._piece(i)
        return [min(max(j, first), last - 1) for j in range(i - reach, i + reach + 1)]

    def _averaged(self) -> Bool[Tensor, "1 _ _"]:
        """Which numbers of a code are averaged: those below F, which F hides, and all where the frames stay as near."""
        everything = torch.ones(1, 1, 1, dtype=torch.bool)
        if self._error(everything) <= WORSE * self._error(~everything):
            return everything
        space = self.space
        if space.layer is None or not space.extended:
            return ~everything
        return space.layer_mask((0, self.generator.layers[space.layer].code + 1))

    def _error(self, averaged: Bool[Tensor, "1 _ _"]) -> float:
        """The mean square error of a few reconstructions."""
        frames = self.places.edited
        probes = frames[:: math.ceil(len(frames) / PROBES)]
        images = (render(self.generator, self.steadied(i, averaged)).cpu() for i in probes)
        pairs = zip(probes, images, strict=True)
        return sum(float((crop_file(self.work.crop(i)).image - image).square().mean()) for i, image in pairs)
