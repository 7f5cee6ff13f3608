"""Sliders for a latent in a notebook: ipywidgets, one slider a direction, and the image below."""

from collections.abc import Iterable
from typing import Any

import torch

from zplus.direction import UNMEASURED, Direction
from zplus.editing import Editor, directions_of, find_direction
from zplus.errors import MissingExtraError
from zplus.execution import Execution
from zplus.generators import Generator
from zplus.images import image_bytes, to_pixels
from zplus.latent import Latent
from zplus.wording import words_of

STEP = 0.05


def sliders(
    generator: Generator,
    latent: Latent,
    directions: Iterable[str | Direction] | None = None,
    execution: Execution | None = None,
) -> Any:
    """Sliders that edit a latent in a notebook, and its image. It is computed anew when a slider is released.

    Args:
        generator: The generator that the latent belongs to.
        latent: N rows, shown side by side. Its own edits are kept, and the sliders add to them.
        directions: A slider for each: built-in directions by name, files, or directions themselves. None takes all
            that come with the generator. A slider has the range of the direction's card, in standard deviations of the
            attribute; -1.5 to 1.5 where there is none.
        execution: How the networks run; None is eager fp32, as in `render`. `best_execution(generator)` is faster.

    Returns:
        An ipywidgets.VBox of the sliders and the image, which the last line of a cell shows. Its attribute `latent`
        is the edited latent.

    Raises:
        MissingExtraError: ipywidgets is not installed (extra `notebook`).
        UnknownNameError: There is no such direction.
        LatentError: A direction or the latent belongs to another generator.
    """
    try:
        import ipywidgets  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("ipywidgets", "notebook") from error
    wanted = directions_of(generator) if directions is None else directions
    chosen = [x if isinstance(x, Direction) else find_direction(x, generator) for x in wanted]
    editor, box = Editor(generator, latent, execution), ipywidgets.VBox()
    editor.edit(dict.fromkeys(chosen, STEP))  # refuses what does not fit, and computes what all moves share
    shown = ipywidgets.Image(format="jpeg")
    moved = [_slider(ipywidgets.FloatSlider, x) for x in chosen]

    def show(_: object = None) -> None:
        box.latent = editor.edit({x: one.value for x, one in zip(chosen, moved, strict=True)})
        pixels = to_pixels(torch.cat(tuple(editor.image(box.latent)), 2))
        shown.value = image_bytes(pixels, ".jpg", f"shown by {generator.name}")

    show()
    for one in moved:
        one.observe(show, "value")
    box.children = [*moved, shown]
    return box


def _slider(kind: Any, direction: Direction) -> Any:
    low, high = direction.range or UNMEASURED
    words = words_of(direction.name)
    told = {"description": words.title, "tooltip": f"{words.less} / {words.more}"}
    wide = {"description_width": "10em"}
    return kind(0.0, min=low, max=high, step=STEP, continuous_update=False, style=wide, **told)
