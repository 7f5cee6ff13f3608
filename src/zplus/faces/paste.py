"""Paste an edited crop back into the photo, and keep the photo's own pixels.

    photo + fade * (change + moved * (reconstruction + tone - photo)),    change = edited - reconstruction

Where no shape moved (moved = 0), the change is added to the photo, which keeps the detail that the reconstruction
lacks. Where shapes moved (moved = 1), that detail would remain as a ghost; there the formula gives the edited crop plus
tone. Tone is the low frequencies of photo - reconstruction and keeps the photo's light and colour. `fade` is 0 at the
crop's border and `moved` changes gradually, so there is no seam. Without a change every pixel stays as it was. Where
crops of several faces overlap, a pixel belongs to the one in which it lies nearer the middle.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from zplus.errors import UnknownNameError
from zplus.faces.align import Aligned
from zplus.faces.warp import blur, invert, shifted, warp
from zplus.images import to_tensor

COARSE = 256  # pixels a side: the maps of what moved and of tone hold nothing finer
FADE = 0.09  # of the crop's side: the width of the border in which the change fades
TONE = 0.04  # of the side: sigma; narrower, old features would show again, wider, shadows would go astray
TONE_LIMIT = 0.2  # in [-1,1]: more is no light but a thing that the reconstruction lacks
WINDOW = 0.012  # of the side: sigma of the window in which a change is called flat or structured
MOVED = (0.05, 0.14)  # standard deviation of the change in it: shading stays below, lips that open go beyond
UNSEEN = (0.008, 0.024)  # rms of the change: one to three steps of 255, which nobody sees, are left out
SPREAD = 0.02  # of the side: how far replacement grows around what moved; as sigma, half that
BAND = 2_000_000  # pixels worked on at once, to bound memory

Picture = Float[Tensor, "3 r r"]


class Maps(NamedTuple):
    """What pasting finds out about a change, coarsely. The maps of a film's neighbouring frames can be joined."""

    tone: Float[Tensor, "3 c c"]  # the low frequencies of photo - reconstruction
    moved: Float[Tensor, "1 c c"]  # where shapes moved, in [0,1]
    seen: Float[Tensor, "1 c c"]  # where the change is visible at all, in [0,1]


class Change(NamedTuple):
    """What is to be pasted, in the crop's pixels."""

    change: Float[Tensor, "3 r r"]  # edited - reconstruction
    basis: Float[Tensor, "3 r r"]  # reconstruction + tone
    moved: Float[Tensor, "1 r r"]  # in [0,1]


