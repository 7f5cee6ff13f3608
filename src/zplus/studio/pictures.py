"""Pictures as the page shows them."""

from zplus.pages import data_url
from zplus.workflow.photo import Pixels


def picture_url(pixels: Pixels, edited: bool = True) -> str:
    """A data URL, so that no picture of the page has an address that others could ask for.

    Args:
        pixels: uint8 RGB [H, W, 3].
        edited: Whether a model had a hand in it, which is then marked.

    Returns:
        A JPEG of a third of the size of what `write_image` writes, because the way to the page takes longer than the
        encoding.
    """
    return data_url(pixels, edited, "jpeg", quality=90)
