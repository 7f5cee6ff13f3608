"""`zplus edit`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from zplus.command import options
from zplus.command.options import DEFAULT_MODEL, InvertOptions
from zplus.command.outputs import output_file, output_folder
from zplus.command.photos import engine_of, inverted, photos_of, work_through
from zplus.command.show import Show
from zplus.errors import ZplusError
from zplus.workflow.options import EditOptions, Feature, Move, Paste

INVERTING = ("space", "method", "layer", "psi", "steps", "seed", "start", "encoder", "transform")  # what says how


def edit(
    context: options.Context,
    source: Annotated[
        Path,
        typer.Argument(help="A photo, a folder of photos, or a latent that 'zplus invert' wrote.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The picture to write, or the folder for those of a folder.")
    ],
    direction: options.Directions = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="NAME=SCORE", help="Change it until its score reads this; repeatable."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep", metavar="NAME=FROM:TO:COUNT", help="Many strengths: side by side, or a .webp or .mp4 animation."
        ),
    ] = None,
    feature: Annotated[
        Feature | None,
        typer.Option(
            "--feature",
            help="How F goes with the edit: detail moved, added to, or left; by default the latent's own, or moved.",
        ),
    ] = EditOptions.feature,
    move: Annotated[
        Move | None,
        typer.Option(
            "--move",
            help="How the code goes: straight in W, or on the sphere of z; by default the latent's own, or straight.",
        ),
    ] = EditOptions.move,
    mask: options.Mask = EditOptions.mask,
    keep_identity: Annotated[
        bool,
        typer.Option("--keep-identity", help="Correct the edits so that the person stays more alike (some seconds)."),
    ] = EditOptions.keep_identity,
    paste: Annotated[
        Paste,
        typer.Option(
            "--paste", help="Into the photo: keep its pixels where no shape moved, or replace the whole crop."
        ),
    ] = EditOptions.paste,
    no_paste: Annotated[bool, typer.Option("--no-paste", help="Write the edited crop instead of the photo.")] = False,
    photo: Annotated[Path | None, typer.Option("--photo", help="With a latent: the photo to paste into.")] = None,
    keep: Annotated[
        Path | None, typer.Option("--latent", help="Also write the latent here: edited, or where a sweep begins.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help=f"A model by name or file; by default {DEFAULT_MODEL} or the latent's."),
    ] = None,
    space: options.Space = InvertOptions.space,
    method: options.Method = InvertOptions.method,
    layer: options.Layer = InvertOptions.layer,
    psi: options.Psi = InvertOptions.psi,
    steps: options.Steps = InvertOptions.steps,
    seed: options.Seed = InvertOptions.seed,
    start: options.Start = InvertOptions.start,
    encoder: options.OwnEncoder = InvertOptions.encoder,
    face: options.Faces = InvertOptions.face,
    no_align: options.NoAlign = not InvertOptions.align,
    label: options.Label = InvertOptions.label,
    transform: options.Transform = InvertOptions.transform,
    device: options.Device = InvertOptions.device,
    batch: options.Batch = None,
    engine: options.Engine = "here",
    address: options.Address = None,
    workers: options.Workers = None,
    gpus: options.Gpus = 0.0,
    as_json: options.Json = False,
) -> None:
    """Edit a photo or a latent.

    A photo goes the whole way: align, invert, edit, paste back. Models that are missing are pulled. With --face all
    every face of a photo is edited; -d 0:smile=1 is for the largest alone.
    """
    from zplus.command.parsing import parse_own, parse_sweep, parse_targets
    from zplus.workflow.edit_faces import edit_all_faces
    from zplus.workflow.editing import edit_file

    is_latent = source.suffix == ".safetensors"
    inverting = options.record(
        InvertOptions, locals(), model=model or ("" if is_latent else DEFAULT_MODEL), align=not no_align
    )
    _refuse_unread(context, is_latent, photo is not None, bool(sweep), no_paste)
    strengths, own = parse_own(tuple(direction or ()))
    _refuse_single(context, source, face, bool(own))
    editing = EditOptions(
        strengths=strengths,
        own=own,
        targets=parse_targets(tuple(to or ())),
        sweep=None if sweep is None else parse_sweep(sweep),
        feature=feature,
        move=move,
        mask=mask,
        keep_identity=keep_identity,
        paste=paste,
        crop_alone=no_paste,
        scores=as_json,
    )
    show = Show(as_json)
    if source.is_dir():
        where = engine_of(context, engine, address, workers, gpus)
        raise typer.Exit(_edit_all(source, output_folder(out), editing, inverting, batch, where, show))
    read = (source, photo, mask, model, encoder, start, *editing.moved, *editing.targets)
    output_file(out, *read, animation=sweep is not None)
    if keep is not None:
        output_file(keep, *read, picture=False)
    if face == "all":
        found = edit_all_faces(source, out, editing, inverting, show.callbacks)
        wishes = [f"face {x['face']}: {_in_short(x['direction'], x['strength'])}" for x in found["results"]]
        return show.result(found, f"{source} -> {out}  ({'; '.join(wishes)})")
    found = edit_file(source, out, editing, inverting, photo, keep, show.callbacks)
    show.result(found, f"{source} -> {out}  ({sweep or _in_short(found['direction'], found['strength'])})")


def _edit_all(
    source: Path, folder: Path, editing: EditOptions, how: InvertOptions, batch: int | None, engine: Any, show: Show
) -> int:
    """Edit the photos of a folder; the exit code."""
    from zplus.generators import load_generator
    from zplus.workflow.edit_faces import edit_photos
    from zplus.workflow.editing import check_names, check_options
    from zplus.workflow.models import needed, pull_missing

    check_options(editing)
    photos, root = photos_of([source], folder)
    pull_missing(needed(how.model), show.callbacks)
    generator = load_generator(how.model, how.device, how.label)
    check_names(editing, generator)
    stream = edit_photos(inverted(photos, folder, how, batch, engine, show), generator, folder, editing)
    return work_through(stream, photos, folder, root, show, str)


def _in_short(names: str | list[str], strengths: Any) -> str:
    """The edits in a line; one is not in a list."""
    if isinstance(names, str):
        names, strengths = [names], [strengths]
    return ", ".join(f"{name} {strength:+g}" for name, strength in zip(names, strengths, strict=True))


def _refuse_single(context: options.Context, source: Path, face: int | str, own: bool) -> None:
    """Refuse what does not go with one face, with all of a photo, or with a folder."""
    refuse = partial(options.refuse, context)
    if not source.is_dir():
        refuse("they are for folders", "batch", "engine", "address", "workers", "gpus")
        if own and face != "all":
            raise ZplusError("A wish of one face, such as 0:smile=1, needs --face all.")
        if face == "all" and source.suffix == ".safetensors":
            raise ZplusError("A latent is of one face: --face all needs a photo.")
    if source.is_dir() or face == "all":
        refuse("whole photos are written", "sweep", "no_paste", "keep", "photo")


def _refuse_unread(context: options.Context, is_latent: bool, has_photo: bool, sweep: bool, no_paste: bool) -> None:
    """Refuse the options that would be passed over."""
    refuse = partial(options.refuse, context)
    if is_latent:
        refuse("a latent is inverted already", *INVERTING)
        if not has_photo:
            refuse("a latent is pasted only with --photo", "paste", "face", "no_align")
    else:
        refuse("a photo is pasted into itself", "photo")
    if sweep:
        refuse("a sweep shows the crop", "photo", "paste")
        refuse("the strengths of a sweep are not corrected", "keep_identity")
    elif no_paste:
        refuse("with --no-paste the crop is written", "photo", "paste")