def paste(
    aligned: Aligned,
    reconstruction: Picture,
    edited: Picture,
    mode: str = "keep",
    others: Sequence[Aligned] = (),
    onto: UInt8[np.ndarray, "h w 3"] | None = None,
    maps: Maps | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Paste an edit into the photo.

    Args:
        aligned: The photo and the place of the crop.
        reconstruction: [3, R, R] in [-1, 1], the crop without edits.
        edited: [3, R, R] in [-1, 1], the crop with edits.
        mode: "keep" keeps the photo's detail where no shape moved; "replace" takes the whole edited crop.
        others: The crops of other faces in the photo, whose parts of it are left to them.
        onto: The photo with edits of other faces pasted in already; None is the photo of the crop.
        maps: What `paste_maps` found out and `steady` joined; None finds it out.

    Returns:
        The photo, uint8 [H, W, 3]. If `edited` equals `reconstruction`, mode "keep" returns the photo pixel for pixel.

    Raises:
        UnknownNameError: There is no such mode.
    """
    if mode not in ("keep", "replace"):
        raise UnknownNameError("way to paste", mode, ["keep", "replace"])
    maps = maps or paste_maps(aligned, reconstruction, edited)
    change = _change(maps, _shown(reconstruction), _shown(edited), mode == "replace")
    result = (aligned.photo if onto is None else onto).copy()
    left, top, right, bottom = bounds(aligned.quad, *aligned.photo.shape[:2])
    rows = max(1, BAND // max(1, right - left))
    for first in range(top, bottom, rows):
        part = np.s_[first : min(first + rows, bottom), left:right]
        result[part] = _blend(aligned, change, aligned.photo[part], result[part], (left, first), others)
    return result


def _shown(image: Picture) -> Picture:
    return image.detach().cpu().float().clamp(-1, 1)


def paste_maps(aligned: Aligned, reconstruction: Picture, edited: Picture) -> Maps:
    """What `paste` finds out about the same pictures."""
    reconstruction, edited = _shown(reconstruction), _shown(edited)
    return Maps(tone(aligned, reconstruction), *_moved(edited - reconstruction))


def steady(maps: Sequence[Maps]) -> Maps:
    """The maps of a frame of a film, from those of the 3 frames or more around it, so that nothing flickers.

    Light is averaged. What moves in a frame counts for those beside it too, as it does for the pixels around: the
    largest values of three frames are averaged.
    """
    tone, moved, seen = (torch.stack(kind) for kind in zip(*maps, strict=True))
    return Maps(tone.mean(0), _lasting(moved), _lasting(seen))


def _lasting(maps: Float[Tensor, "t 1 c c"]) -> Float[Tensor, "1 c c"]:
    return torch.stack([maps[i - 1 : i + 2].amax(0) for i in range(1, len(maps) - 1)]).mean(0)


def _change(maps: Maps, reconstruction: Picture, edited: Picture, replace: bool) -> Change:
    size = reconstruction.shape[-1]
    change = edited - reconstruction
    basis = reconstruction + resized(maps.tone, size)
    if replace:
        return Change(change, basis, torch.ones(1, size, size))
    return Change(change * resized(maps.seen, size), basis, resized(maps.moved, size))


def tone(aligned: Aligned, reconstruction: Picture) -> Float[Tensor, "3 c c"]:
    """The low frequencies of photo - reconstruction: light and colour that the reconstruction lacks."""
    coarse = min(COARSE, reconstruction.shape[-1])
    lacking = _averaged(to_tensor(aligned.pixels)[0], coarse) - _averaged(reconstruction, coarse)
    return blur(lacking, TONE * coarse).clamp(-TONE_LIMIT, TONE_LIMIT)


def _moved(change: Picture) -> tuple[Float[Tensor, "1 c c"], Float[Tensor, "1 c c"]]:
    """Where a change has structure, so that shapes moved; and where it is visible at all. Both in [0, 1]."""
    coarse = min(COARSE, change.shape[-1])
    square = blur(_averaged(change.square(), coarse), WINDOW * coarse).mean(0, keepdim=True)
    mean = blur(_averaged(change, coarse), WINDOW * coarse)
    deviation = (square - mean.square().mean(0, keepdim=True)).clamp(min=0).sqrt()
    moved = _grown(_step(deviation, *MOVED), SPREAD * coarse)
    return moved, torch.maximum(moved, _step(square.sqrt(), *UNSEEN))


def _grown(mask: Float[Tensor, "1 c c"], reach: float) -> Float[Tensor, "1 c c"]:
    """The mask dilated and then blurred, so that it stays 1 where it was 1."""
    wide = 2 * round(reach) + 1
    return blur(F.max_pool2d(mask[None], wide, stride=1, padding=wide // 2)[0], reach / 2)


def _blend(
    aligned: Aligned,
    crop: Change,
    photo: UInt8[np.ndarray, "h w 3"],
    onto: UInt8[np.ndarray, "h w 3"],
    corner: tuple[int, int],
    others: Sequence[Aligned],
) -> UInt8[np.ndarray, "h w 3"]:
    """The part of the photo that starts at `corner` (x, y), with the change in it, and what is in `onto` already."""
    matrix = shifted(invert(aligned.matrix(crop.change.shape[-1])), corner)
    seen = warp(torch.cat(crop), matrix, photo.shape[:2])  # [7, h, w]
    change, basis, moved = seen[:3], seen[3:6], seen[6:].clamp(0, 1)
    pixels = torch.from_numpy(photo).permute(2, 0, 1).float()  # 0..255
    added = 127.5 * change + moved * (127.5 * (basis + 1) - pixels)
    fade = _fade(aligned, photo.shape[:2], corner) * _owned(aligned, others, photo.shape[:2], corner)
    before = torch.from_numpy(onto).permute(2, 0, 1)
    result = (before + fade * added + 0.5).floor().clamp(0, 255)
    return result.to(torch.uint8).permute(1, 2, 0).numpy()


def _fade(aligned: Aligned, size: tuple[int, int], corner: tuple[int, int]) -> Float[Tensor, "h w"]:
    """1 inside the crop, falling smoothly to 0 at its borders that lie in the photo; 0 outside the crop.

    The inside is a rounded square (|x|^6 + |y|^6 < 1): its corners show background, and often a collar.
    """
    x, y = _place(aligned, size, corner)
    inside = ((x.abs() <= 1) & (y.abs() <= 1)).float()
    left, upper, right, lower = (0.0 if hidden else 1.0 for hidden in _hidden_sides(aligned))
    radius = ((x * torch.where(x < 0, left, right)) ** 6 + (y * torch.where(y < 0, upper, lower)) ** 6) ** (1 / 6)
    return inside * _step((1 - radius) / 2, 0.0, FADE)


def _owned(
    aligned: Aligned, others: Sequence[Aligned], size: tuple[int, int], corner: tuple[int, int]
) -> Float[Tensor, "h w"]:
    """1 where the middle of this crop is nearer than those of others, in their own sizes; 0 where it is not."""

    def radius(one: Aligned) -> Float[Tensor, "h w"]:
        x, y = _place(one, size, corner)
        return (x**2 + y**2).sqrt()

    found, own = torch.ones(size), radius(aligned)
    for one in others:
        found = torch.minimum(found, _step(radius(one) - own, -FADE, FADE))
    return found


def _place(aligned: Aligned, size: tuple[int, int], corner: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Where the photo's pixels lie in the crop: x and y, [h, w], in -1..1."""
    points = np.stack(np.meshgrid(np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5), axis=-1)
    back = shifted(invert(aligned.matrix(1)), corner)
    x, y = torch.from_numpy(2 * (points @ back[:, :2].T + back[:, 2]) - 1).float().unbind(-1)
    return x, y


def _hidden_sides(aligned: Aligned) -> list[bool]:
    """For the crop's left, upper, right and lower side: whether it lies wholly outside the photo."""
    height, width = aligned.photo.shape[:2]
    beyond = np.hstack([aligned.quad <= 0, aligned.quad >= (width, height)])  # [4 corners, 4 borders]
    ends = ((0, 1), (0, 3), (2, 3), (1, 2))
    return [bool((beyond[a] & beyond[b]).any()) for a, b in ends]


def bounds(quad: Float[np.ndarray, "4 2"], height: int, width: int) -> tuple[int, int, int, int]:
    """The part of a photo that a crop touches: left, top, right, bottom, in whole pixels."""
    left, top = np.floor(quad.min(0)).astype(int)
    right, bottom = np.ceil(quad.max(0)).astype(int)
    return max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom))


def _step(x: Tensor, low: float, high: float) -> Tensor:
    """0 below low, 1 above high, smooth between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _averaged(image: Float[Tensor, "c r r"], size: int) -> Float[Tensor, "c s s"]:
    return F.adaptive_avg_pool2d(image, size)


def resized(image: Float[Tensor, "c s s"], size: int) -> Float[Tensor, "c r r"]:
    """A coarse map at the size of a picture."""
    return F.interpolate(image[None], (size, size), mode="bilinear", align_corners=False)[0]
