"""`zplus invert`, and its other name `zplus project`."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from zplus.command import options
from zplus.command.options import InvertOptions
from zplus.command.outputs import output_folder
from zplus.command.show import Show, complain


def invert(
    photos: Annotated[list[Path], typer.Argument(help="Photos with a face.", show_default=False)],
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
    face: options.Face = InvertOptions.face,
    no_align: options.NoAlign = not InvertOptions.align,
    label: options.Label = InvertOptions.label,
    device: options.Device = InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Find the latents of photos.

    What is finished is skipped when the command is run again.
    """
    how = options.record(InvertOptions, locals(), align=not no_align)
    raise typer.Exit(_invert_all(photos, output_folder(out), how, Show(as_json)))


def _invert_all(photos: list[Path], folder: Path, how: InvertOptions, show: Show) -> int:
    """Invert the photos and show what came of it; the exit code. What failed is named and does not keep the others."""
    from zplus.workflow.batch import invert_photos, summary
    from zplus.workflow.json_files import write_json

    results: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    interrupted = False
    try:
        for photo, found in invert_photos(photos, folder, how, show.callbacks):
            if not isinstance(found, Exception):
                results.append(found)
            elif len(photos) == 1:
                raise found
            else:
                failed.append({"photo": photo, "error": complain(found, str(photo))})
    except KeyboardInterrupt:
        interrupted = True
        show.say(f"Interrupted: {len(results)} of {len(photos)} photos are finished; run this again to go on.")
    found = summary(results, failed, interrupted)
    if len(photos) > 1:
        write_json(folder / "summary.json", found)
    text = "\n".join(f"{r['photo']} -> {r['latent']}  {_in_short(r)}" for r in results)
    show.result(results[0] if len(photos) == 1 and results else found, text)
    return 130 if interrupted else 0 if not failed else 1 if results else 2


def _in_short(record: dict[str, Any]) -> str:
    from zplus.workflow.judging import in_words

    parts = {"lpips_vgg": "LPIPS {:.3f}", "psnr": "PSNR {:.1f}"}
    known = {name: x for name, x in record.items() if isinstance(x, float) and math.isfinite(x)}
    found = [words.format(known[name]) for name, words in parts.items() if name in known]
    return ", ".join(found + [in_words(x) for name, x in known.items() if name == "identity_distance"])
