"""The demo's page: one HTML file that holds its pictures and asks nothing of any server."""

import base64
import io
import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from zplus.benchmark.gauge import JUDGES
from zplus.faces.align import Aligned
from zplus.files import atomic
from zplus.images import fitted, image_bytes
from zplus.workflow.photo import Pixels
from zplus.workflow.showcase import Outcome, Results, Strip, signed

LARGE, SMALL = 960, 320  # pixels of the longer side
AROUND = 0.25  # of the crop's side: how much of the photo is seen around it
QUALITY = (
    ("MSE", "mse", ".4f"), ("PSNR", "psnr", ".1f"), ("SSIM", "ssim", ".3f"), ("MS-SSIM", "ms_ssim", ".3f"),
    ("LPIPS VGG", "lpips_vgg", ".3f"), ("LPIPS Alex", "lpips_alex", ".3f"),
    ("identity distance", "identity_distance", ".2f"), ("steps", "steps", ".0f"), ("seconds", "seconds", ".0f"),
)  # fmt: skip


def write_gallery(path: Path, results: Results, licence: str = "") -> None:
    """Write the page, whole or not at all."""
    facts, aligned = results.facts, results.aligned
    stages = [
        (_original(fitted(aligned.photo, LARGE)), "photo"),
        (_original(fitted(aligned.pixels, SMALL * 2)), "aligned crop"),
        (_edited(fitted(results.reconstruction, SMALL * 2)), f"reconstruction in {facts['space']}"),
    ]
    before = _original(_part(aligned, aligned.photo))
    text = Template(files("zplus.command").joinpath("gallery.html").read_text(encoding="utf-8")).substitute(
        photo=escape(results.photo),
        summary=escape(f"{results.photo}, inverted into {facts['space']} of {facts['model']}."),
        stages="".join(
            f"<figure>{_img(data, name)}<figcaption>{escape(name)}</figcaption></figure>" for data, name in stages
        ),
        pairs="".join(_pair(before, outcome, aligned) for outcome in results.outcomes),
        columns=max((len(strip.crops) for strip in results.strips), default=1),
        strips="".join(map(_strip, results.strips)),
        quality=_table(
            [label for label, _, _ in QUALITY], [[_number(facts.get(key), form) for _, key, form in QUALITY]]
        ),
        edits=_table(("edit", "strength", "score", "judge", "identity"), [_row(o, results) for o in results.outcomes]),
        licence=escape(f"The model: {licence}." if licence else ""),
    )
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _pair(before: str, outcome: Outcome, aligned: Aligned) -> str:
    name = escape(outcome.title)
    after = _img(_edited(_part(aligned, outcome.photo)), f"after: {outcome.title}", "after")
    strengths = ", ".join(f"{name} {signed(strength)}" for name, strength in outcome.strengths.items())
    return (
        f'<figure><div class="view">{_img(before, "before")}{after}<i>photo</i><i>{name}</i>'
        f'<input type="range" min="0" max="100" value="50" aria-label="before and after: {name}"></div>'
        f"<figcaption><b>{name}</b><span>{escape(strengths)}</span></figcaption></figure>"
    )


def _strip(strip: Strip) -> str:
    cells = "".join(
        f"<figure>{_img(_edited(fitted(pixels, SMALL)), f'{strip.name} {signed(strength)}')}"
        f"<figcaption>{signed(strength)}</figcaption></figure>"
        for strength, pixels in strip.crops
    )
    return f'<h3>{escape(strip.name)}</h3><div class="scroll"><div class="strip">{cells}</div></div>'


def _row(outcome: Outcome, results: Results) -> list[str]:
    """An edit's figures; the scores are those of its first direction."""
    judges = outcome.score, JUDGES.get(outcome.score)
    moved = [
        f"{_number(results.scores.get(judge), '.2f')} → {_number(outcome.scores.get(judge), '.2f')}" if judge else "-"
        for judge in judges
    ]
    strengths = " ".join(signed(strength) for strength in outcome.strengths.values())
    return [outcome.title, strengths, *moved, _number(outcome.identity_distance, ".2f")]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: float | int | None, form: str) -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def _part(aligned: Aligned, photo: Pixels) -> Pixels:
    """What lies around the crop, as far as the photo reaches."""
    low, high = aligned.quad.min(0), aligned.quad.max(0)
    margin = AROUND * (high - low)
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = np.ceil(high + margin).astype(int)
    return fitted(np.ascontiguousarray(photo[top:bottom, left:right]), LARGE)


def _img(data: str, alt: str, kind: str = "") -> str:
    return f'<img class="{kind}" alt="{escape(alt)}" src="{data}">'


def _edited(pixels: Pixels) -> str:
    """A data address that carries the mark of an edited picture."""
    return _address(image_bytes(pixels, ".webp"))


def _original(pixels: Pixels) -> str:
    """A data address of a picture that no model touched."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "WEBP", quality=92)
    return _address(content.getvalue())


def _address(content: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(content).decode()
