"""Pictures for the page and for downloads: what a model had a hand in carries the mark of `write_image`."""

from collections.abc import Sequence
from html import escape

from zplus.images import write_animation
from zplus.pages import data_url
from zplus.studio.passing import given_out
from zplus.workflow.photo import Pixels
from zplus.workflow.sheet import RATE, there_and_back


def animated(frames: Sequence[Pixels], note: str) -> bytes:
    """Frames as a WebP that goes there and back."""
    return given_out("picture.webp", lambda path: write_animation(path, there_and_back(frames), RATE, note))


def address(pixels: Pixels, edited: bool = True) -> str:
    """A data address, so that no picture of the page has an address that others could ask for.

    edited: whether a model had a hand in it, which is then marked. A third of the size of what `write_image` writes,
    because the way to the page takes longer than the encoding.
    """
    return data_url(pixels, edited, "jpeg", quality=90)


def figures(pictures: Sequence[tuple[Pixels, str]], edited: bool = True) -> str:
    """Pictures with captions, side by side, as HTML."""
    cells = [
        f'<figure><img src="{address(pixels, edited)}" alt="{words}"><figcaption>{words}</figcaption></figure>'
        for pixels, words in ((pixels, escape(caption)) for pixels, caption in pictures)
    ]
    return f'<div class="figures">{"".join(cells)}</div>' if cells else ""
