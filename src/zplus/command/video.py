"""`zplus video`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from zplus.command import options
from zplus.command.options import InvertOptions
from zplus.command.outputs import output_film
from zplus.command.show import Show
from zplus.workflow.options import Paste, VideoOptions


def video(
    context: options.Context,
    source: Annotated[Path, typer.Argument(help="A film, or a folder of frames.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .mp4 to write.")],
    direction: options.Directions = None,
    mask: options.Mask = VideoOptions.mask,
    paste: Annotated[
        Paste,
        typer.Option(
            "--paste", help="Into the frames: keep their pixels where no shape moved, or replace the whole crop."
        ),
    ] = VideoOptions.paste,
    frame_steps: Annotated[
        int, typer.Option("--frame-steps", min=1, help="Steps of the inversion of every frame but the key frame.")
    ] = VideoOptions.frame_steps,
    quality: Annotated[
        int, typer.Option("--quality", min=0, max=51, help="x264's CRF: 0 is lossless; smaller is better and larger.")
    ] = VideoOptions.quality,
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, max=240, help="Frames a second of a folder; a film keeps its own.")
    ] = VideoOptions.rate,
    model: options.Model = InvertOptions.model,
    space: options.Space = InvertOptions.space,
    layer: options.Layer = InvertOptions.layer,
    psi: options.Psi = InvertOptions.psi,
    steps: options.Steps = InvertOptions.steps,
    seed: options.Seed = InvertOptions.seed,
    encoder: options.OwnEncoder = InvertOptions.encoder,
    face: options.Face = 0,
    no_align: options.NoAlign = not InvertOptions.align,
    label: options.Label = InvertOptions.label,
    device: options.Device = InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Edit the face in a film.

    Frames in work are kept in the folder OUT.work until the film is written: run the command again to go on.
    """
    from zplus.command.parsing import parse_strengths

    strengths = parse_strengths(tuple(direction or ()))
    inverting = options.record(InvertOptions, locals(), align=not no_align)
    editing = options.record(VideoOptions, locals())
    if source.is_file():
        options.refuse(context, "a film keeps its own", "rate")
    output_film(out, source, mask, model, encoder, *strengths)
    show = Show(as_json)

    from zplus.workflow.film import edit_video

    try:
        found = edit_video(source, out, strengths, editing, inverting, show.callbacks)
    except KeyboardInterrupt:
        if (kept := Path(f"{out}.work")).is_dir():
            show.say(f"Interrupted: what is done is kept in {kept}; run this again to go on.")
        raise
    show.result(found, f"{source} -> {out}  ({_in_short(found)})")


def _in_short(found: dict[str, Any]) -> str:
    frames = f"{found['edited_frames']} of {found['frames']} frames"
    return f"{frames}, {found['seconds_per_frame']:.1f} s a frame"
