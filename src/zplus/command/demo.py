"""`zplus demo`: one photo the whole way, with everything that came out in one folder."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zplus.command import options
from zplus.command.options import InvertOptions
from zplus.command.outputs import output_folder
from zplus.command.show import Show
from zplus.files import unlinked

if TYPE_CHECKING:
    from zplus.direction import Direction
    from zplus.inversion import Progress
    from zplus.workflow.showcase import Results

FILES = (  # and a picture of the photo for each edit
    "aligned.png", "preview.png", "latent.safetensors", "reconstruction.png", "sheet.png", "gallery.html",
    "report.json",
)  # fmt: skip
PREVIEW_PAUSE = 10.0  # seconds between two pictures of how far the inversion is


def demo(
    photo: Annotated[
        Path | None, typer.Argument(help="A photo with a face; by default NASA's portrait of Eileen Collins.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for what comes out.")] = Path("out/demo"),
    model: options.Model = InvertOptions.model,
    steps: options.Steps = InvertOptions.steps,
    face: options.Face = 0,
    label: options.Label = InvertOptions.label,
    device: options.Device = InvertOptions.device,
    as_json: options.Json = False,
) -> None:
    """Show it all on one photo.

    Align, invert, four edits and two together, pasted back, on a web page of one file. What is missing is pulled.
    """
    how, show = options.record(InvertOptions, locals()), Show(as_json)

    from zplus.images import example_photo

    _run(photo or example_photo(), output_folder(out), how, show)


def _run(photo: Path, out: Path, how: InvertOptions, show: Show) -> None:
    """Align, invert, edit, paste back, and write the folder."""
    from zplus.command.gallery import write_gallery
    from zplus.editing import directions_of
    from zplus.images import read_image, to_pixels, write_image
    from zplus.latent import save_latent
    from zplus.workflow.inverting import load_inverter
    from zplus.workflow.json_files import write_json
    from zplus.workflow.models import licence, needed, pull_missing
    from zplus.workflow.photo import aligned_face
    from zplus.workflow.showcase import DemoEditor, chosen_directions, make_edits, results_sheet

    began = time.perf_counter()
    for file in FILES:
        unlinked(out / file)
    read_image(photo)  # a bad photo is refused before anything is fetched
    pull_missing(needed(how.model), show.callbacks)
    pulled = time.perf_counter() - began
    inverter = load_inverter(how, show.callbacks)
    with show.stage("Aligning"):
        found = chosen_directions(directions_of(inverter.generator))
        aligned = aligned_face(photo, inverter.generator.resolution, how.face, callbacks=show.callbacks)
        write_image(out / "aligned.png", aligned.pixels, "aligned")
    first = time.perf_counter() - began - pulled
    show.say(f"The first picture: {out / 'aligned.png'}; preview.png beside it follows the inversion.")
    preview = _Preview(out / "preview.png")
    latent = inverter.invert(aligned, replace(show.callbacks, step=preview))
    save_latent(latent, out / "latent.safetensors")
    image, facts = inverter.judge(latent, aligned, show.callbacks)
    facts["warnings"] = list(show.warnings)
    write_image(out / "reconstruction.png", to_pixels(image[0]), "inverted")
    editor = DemoEditor(inverter, latent, aligned, image[0])
    results = make_edits(editor, found, photo.name, facts, show.callbacks)
    terms = licence(facts["model"])  # which what a model makes may fall under
    with show.stage("Writing"):
        for outcome in results.outcomes:
            name = "_".join(f"{name}{strength:+g}" for name, strength in outcome.strengths.items())
            write_image(unlinked(out / f"photo_{name}.png"), outcome.photo, outcome.title)
        write_image(out / "sheet.png", results_sheet(results), "contact sheet")
        write_gallery(out / "gallery.html", results, terms)
    (out / "preview.png").unlink(missing_ok=True)
    seconds = {
        **show.seconds, "first picture": first, "first preview": preview.first - began - pulled, "pulling": pulled,
        "total": time.perf_counter() - began,
    }  # fmt: skip
    report = _report(results, found, terms, seconds)
    write_json(out / "report.json", report)
    text = f"{out / 'gallery.html'}: open it in a browser ({seconds['total']:.0f} s, of which pulling {pulled:.0f} s)"
    show.result(report, text)


class _Preview:
    """Writes a picture now and then while an inversion runs."""

    def __init__(self, path: Path):
        self.path, self.first, self.last = path, 0.0, 0.0

    def __call__(self, progress: "Progress") -> bool:
        from zplus.images import to_pixels, write_image

        now = time.perf_counter()
        if not self.first or now - self.last > PREVIEW_PAUSE:
            write_image(self.path, to_pixels(progress.image[0]), "being inverted")
            self.last = now
            self.first = self.first or time.perf_counter()
        return False


def _report(results: "Results", found: "list[Direction]", terms: str, seconds: Mapping[str, float]) -> dict[str, Any]:
    from zplus.benchmark.run import machine

    edits = [
        {
            "title": o.title, "direction": list(o.strengths), "strength": list(o.strengths.values()),
            "scores_before": results.scores, "scores_after": o.scores,
            "identity_distance": o.identity_distance,
        }
        for o in results.outcomes
    ]  # fmt: skip
    return {
        "photo": results.photo, "quad": results.aligned.quad.tolist(), "licence": terms,
        "inversion": results.facts, "edits": edits,
        "directions": {d.name: {**d.card, "space": d.space} for d in found},
        "seconds": {name: round(value, 2) for name, value in seconds.items()}, "machine": machine(),
    }  # fmt: skip
