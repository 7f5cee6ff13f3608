"""`zplus drag`."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_file
from zplus.command.show import Show
from zplus.workflow.options import EditOptions, Move, Paste


def drag(
    context: options.Context,
    source: Annotated[Path, typer.Argument(help="A latent that 'zplus invert' wrote.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")],
    begin: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="X,Y", help="A point of the crop, in pixels from its upper left; repeatable."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="X,Y", help="Where this point is to go; as often as --from, in the same order."),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask",
            metavar="REGION|PICTURE",
            help="What may move: mouth, eyes, face, hair, background, or white in it.",
        ),
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option("--radius", help="Pixels around a point that go with it; by default 1/32 of the side."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps at most; by default 30.")] = None,
    move: Annotated[
        Move | None,
        typer.Option("--move", help="How the code goes, as in 'zplus edit'; by default the latent's own way."),
    ] = EditOptions.move,
    photo: Annotated[Path | None, typer.Option("--photo", help="The photo to paste into.")] = None,
    face: options.Face = 0,
    paste: Annotated[
        Paste,
        typer.Option("--paste", help="Into the photo: keep its pixels where no shape moved, or replace the crop."),
    ] = EditOptions.paste,
    keep: Annotated[Path | None, typer.Option("--latent", help="Also write the dragged latent here.")] = None,
    model: options.OwnModel = None,
    label: options.Label = None,
    device: options.Device = options.InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Drag points of a face to where they are wanted; the face follows."""
    from zplus.command.parsing import parse_pairs

    pairs = parse_pairs(tuple(begin or ()), tuple(to or ()))
    if photo is None:
        options.refuse(context, "the crop is written where there is no --photo", "face", "paste")
    output_file(out, source, photo, mask, model)
    if keep is not None:
        output_file(keep, source, photo, mask, model, picture=False)

    from zplus.workflow.dragging import STEPS, DragOptions, drag_file

    show = Show(as_json)
    wanted = DragOptions(pairs, mask, radius, steps or STEPS, move, face, paste)
    found = drag_file(source, out, wanted, model, photo, keep, device, label, show.callbacks)
    show.result(found, f"{source} -> {out}  (points end {found['distance']:.1f} pixels from their targets)")
