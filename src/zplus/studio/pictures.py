"""Pictures for the page and for downloads: what a model had a hand in carries the mark of `write_image`."""

import base64
import io
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from zplus.images import read_image, write_animation, write_image

Pixels = UInt8[np.ndarray, "_ _ 3"]
RATE = 12.0  # pictures a second of an animation


def decoded(content: bytes) -> Pixels:
    """The pixels of an uploaded file, and nothing else of it. Raises ImageError without a path of this machine."""
    with tempfile.TemporaryDirectory(prefix="zplus-") as folder:
        path = Path(folder) / "This file"
        path.write_bytes(content)
        try:
            return read_image(path)
        except Exception as error:
            raise type(error)(str(error).replace(str(path), path.name)) from None


def encoded(pixels: Pixels, suffix: str, note: str = "") -> bytes:
    """A picture as a file: ".png", ".jpg" or ".webp"."""
    with tempfile.TemporaryDirectory(prefix="zplus-") as folder:
        path = Path(folder) / f"picture{suffix}"
        write_image(path, pixels, note)
        return path.read_bytes()


def animated(frames: Sequence[Pixels], note: str) -> bytes:
    """Frames as a WebP that goes there and back."""
    with tempfile.TemporaryDirectory(prefix="zplus-") as folder:
        path = Path(folder) / "picture.webp"
        write_animation(path, [*frames, *frames[-2:0:-1]], RATE, note)
        return path.read_bytes()


def address(pixels: Pixels, edited: bool = True) -> str:
    """A data address, so that no picture of the page has an address that others could ask for.

    edited: whether a model had a hand in it, which is then marked.
    """
    content = encoded(pixels, ".jpg") if edited else _plain(pixels)
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()


def _plain(pixels: Pixels) -> bytes:
    """A JPEG of a picture that no model touched."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=90)
    return content.getvalue()


def figures(pictures: Sequence[tuple[Pixels, str]], edited: bool = True) -> str:
    """Pictures with captions, as HTML."""
    cells = []
    for pixels, caption in pictures:
        words = escape(caption)
        cells.append(
            f'<figure><img src="{address(pixels, edited)}" alt="{words}"><figcaption>{words}</figcaption></figure>'
        )
    return f'<div class="figures">{"".join(cells)}</div>'
