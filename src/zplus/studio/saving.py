"""What can be saved of an entry, as the bytes of a file and its name."""

from zplus.errors import UnknownNameError, ZplusError
from zplus.images import fitted, image_bytes, to_pixels, write_animation
from zplus.latent import save_latent
from zplus.spaces import render
from zplus.studio.entry import Entry
from zplus.studio.opened import Opened
from zplus.studio.passing import given_out
from zplus.workflow.editing import noted
from zplus.workflow.photo import Pixels
from zplus.workflow.sheet import RATE, Cell, contact_sheet, there_and_back

STRIP = (0.0, 0.25, 0.5, 0.75, 1.0)  # parts of the edit
FRAMES = 24  # of an animation, one way
FRAME = 512  # pixels a side of its frames, and of a strip's pictures
KINDS = ("picture", "strip", "animation", "latent")


def saved(entry: Entry, opened: Opened, kind: str, in_photo: bool) -> tuple[bytes, str]:
    """A file of one of KINDS.

    Args:
        entry: The picture in the photo has all edited faces of it.
        opened: The face that everything else is of.
        kind: One of KINDS.
        in_photo: Whether the picture is the whole photo.

    Returns:
        The content, and the name of the file.

    Raises:
        ZplusError: There is no edit to show the way to, or no such kind.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of file", kind, KINDS)
    if kind == "latent":
        edited = opened.edited(opened.state)
        return given_out(
            "latent.safetensors", lambda path: save_latent(edited, path)
        ), f"{entry.name}.latent.safetensors"
    if kind == "picture":
        return _picture(entry, opened, in_photo)
    if not opened.moved(opened.state):
        raise ZplusError("Move a slider first: a strip and an animation show the way to an edit.")
    return (_strip if kind == "strip" else _animation)(entry, opened)


def _picture(entry: Entry, opened: Opened, in_photo: bool) -> tuple[bytes, str]:
    if in_photo and entry.photo is not None:
        note = "; ".join(dict.fromkeys(filter(None, map(_note, entry.opened.values()))))
        return image_bytes(entry.finished(), ".jpg", note), f"{entry.name}.edited.jpg"
    with opened.lock:
        pixels = to_pixels(render(opened.generator, opened.edited(opened.state))[0].cpu() + opened.tone)
    return image_bytes(pixels, ".png", _note(opened)), f"{entry.name}.edited.png"


def _strip(entry: Entry, opened: Opened) -> tuple[bytes, str]:
    frames = [(part, _frame(opened, part)) for part in STRIP]
    side = min(FRAME, opened.generator.resolution)
    cells = [Cell(pixels, f"{part:.0%}" if part else "before") for part, pixels in frames]
    return image_bytes(contact_sheet([cells], max(side, 96)), ".png", _note(opened)), f"{entry.name}.strip.png"


def _animation(entry: Entry, opened: Opened) -> tuple[bytes, str]:
    parts = [i / (FRAMES - 1) for i in range(FRAMES)]
    frames = there_and_back([fitted(_frame(opened, part), FRAME) for part in parts])
    content = given_out("picture.webp", lambda path: write_animation(path, frames, RATE, _note(opened)))
    return content, f"{entry.name}.animation.webp"


def _frame(opened: Opened, part: float) -> Pixels:
    """The crop after a part of the edit, as the page shows it."""
    return to_pixels(opened.picture(opened.state, part) + opened.tone)


def _note(opened: Opened) -> str:
    """What was edited."""
    return noted({direction.name: strength for direction, strength in opened.moved(opened.state)})
