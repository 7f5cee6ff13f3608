"""The directions of avatars64, learnt from the exact labels of the pictures that it was trained on.

    python benchmarks/avatar_directions.py avatars64.zip OUT [--model avatars64] [--samples 5000]

A small network (the probe) learns the labels from the pictures; it then scores samples of the generator, and boundaries
separate the extremes. Writes OUT/NAME.safetensors for those that separate well enough to ship, and
benchmarks/results/avatar_directions.json: the probe's accuracy on held-out pictures, each boundary's on held-out
samples, and what each direction does to all attributes, which goes into its card as well.
"""

import argparse
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from machine import save_result
from zplus.direction import save_direction
from zplus.editing import FINDERS, Search, score_prior
from zplus.editing.scored import measured_slope
from zplus.errors import ZplusError
from zplus.generators import load_generator
from zplus.training.data import Pictures, read_pictures, to_batch

HELD_OUT, EPOCHS = 500, 6
LIGHT = ("#ffdbb4", "#edb98a", "#f8d25c", "#fd9841")  # of the seven skin colours
SHORT = ("short", "theCaesar", "sides", "shaved", "frizzle", "shaggy", "dreads01", "dreads02")
HATS = ("hat", "winterHat", "turban", "hijab")
ACCURATE = 0.8  # on the ends of held-out samples, of which half would be right by chance: less is not kept
MOVING = 0.5  # deviations that a unit must move its own score


def truths(row: Mapping[str, str]) -> dict[str, bool | None]:
    """What a label says of each attribute; None where it does not tell."""
    top = row["top"]
    return {
        "glasses": row.get("accessories") not in (None, "eyepatch"),
        "smile": row["mouth"] in ("smile", "twinkle"),
        "beard": "facialHair" in row,
        "long_hair": None if top.startswith(HATS) else not top.startswith(SHORT),
        "light_skin": row["skinColor"] in LIGHT,
    }


class Probe(nn.Module):
    """Pictures [N,3,64,64] to logits [N, attributes]."""

    def __init__(self, attributes: int):
        super().__init__()
        widths = (3, 32, 64, 128, 128)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.out = nn.Linear(widths[-1] * 16, attributes)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.max_pool2d(F.relu(conv(x)), 2)
        return self.out(x.flatten(1))


def labels_of(path: Path) -> tuple[list[str], np.ndarray]:
    """The attributes, and what each picture has of them, float [N, attributes] with nan where unknown."""
    with zipfile.ZipFile(path) as archive:
        rows = [json.loads(line) for line in archive.read("labels.jsonl").decode().splitlines()]
    found = [truths(row) for row in sorted(rows, key=lambda row: row["file"])]
    return list(found[0]), np.array([[np.nan if x is None else float(x) for x in row.values()] for row in found])


def trained_probe(data: Pictures, labels: np.ndarray) -> Probe:
    torch.manual_seed(0)
    probe = Probe(labels.shape[1])
    optimizer = torch.optim.Adam(probe.parameters(), 1e-3)
    count, random = len(data.train), np.random.default_rng(0)
    for epoch in range(EPOCHS):
        for rows in np.array_split(random.permutation(count), count // 64):
            truth = torch.from_numpy(labels[rows]).float()
            loss = F.binary_cross_entropy_with_logits(
                probe(to_batch(data.train[rows])), truth.nan_to_num(0.5), reduction="none"
            )
            loss = loss[truth.isfinite()].mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}", flush=True)
    return probe.eval()


def accuracies(probe: Probe, data: Pictures, names: list[str], labels: np.ndarray) -> dict[str, float]:
    with torch.inference_mode():
        guessed = probe(to_batch(data.held_out)).numpy() > 0
    truth = labels[len(data.train) :]
    return {
        name: round(float((guessed[:, i] == truth[:, i])[np.isfinite(truth[:, i])].mean()), 4)
        for i, name in enumerate(names)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="avatars64")
    parser.add_argument("--samples", type=int, default=5000)
    given = parser.parse_args()
    generator, (names, labels) = load_generator(given.model), labels_of(given.data)
    data = read_pictures(given.data, generator.resolution, HELD_OUT)
    probe = trained_probe(data, labels)
    result = {"probe_accuracy": accuracies(probe, data, names, labels), "directions": {}}
    print(result, flush=True)

    @torch.inference_mode()
    def score(pixels: np.ndarray) -> dict[str, float]:
        return dict(zip(names, probe(to_batch(pixels[None]))[0].tolist(), strict=True))

    scored = score_prior(generator, score, given.samples)
    deviations = {name: float(x.std()) for name, x in scored.scores.items()}
    given.out.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            (direction,) = FINDERS["boundary"](generator, Search(name, name, scored))
        except ZplusError as error:
            result["directions"][name] = {"error": str(error)}
            print(name, error, flush=True)
            continue
        moved = {
            other: round(
                measured_slope(generator, direction.space, direction.vector, other, score) / deviations[other], 3
            )
            for other in names
        }
        card = result["directions"][name] = direction.card | {"moves": moved}
        print(name, card["accuracy"], moved, flush=True)
        if card["accuracy"] >= ACCURATE and moved[name] >= MOVING:
            save_direction(replace(direction, card=card), given.out / f"{name}.safetensors")
    save_result("avatar_directions", result)


if __name__ == "__main__":
    main()
