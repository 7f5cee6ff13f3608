"""How far edits follow drawings with known edits, by directions learnt from other such drawings.

    python benchmarks/drawn.py avatar_pairs64.zip [--model avatars64] [--tested 64]

The zip is that of `zplus bench --pairs`. The first pairs are edited; all others teach, for each attribute, the mean
difference between the encoder's codes with and without it, in W+ and in Z+, which is one unit of strength. Writes
benchmarks/results/drawn.json: how large the drawn changes are, how well the directions are known and how long they are,
and for each arm the mean LPIPS between the edited and the drawn picture by strength, 0 being the reconstruction.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from machine import save_result
from zplus.benchmark.samples import drawn
from zplus.direction import Direction
from zplus.editing import Editor
from zplus.generators import Generator, load_generator
from zplus.inversion import invert
from zplus.latent import Move
from zplus.perception.metrics import METRICS, MetricNetworks
from zplus.spaces import make_space

ATTRIBUTES = ("smile", "glasses", "beard")
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
BATCH, SAMPLES, ALL = 16, 5000, 10**9


class Arm(NamedTuple):
    """The space of the inversions, the space of the directions, and how codes move."""

    space: str
    learnt_in: str
    move: Move


ARMS = {
    "w+": Arm("w+", "w+", "straight"),
    "z+ own directions": Arm("z+", "z+", "sphere"),
    "f/w+": Arm("f/w+", "w+", "straight"),
    "f/z+ own directions": Arm("f/z+", "z+", "sphere"),
    "f/z+ moved in W": Arm("f/z+", "w+", "straight"),
}


def taught(generator: Generator, space: str, pictures: dict[str, Tensor]) -> dict[str, Tensor]:
    """By attribute the changes of the encoder's codes [N, L, D]."""
    settings = {"steps": 0, "lpips_size": generator.resolution}
    codes = {
        kind: torch.cat([invert(generator, x, space, **settings).inverted.code for x in images.split(BATCH)])
        for kind, images in pictures.items()
    }
    return {name: codes[name] - codes["base"] for name in ATTRIBUTES}


def learnt(change: Tensor, prior: Tensor) -> dict[str, float]:
    """How well the mean change is known (the cosine between those of two halves), and how long it is on the prior."""
    one, other, mean = (x.mean(0).flatten() for x in (change[::2], change[1::2], change))
    along = prior.expand(-1, change.shape[1], -1).flatten(1) @ mean / mean.norm()
    return {
        "cosine_of_halves": round(float(torch.cosine_similarity(one, other, dim=0)), 3),
        "length_in_prior_deviations": round(float(mean.norm() / along.std()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--model", default="avatars64")
    parser.add_argument("--tested", type=int, default=64)
    given = parser.parse_args()
    generator = load_generator(given.model)
    networks = MetricNetworks(lpips_side=generator.resolution)
    found = drawn(given.pairs, generator, ATTRIBUTES, ALL)
    pictures = {"base": found.images} | {name: found.truths[name, "drawn"] for name in ATTRIBUTES}
    tested = {kind: x[: given.tested] for kind, x in pictures.items()}
    result: dict = {"tested": given.tested, "taught": len(found.names) - given.tested, "strengths": STRENGTHS}

    def distance(a: Tensor, b: Tensor) -> float:
        return round(float(METRICS["lpips_vgg"](a, b, networks).mean()), 4)

    result["drawn_change"] = {name: distance(tested["base"], tested[name]) for name in ATTRIBUTES}
    directions: dict[tuple[str, str], Direction] = {}
    for kind in ("w+", "z+"):
        space = make_space(kind, generator)
        changes = taught(generator, kind, {name: x[given.tested :] for name, x in pictures.items()})
        prior = make_space(kind[0], generator).sample(SAMPLES, seed=1)
        result[f"directions in {kind}"] = {name: learnt(x, prior) for name, x in changes.items()}
        for name, x in changes.items():
            directions[kind, name] = Direction(name, kind, x.mean(0), space.required_fingerprint)
    result["arms"], editors = {}, {}
    for label, arm in ARMS.items():
        if arm.space not in editors:
            settings = {"steps": 40, "lpips_size": generator.resolution}
            editors[arm.space] = Editor(generator, invert(generator, tested["base"], arm.space, **settings))
        editor = editors[arm.space]
        result["arms"][label] = {"reconstruction": distance(editor.image(editor.latent), tested["base"])}
        for name in ATTRIBUTES:
            moves = [{directions[arm.learnt_in, name]: strength} for strength in STRENGTHS]
            images = [editor.image(editor.edit(x, move=arm.move)) for x in moves]
            result["arms"][label][name] = [distance(x, tested[name]) for x in images]
        print(label, result["arms"][label], flush=True)
    save_result("drawn", result)


if __name__ == "__main__":
    main()
