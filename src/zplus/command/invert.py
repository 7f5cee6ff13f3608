"""`zplus invert`, and its other name `zplus project`."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from zplus.command import options
from zplus.command.options import InvertOptions
from zplus.command.outputs import output_folder
from zplus.command.photos import engine_of, inverted, photos_of, work_through
from zplus.command.show import Show


def invert(
    context: options.Context,
    photos: Annotated[list[Path], typer.Argument(help="Photos with a face, or a folder of them.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for what comes out; it is made if missing.")],
    model: options.Model = InvertOptions.model,
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
    """Find the latents of photos.

    What is finished is skipped when the command is run again.
    """
    how = options.record(InvertOptions, locals(), align=not no_align)
    where = engine_of(context, engine, address, workers, gpus)
    raise typer.Exit(_invert_all(photos, output_folder(out), how, batch, where, Show(as_json)))


def _invert_all(given: list[Path], folder: Path, how: InvertOptions, batch: int | None, engine: Any, show: Show) -> int:
    """Invert the photos and show what came of it; the exit code. What failed is named and does not keep the others."""
    photos, root = photos_of(given, folder)
    found = inverted(photos, folder, how, batch, engine, show)
    return work_through(found, photos, folder, root, show, lambda r: f"{r['photo']} -> {r['latent']}  {_in_short(r)}")


def _in_short(record: dict[str, Any]) -> str:
    from zplus.workflow.judging import in_words

    parts = {"lpips_vgg": "LPIPS {:.3f}", "psnr": "PSNR {:.1f}"}
    known = {name: x for name, x in record.items() if isinstance(x, float) and math.isfinite(x)}
    found = [words.format(known[name]) for name, words in parts.items() if name in known]
    return ", ".join(found + [in_words(x) for name, x in known.items() if name == "identity_distance"])
