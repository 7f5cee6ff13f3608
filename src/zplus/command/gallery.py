"""The demo's page: one HTML file that holds its pictures and asks nothing of any server."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zplus.benchmark.scorers import HELD_OUT
from zplus.faces.align import Aligned
from zplus.files import atomic
from zplus.images import fitted
from zplus.pages import data_url, rendered
from zplus.wording import signed
from zplus.workflow.photo import Pixels
from zplus.workflow.showcase import Outcome, Results

LARGE, MIDDLE, SMALL = 960, 640, 320  # pixels of the longer side
AROUND = 0.25  # of the crop's side: how much of the photo is seen around it
QUALITY = (
    ("MSE", "mse", ".4f"), ("PSNR", "psnr", ".1f"), ("SSIM", "ssim", ".3f"), ("MS-SSIM", "ms_ssim", ".3f"),
    ("LPIPS VGG", "lpips_vgg", ".3f"), ("LPIPS Alex", "lpips_alex", ".3f"),
    ("identity distance", "identity_distance", ".2f"), ("steps", "steps", ".0f"), ("seconds", "seconds", ".0f"),
)  # fmt: skip


def write_gallery(path: Path, results: Results, licence: str = "") -> None:
    """Write the page, whole or not at all."""
    facts, aligned = results.facts, results.aligned
    text = rendered(
        "gallery.html",
        photo=results.photo,
        facts=facts,
        stages=[
            (_url(aligned.photo, LARGE, edited=False), "photo"),
            (_url(aligned.pixels, MIDDLE, edited=False), "aligned crop"),
            (_url(results.reconstruction, MIDDLE), f"reconstruction in {facts['space']}"),
        ],
        before=_url(_around(aligned, aligned.photo), LARGE, edited=False),
        edits=[
            (_url(_around(aligned, one.photo), LARGE), one.title, _in_words(one.strengths)) for one in results.outcomes
        ],
        strips=[
            (strip.name, [(_url(pixels, SMALL), signed(strength)) for strength, pixels in strip.crops])
            for strip in results.strips
        ],
        quality=[[label for label, _, _ in QUALITY], [_number(facts.get(key), form) for _, key, form in QUALITY]],
        figures=[_row(one, results) for one in results.outcomes],
        licence=licence,
    )
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _in_words(strengths: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {signed(strength)}" for name, strength in strengths.items())


def _row(outcome: Outcome, results: Results) -> list[str]:
    """An edit's figures; the scores are those of its first direction."""
    scores = outcome.score, HELD_OUT.get(outcome.score)
    moved = [
        f"{_number(results.scores.get(name), '.2f')} → {_number(outcome.scores.get(name), '.2f')}" if name else "-"
        for name in scores
    ]
    strengths = " ".join(signed(strength) for strength in outcome.strengths.values())
    return [outcome.title, strengths, *moved, _number(outcome.identity_distance, ".2f")]


def _number(value: float | int | None, form: str) -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def _around(aligned: Aligned, photo: Pixels) -> Pixels:
    """What lies around the crop, as far as the photo reaches."""
    low, high = aligned.quad.min(0), aligned.quad.max(0)
    margin = AROUND * (high - low)
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = np.ceil(high + margin).astype(int)
    return np.ascontiguousarray(photo[top:bottom, left:right])


def _url(pixels: Pixels, side: int, edited: bool = True) -> str:
    return data_url(fitted(pixels, side), edited)
