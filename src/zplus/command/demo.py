"""The command `demo`: one photo the whole way, with everything that came out in one folder."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zplus.benchmark.run import machine
from zplus.command.gallery import write_gallery
from zplus.command.inverting import Inverter, Request
from zplus.command.outputs import output_folder
from zplus.command.photo import aligned_face
from zplus.command.pulling import needed, pull_missing
from zplus.command.sheet import Cell, contact_sheet
from zplus.command.show import Show, write_json
from zplus.command.showcase import Results, Retoucher, chosen_directions, make_edits, signed
from zplus.direction import Direction
from zplus.editing import directions_of
from zplus.generators import MODELS
from zplus.images import read_image, to_pixels, write_image
from zplus.inversion import Progress
from zplus.latent import save_latent

PREVIEW_PAUSE = 10.0  # seconds between two pictures of how far the inversion is


def run_demo(photo: Path, out: Path, request: Request, show: Show) -> None:
    """Align, invert, edit, paste back, and write the folder."""
    began = time.perf_counter()
    out = output_folder(out)
    read_image(photo)  # a bad photo is refused before anything is fetched
    pull_missing(needed(request.model), show)
    pulled = time.perf_counter() - began
    inverter = Inverter(request, show)
    with show.stage("Aligning"):
        found = chosen_directions(directions_of(inverter.generator))
        aligned = aligned_face(photo, inverter.generator.resolution, request.face, show)
        write_image(out / "aligned.png", aligned.pixels, "aligned")
    first = time.perf_counter() - began - pulled
    show.say(f"The first picture: {out / 'aligned.png'}; preview.png beside it follows the inversion.")
    preview = _Preview(out / "preview.png")
    latent = inverter.invert(aligned, watch=preview)
    preview_first = preview.first - began - pulled
    save_latent(latent, out / "latent.safetensors")
    image, facts = inverter.judge(latent, aligned)
    write_image(out / "reconstruction.png", to_pixels(image[0]), "inverted")
    results = make_edits(Retoucher(inverter, latent, aligned, image[0], show), found, photo.name, facts)
    with show.stage("Writing"):
        _write_pictures(results, out)
        write_gallery(out / "gallery.html", results, _licence(results))
    (out / "preview.png").unlink(missing_ok=True)
    seconds = {
        **show.seconds, "first picture": first, "first preview": preview_first, "pulling": pulled,
        "total": time.perf_counter() - began,
    }  # fmt: skip
    report = _report(results, found, seconds)
    write_json(out / "report.json", report)
    text = f"{out / 'gallery.html'}: open it in a browser ({seconds['total']:.0f} s, of which pulling {pulled:.0f} s)"
    show.result(report, text)


class _Preview:
    """Writes a picture now and then while an inversion runs."""

    def __init__(self, path: Path):
        self.path, self.first, self.last = path, 0.0, 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.perf_counter()
        if not self.first or now - self.last > PREVIEW_PAUSE:
            write_image(self.path, to_pixels(progress.image[0]), "being inverted")
            self.last = now
            self.first = self.first or time.perf_counter()


def _write_pictures(results: Results, out: Path) -> None:
    """Every pasted photo, and the contact sheet."""
    original, crop = results.aligned.photo, results.aligned.pixels
    for outcome in results.outcomes:
        name = "_".join(f"{name}{strength:+g}" for name, strength in outcome.strengths.items())
        write_image(out / f"photo_{name}.png", outcome.photo, outcome.title)
    rows = [
        [Cell(original, "photo"), Cell(crop, "aligned"), Cell(results.reconstruction, "reconstruction")],
        [Cell(o.crop, o.title) for o in results.outcomes],
        [Cell(o.photo, "pasted back") for o in results.outcomes],
        *(
            [Cell(pixels, f"{strip.name} {signed(strength)}") for strength, pixels in strip.crops]
            for strip in results.strips
        ),
    ]
    write_image(out / "sheet.png", contact_sheet(rows, 320), "contact sheet")


def _report(results: Results, found: list[Direction], seconds: Mapping[str, float]) -> dict[str, Any]:
    edits = [
        {
            "title": o.title, "direction": list(o.strengths), "strength": list(o.strengths.values()),
            "scores_before": results.scores, "scores_after": o.scores,
            "identity_distance": o.identity_distance,
        }
        for o in results.outcomes
    ]  # fmt: skip
    return {
        "photo": results.photo, "quad": results.aligned.quad.tolist(), "licence": _licence(results),
        "inversion": results.facts, "edits": edits,
        "directions": {d.name: {**d.card, "space": d.space} for d in found},
        "seconds": {name: round(value, 2) for name, value in seconds.items()}, "machine": machine(),
    }  # fmt: skip


def _licence(results: Results) -> str:
    """The terms of the model, which what it makes may fall under."""
    model = MODELS.get(results.facts["model"])
    return "" if model is None else model.licence
