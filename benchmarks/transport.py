"""Directions of W followed on the sphere: how far w comes for a unit, and what a conditional direction leaks.

    python benchmarks/transport.py [--model ffhq-mobile] [--samples 16]

On samples of the prior in Z+. `progress`: the units that w came along a direction, asked for 1.5 of them. `leak`: the
units of the other direction that smile moves w by for each of its own, when the other was projected out of it in W, as
it is pulled back without and with the vectors that it excludes.
"""

import argparse

from torch import Tensor

from machine import save_result
from zplus.editing import directions_of
from zplus.editing.boundary import project_out
from zplus.editing.transport import EditPath
from zplus.generators import load_generator
from zplus.spaces import make_space

STRENGTH = 1.5
EXCLUDED = {"smile": ("mouth_open", "age", "eyeglasses"), "age": ("eyeglasses", "gender", "smile")}


def along(way: Tensor, vector: Tensor) -> Tensor:
    """How many times a vector [L,w] a way [N,L,w] goes along it, over the codes that it moves."""
    return (way * vector).sum((1, 2)) / vector.square().sum()


def described(values: Tensor) -> dict[str, float]:
    return {"median": round(float(values.median()), 4), "largest": round(float(values.abs().max()), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ffhq-mobile")
    parser.add_argument("--samples", type=int, default=16)
    given = parser.parse_args()
    generator = load_generator(given.model)
    space, w = make_space("z+", generator), make_space("w+", generator)
    code, known = space.broadcast_sample(given.samples, seed=77), directions_of(generator)

    def way(vector: Tensor, excluded: Tensor | None = None) -> Tensor:
        """The move of w for STRENGTH units of a vector [L,w]."""
        return space.to_w(EditPath(space, code, w, vector[None], excluded).at(STRENGTH)) - space.to_w(code)

    result: dict[str, dict] = {"strength": STRENGTH, "samples": given.samples, "progress": {}, "leak": {}}
    for name, direction in known.items():
        vector = direction.vector.expand(generator.num_codes, -1)
        result["progress"][name] = described(along(way(vector), vector))
    for name, others in EXCLUDED.items():
        for other in others:
            normal = known[other].vector.expand(generator.num_codes, -1)
            vector = project_out(known[name].vector, [known[other].vector])
            moved = normal * (vector.abs().amax(1, keepdim=True) > 0)  # where the two move the same codes
            leaks = {
                "without": described(along(way(vector), moved) / STRENGTH),
                "with": described(along(way(vector, normal[None]), moved) / STRENGTH),
            }
            result["leak"][f"{name} without {other}"] = leaks
    print(result, flush=True)
    save_result("transport", result)


if __name__ == "__main__":
    main()
