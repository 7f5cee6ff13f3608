"""`zplus align`."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_file
from zplus.command.show import Show


def align(
    photo: options.Photo,
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")],
    face: options.Face = 0,
    size: Annotated[int, typer.Option("--size", min=32, max=4096, help="Its side in pixels.")] = 1024,
    as_json: options.Json = False,
) -> None:
    """Cut a face out of a photo as generators expect it."""
    from zplus.images import write_image
    from zplus.workflow.photo import aligned_face

    show = Show(as_json)
    output_file(out, photo)
    with show.stage("Looking for faces"):
        aligned = aligned_face(photo, size, face, callbacks=show.callbacks)
    write_image(out, aligned.pixels, "aligned")
    data = {"photo": photo, "aligned": out, "size": size, "face": face, "quad": aligned.quad.tolist()}
    show.result(data | {"warnings": show.warnings}, f"{photo} -> {out}")
