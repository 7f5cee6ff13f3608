"""Drag points of a latent and write the picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zplus.editing.drag import STEPS, Dragged, Pair, drag
from zplus.images import write_image
from zplus.latent import save_latent
from zplus.spaces import render
from zplus.workflow.callbacks import SILENT, Callbacks, collecting, python_warnings
from zplus.workflow.editing import finished, first_latent
from zplus.workflow.masks import check_mask, check_painted, mask_of
from zplus.workflow.models import generator_of
from zplus.workflow.options import Move, Paste
from zplus.workflow.photo import aligned_face


@dataclass(frozen=True)
class DragOptions:
    """What is dragged, and how. See `zplus.drag`.

    Attributes:
        pairs: x and y of each handle and of its target, in pixels of the crop.
        mask: What may move: a region of the face, or an image that is white there; None for everything.
        radius: Of a patch, in pixels of the crop; None for the default.
        steps: At most so many.
        move: How the code moves; None is the latent's own way.
        face: The number of the face in the photo, by size.
        paste: Keep the photo's pixels where no shape moved, or replace the whole crop.
    """

    pairs: tuple[Pair, ...]
    mask: str | None = None
    radius: float | None = None
    steps: int = STEPS
    move: Move | None = None
    face: int = 0
    paste: Paste = "keep"


def drag_file(
    source: Path,
    out: Path,
    options: DragOptions,
    model: str | None = None,
    photo: Path | None = None,
    latent: Path | None = None,
    device: str = "cpu",
    label: int | None = None,
    callbacks: Callbacks = SILENT,
) -> dict[str, Any]:
    """Drag points of a latent and write the picture.

    Args:
        source: The .safetensors file of a latent. Of several rows the first is taken.
        out: The image to write.
        options: What is dragged.
        model: A name of `zplus.MODELS` or the file of a generator; None is the one that the latent names.
        photo: The photo that the crop is pasted into.
        latent: Where to write the dragged latent as well.
        device: cpu, cuda or mps.
        label: The class of a conditional model.
        callbacks: See `Callbacks`.

    Returns:
        Figures by the keys of `zplus drag --json`.

    Raises:
        ZplusError: Something is invalid.
    """
    callbacks, warnings = collecting(callbacks)
    if options.mask is not None:
        check_mask(options.mask)
    before = first_latent(source, callbacks)
    generator = generator_of(before, model, device, label, callbacks)
    if options.mask is not None:
        check_painted(options.mask, generator)
    aligned = None if photo is None else aligned_face(photo, generator.resolution, options.face, True, callbacks)
    free = None if options.mask is None else mask_of(options.mask, generator, before)
    with python_warnings(callbacks), callbacks.stage("Dragging", options.steps) as tick:

        def follow(dragged: Dragged) -> None:
            tick(dragged.step, f"{dragged.distance:.1f} px")

        found = drag(generator, before, options.pairs, free, options.radius, options.steps, options.move, follow)
    old = {x.direction.name for x in before.edits}
    name, card = next((x.direction.name, x.direction.card) for x in found.edits if x.direction.name not in old)
    write_image(out, finished(generator, found, render(generator, found)[0].cpu(), aligned, options.paste), name)
    if latent is not None:
        save_latent(found, latent)
    return {
        "space": found.space,
        "model": found.generator,
        "picture": out,
        "direction": name,
        "points": card["points"],
        "distance": card["distance"],
        "warnings": list(dict.fromkeys(warnings)),
    } | ({} if latent is None else {"latent": latent})
