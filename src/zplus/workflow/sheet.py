"""Many pictures as one: contact sheets, strips, and animations there and back."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zplus.images import fitted
from zplus.workflow.photo import Pixels

RATE = 12.0  # pictures a second of an animation
GAP, TEXT = 12, 18  # pixels between pictures; height of the letters
PAPER, INK = (250, 250, 248), (40, 40, 40)


class Cell(NamedTuple):
    """A picture, uint8 RGB [H,W,3], and what is written below it."""

    pixels: Pixels
    caption: str


def contact_sheet(rows: Sequence[Sequence[Cell]], side: int = 256) -> Pixels:
    """The rows one below the other, each picture within side x side pixels."""
    step, line = side + GAP, side + GAP + 2 * TEXT
    size = GAP + step * max(len(row) for row in rows), GAP + line * len(rows)
    sheet = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            x, y = GAP + step * j, GAP + line * i
            small = fitted(cell.pixels, side)
            sheet.paste(Image.fromarray(small), (x + (side - small.shape[1]) // 2, y + (side - small.shape[0]) // 2))
            draw.text((x + side / 2, y + side + TEXT), cell.caption, INK, font, anchor="mm")
    return np.array(sheet)


def strip(pictures: Sequence[Pixels]) -> Pixels:
    """Pictures of one size side by side."""
    return np.concatenate(pictures, axis=1)


def there_and_back(pictures: Sequence[Pixels]) -> list[Pixels]:
    """The frames of an animation that begins anew without a jump."""
    return [*pictures, *pictures[-2:0:-1]]
