"""What `zplus edit` understands."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from zplus.command import options
from zplus.command.options import DEFAULT_MODEL, DEFAULT_SPACE
from zplus.command.show import Show

INVERTING = ("space", "method", "layer", "psi", "steps", "seed", "start", "encoder")  # what says how


def edit(
    context: options.Context,
    source: Annotated[Path, typer.Argument(help="A photo, or a latent that 'zplus invert' wrote.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")],
    direction: options.Directions = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="NAME=SCORE", help="Change it until its score reads this; repeatable."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep", metavar="NAME=FROM:TO:COUNT", help="Many strengths: side by side, or a .webp animation."
        ),
    ] = None,
    feature: Annotated[
        Literal["moved", "added", "fixed"] | None,
        typer.Option(
            "--feature",
            help="How F goes with the edit: detail moved, added to, or left; by default the latent's own, or moved.",
        ),
    ] = None,
    move: Annotated[
        Literal["straight", "sphere"] | None,
        typer.Option(
            "--move",
            help="How the code goes: straight in W, or on the sphere of z; by default the latent's own, or straight.",
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask", metavar="REGION|PICTURE", help="Only there: mouth, eyes, face, hair, background, or white in it."
        ),
    ] = None,
    paste: Annotated[
        Literal["keep", "replace"],
        typer.Option(
            "--paste", help="Into the photo: keep its pixels where no shape moved, or replace the whole crop."
        ),
    ] = "keep",
    no_paste: Annotated[bool, typer.Option("--no-paste", help="Write the edited crop instead of the photo.")] = False,
    photo: Annotated[Path | None, typer.Option("--photo", help="With a latent: the photo to paste into.")] = None,
    keep: Annotated[
        Path | None, typer.Option("--latent", help="Also write the latent here: edited, or where a sweep begins.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help=f"A model by name or file; by default {DEFAULT_MODEL} or the latent's."),
    ] = None,
    space: options.Space = DEFAULT_SPACE,
    method: options.Method = "default",
    layer: options.Layer = None,
    psi: options.Psi = 1.0,
    steps: options.Steps = None,
    seed: options.Seed = None,
    start: options.Start = None,
    encoder: options.OwnEncoder = None,
    face: options.Face = 0,
    no_align: options.NoAlign = False,
    label: options.Label = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Edit a photo or a latent.

    A photo goes the whole way: align, invert, edit, paste back. Models that are missing are pulled.
    """
    from zplus.command.editing import Wish, edit_source
    from zplus.command.inverting import Request

    refuse = partial(options.refuse, context)
    if source.suffix == ".safetensors":
        refuse("a latent is inverted already", *INVERTING)
        if photo is None:
            refuse("a latent is pasted only with --photo", "paste", "face", "no_align")
    else:
        refuse("a photo is pasted into itself", "photo")
    if sweep:
        refuse("a sweep shows the crop", "photo", "paste")
    elif no_paste:
        refuse("with --no-paste the crop is written", "photo", "paste")
    request = Request(
        model or "", space, method, layer, psi, steps, seed, start, face, not no_align, device, label, encoder
    )
    pasted = None if no_paste else paste
    wish = Wish(tuple(direction or ()), feature, move, pasted, photo, keep, tuple(to or ()), sweep, mask)
    edit_source(source, out, wish, request, Show(as_json))
