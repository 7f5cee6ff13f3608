"""`zplus mix`."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_file
from zplus.command.show import Show
from zplus.workflow.options import layer_range


def mix(
    first: Annotated[Path, typer.Argument(help="The latent that gives all other layers.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="The latent that gives these layers.", show_default=False)],
    layers: Annotated[str, typer.Option("--layers", help="FIRST:LAST without the last; 0:5 is pose and shape.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")],
    keep: Annotated[Path | None, typer.Option("--latent", help="Also write the latent here.")] = None,
    model: options.OwnModel = None,
    label: options.Label = None,
    device: options.Device = options.InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Mix two latents: some layers of one, all others of the other."""
    output_file(out, first, second, model)
    if keep is not None:
        output_file(keep, first, second, model, picture=False)

    from zplus.editing import mix as mix_latents
    from zplus.images import to_pixels, write_image
    from zplus.latent import save_latent
    from zplus.spaces import render
    from zplus.workflow.editing import first_latent
    from zplus.workflow.models import generator_of

    show = Show(as_json)
    a, b = (first_latent(path, show.callbacks) for path in (first, second))
    generator = generator_of(a, model, device, label, show.callbacks)
    mixed = mix_latents(generator, a, b, layer_range(layers, generator.num_codes))
    write_image(out, to_pixels(render(generator, mixed)[0]), f"mixed, layers {layers}")
    if keep is not None:
        save_latent(mixed, keep)
    found = {"picture": out, "layers": layers, "space": mixed.space} | ({} if keep is None else {"latent": keep})
    show.result(found, f"{out}")
