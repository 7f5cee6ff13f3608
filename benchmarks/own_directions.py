"""Boundaries of Z and S for the directions that the package has in W, so that every space is edited by its own kind.

    python benchmarks/own_directions.py OUT [--model ffhq-mobile] [--samples 1500]

Samples of the prior are scored once, by the scorers that trained smile, age and yaw; a boundary in each space separates
their ends (InterFaceGAN), on the codes that the direction of W moves. Writes OUT/NAME-SPACE.safetensors, which
`zplus bench spaces -d NAME -d FILE` takes.
"""

import argparse
from itertools import product
from pathlib import Path

from zplus.benchmark.prepare import FACES
from zplus.direction import save_direction
from zplus.editing import FINDERS, Search, directions_of, score_prior
from zplus.generators import load_generator
from zplus.perception.attributes import Scorers

SPACES = ("z", "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="ffhq-mobile")
    parser.add_argument("--samples", type=int, default=1500)
    given = parser.parse_args()
    generator, scorers = load_generator(given.model), Scorers()
    of_w = [directions_of(generator)[name] for name in FACES]
    attributes = [one.card["attribute"] for one in of_w]
    scored = score_prior(
        generator, lambda pixels: scorers.measure(pixels, attributes), given.samples,
        report=lambda done: print(done, flush=True) if done % 100 == 0 else None,
    )  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    for one, space in product(of_w, SPACES):
        first, last = one.card["layers"]
        search = Search(one.name, one.card["attribute"], scored, space=space, layers=(first, last))
        (found,) = FINDERS["boundary"](generator, search)
        save_direction(found, given.out / f"{one.name}-{space}.safetensors")
        print(one.name, space, found.space, found.card, flush=True)


if __name__ == "__main__":
    main()
