"""`zplus interpolate`."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_file, output_folder
from zplus.command.show import Show
from zplus.errors import ZplusError
from zplus.files import unlinked


def interpolate(
    context: options.Context,
    first: Annotated[Path, typer.Argument(help="The latent to begin with.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="The latent to end with.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .webp or .mp4 animation, or a folder for the frames.")],
    frames: Annotated[
        int, typer.Option("--frames", min=2, max=1000, help="How many pictures, both ends included.")
    ] = 30,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=60, help="Pictures a second of an animation.")] = 15.0,
    model: options.OwnModel = None,
    label: options.Label = None,
    device: options.Device = options.InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Go from one latent to another, on the sphere where codes lie on it."""
    from zplus.editing import interpolate as interpolated
    from zplus.images import is_animation, to_pixels, write_animation, write_image
    from zplus.spaces import render
    from zplus.workflow.editing import first_latent
    from zplus.workflow.models import generator_of

    animated, show = is_animation(out), Show(as_json)
    if animated:
        output_file(out, first, second, model, animation=True)
    elif out.suffix and not out.is_dir():
        raise ZplusError(f"{out} is no name for frames: end it in .webp or .mp4 for an animation, or name a folder.")
    if not animated:
        options.refuse(context, "a folder of frames has no speed", "rate")
    a, b = (first_latent(path, show.callbacks) for path in (first, second))
    generator = generator_of(a, model, device, label, show.callbacks)
    b = interpolated(generator, a, b, 1.0)  # converted to the space of the first once, not for every frame
    folder = None if animated else output_folder(out)
    paths = [unlinked(folder / f"frame{i:04d}.png") for i in range(frames)] if folder else []
    pictures = []
    with show.stage("Interpolating", frames) as tick:
        for i in range(frames):
            pixels = to_pixels(render(generator, interpolated(generator, a, b, i / (frames - 1)))[0])
            if animated:
                pictures.append(pixels)
            else:
                write_image(paths[i], pixels, "interpolated")
            tick(i + 1, "")
    if animated:
        write_animation(out, pictures, rate, "interpolated")
    show.result({"out": out, "frames": frames, "space": b.space}, f"{frames} frames in {out}")
