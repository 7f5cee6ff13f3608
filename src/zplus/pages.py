"""Web pages of one file that ask nothing of any server: templates of the folder `templates`, and images as data URLs.

Templates escape every value that they are given, unless they call it safe, and show what could reorder a line.
"""

import base64
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from zplus.errors import printable
from zplus.images import fitted, provenance_xmp, read_image


def rendered(template: str, **values: object) -> str:
    """The text of a page: a file of `templates`, filled with these values. A value that is missing raises."""
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("zplus"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _visible(value: object) -> object:
    """Text whose marks that turn the direction of writing, and whose halves of letters, are seen as escapes."""
    return printable(value) if type(value) is str and not value.isprintable() else value


def data_url(pixels: UInt8[np.ndarray, "h w 3"], edited: bool, form: str = "webp", quality: int = 92) -> str:
    """A URL that holds the image, as WebP or JPEG; `edited` marks it as made by a generative model."""
    content = BytesIO()
    mark = {"xmp": provenance_xmp()} if edited else {}
    Image.fromarray(pixels).save(content, form, quality=quality, **mark)
    return f"data:image/{form};base64,{base64.b64encode(content.getvalue()).decode()}"


def file_url(path: Path, edited: bool, side: int) -> str:
    """`data_url` of a file's image, at most `side` pixels on its longer side, without anything else of the file."""
    return data_url(fitted(read_image(path), side), edited)
