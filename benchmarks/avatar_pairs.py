"""Edits against the truth: avatars drawn plain are inverted, edited, and compared with the same ones drawn otherwise.

    python benchmarks/avatar_pairs.py avatar_pairs64.zip [--model avatars64] [--directions FOLDER] [--steps 100]

For each space and attribute the strength is the one that serves the first 50 pairs best; what is reported are the
--photos pairs after them. The baselines are no edit: the plain drawing itself, and its reconstruction. The edit is also
judged pasted, as what it changes added to the plain drawing, which compares with the former. Directions are
FOLDER/NAME.safetensors, or those that come with the model. Writes avatar_pairs.png: pairs in the best space.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from machine import save_result
from zplus.benchmark.conditions import Condition
from zplus.benchmark.subjects import drawn
from zplus.benchmark.trial import Edited
from zplus.direction import Direction
from zplus.editing import find_direction
from zplus.generators import Generator, load_generator
from zplus.images import to_pixels, write_image
from zplus.inversion import invert
from zplus.latent import Latent
from zplus.perception.lpips import LPIPS, Features
from zplus.spaces import SPACES, render

ATTRIBUTES = ("glasses", "smile", "beard")
STRENGTHS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
TUNING = 50  # pairs that choose the strength
AROUND = 2  # pixels by which the region that changed is widened
AIM = 0.8  # of the distance without an edit
BATCH, SHOWN = 64, 12  # rows that LPIPS is given at once; pairs on the sheet


class Truth:
    """The drawings that edits should give, and what changed in them against the plain ones."""

    def __init__(self, plain: Tensor, true: Tensor, lpips: LPIPS):
        changed = (plain != true).any(1, keepdim=True).float()
        self.region = F.max_pool2d(changed, 2 * AROUND + 1, 1, AROUND)  # [N,1,R,R]
        self.true, self.lpips = true, lpips
        self.features = self._features(true)

    @torch.inference_mode()
    def _features(self, image: Tensor) -> Features:
        parts = [self.lpips.features(part) for part in image.split(BATCH)]
        return tuple(torch.cat(stage) for stage in zip(*parts, strict=True))

    @torch.inference_mode()
    def distance(self, image: Tensor, rows: slice) -> Tensor:
        """LPIPS [N] of images of these rows."""
        return self.lpips.distance(self._features(image), tuple(x[rows] for x in self.features))

    def compare(self, image: Tensor, rows: slice) -> dict[str, Tensor]:
        """LPIPS and MSE [N]: whole, inside the region that changed, outside; LPIPS with the truth put for the rest."""
        true, inside = self.true[rows], self.region[rows]
        error, found = (image - true).square().mean(1, keepdim=True), {}
        for name, mask in (("whole", torch.ones_like(inside)), ("inside", inside), ("outside", 1 - inside)):
            found[f"lpips_{name}"] = self.distance(torch.where(mask > 0, image, true), rows)
            found[f"mse_{name}"] = (mask * error).sum((1, 2, 3)) / mask.sum((1, 2, 3))
        return found


def medians(found: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: round(float(np.median(values)), 5) for name, values in found.items()}


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The rows of all attributes together."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def measured(
    generator: Generator,
    latent: Latent,
    plain: Tensor,
    truths: Mapping[str, Truth],
    directions: Mapping[str, Direction],
    test: slice,
) -> tuple[dict, dict[str, Tensor]]:
    """The figures of one space, and pictures for the sheet: the reconstructions, and the edits by attribute."""
    reconstruction, tuning = render(generator, latent), slice(TUNING)
    edited = Edited(generator, latent, Condition(latent.space, latent.space))
    found, parts, shown = {}, [], {"reconstruction": reconstruction[test][:SHOWN]}
    for name, truth in truths.items():
        tried = {s: edited.image(directions[name], s) for s in STRENGTHS}
        tuned = {s: float(np.median(truth.distance(x[tuning], tuning))) for s, (x, _) in tried.items()}
        strength = min(tuned, key=tuned.__getitem__)
        images, followed = tried[strength]
        pasted = (plain + images - reconstruction).clamp(-1, 1)
        kinds = {"edited": images, "not_edited": reconstruction, "pasted": pasted}
        parts.append({kind: truth.compare(x[test], test) for kind, x in kinds.items()})
        shown[name] = images[test][:SHOWN]
        tuned = {str(s): round(x, 4) for s, x in tuned.items()}
        found[name] = {"strength": strength, "tuning": tuned, "refused": followed.count(False)} | summarised(parts[-1])
    found["all"] = summarised({kind: joined([part[kind] for part in parts]) for kind in parts[0]})
    return found, shown


def summarised(kinds: Mapping[str, dict[str, Tensor]]) -> dict:
    """Medians by kind of picture, and the LPIPS of the edit as a part of that of the reconstruction."""
    found = {kind: medians(values) for kind, values in kinds.items()}
    return found | {"ratio": round(found["edited"]["lpips_whole"] / found["not_edited"]["lpips_whole"], 3)}


def sheet(plain: Tensor, truths: Mapping[str, Truth], shown: Mapping[str, Tensor], test: slice) -> np.ndarray:
    """A row a pair: plain, reconstruction, and for each attribute edited and truth."""
    columns = [plain[test][:SHOWN], shown["reconstruction"]]
    for name, truth in truths.items():
        columns += [shown[name], truth.true[test][:SHOWN]]
    pixels = [np.concatenate([to_pixels(image) for image in column]) for column in columns]
    return np.concatenate(pixels, 1).repeat(2, 0).repeat(2, 1)


def table(spaces: Mapping[str, dict]) -> str:
    """Markdown: median LPIPS edited, not edited and the ratio, by space and attribute, then that of the edit pasted."""
    names = (*ATTRIBUTES, "all")
    lines = [f"| space | {' | '.join(names)} | all, pasted |", "|" + "---|" * (len(names) + 2)]
    for space, found in spaces.items():
        figures = [[found[name][kind]["lpips_whole"] for kind in ("edited", "not_edited")] for name in names]
        cells = [
            f"{after:.3f} / {before:.3f} = {found[name]['ratio']:.2f}"
            for name, (after, before) in zip(names, figures, strict=True)
        ]
        lines.append(f"| {space} | {' | '.join(cells)} | {found['all']['pasted']['lpips_whole']:.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--model", default="avatars64")
    parser.add_argument("--directions", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--spaces", nargs="+", default=list(SPACES))
    given = parser.parse_args()
    generator, lpips = load_generator(given.model), LPIPS("vgg")
    test, folder = slice(TUNING, TUNING + given.photos), given.directions
    directions = {
        name: find_direction(str(folder / f"{name}.safetensors") if folder else name, generator) for name in ATTRIBUTES
    }
    pairs = drawn(given.pairs, generator, ATTRIBUTES, test.stop)
    plain = pairs.images
    truths = {name: Truth(plain, pairs.truths[name, "drawn"], lpips) for name in ATTRIBUTES}
    untouched = {name: truth.compare(plain[test], test) for name, truth in truths.items()}
    untouched["all"] = joined(list(untouched.values()))
    result = {
        "model": given.model, "photos": given.photos, "tuning_photos": TUNING, "steps": given.steps,
        "plain_drawing": {name: medians(found) for name, found in untouched.items()}, "spaces": {},
    }  # fmt: skip
    best = np.inf
    for space in given.spaces:
        began = time.perf_counter()
        latent = invert(generator, plain, space, steps=given.steps, lpips_size=generator.resolution)
        found, shown = measured(generator, latent, plain, truths, directions, test)
        result["spaces"][space] = found
        distance, ratio = found["all"]["edited"]["lpips_whole"], found["all"]["ratio"]
        print(f"{space}: LPIPS {distance:.3f}, ratio {ratio}, {time.perf_counter() - began:.0f} s", flush=True)
        if distance < best:
            best, result["best"] = distance, {"space": space, "ratio": ratio, "aim_reached": ratio <= AIM}
            write_image("avatar_pairs.png", sheet(plain, truths, shown, test), f"edited in {space}")
        save_result("avatar_pairs", result)
    print(table(result["spaces"]))
    print(f"best: {result['best']}; the plain drawing itself: {result['plain_drawing']['all']['lpips_whole']:.3f}")


if __name__ == "__main__":
    main()
