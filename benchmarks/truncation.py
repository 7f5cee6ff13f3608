"""An encoder under truncation: its codes, learnt at psi 1, make up for another psi.

    python benchmarks/truncation.py DATA [--model avatars64] [--holdout 500] [--photos 64]

The mean squared error of e4e on held-out pictures, as a part of that of the mean image, at several psi.
"""

import argparse
from pathlib import Path

import torch

from machine import save_result
from zplus.execution import EAGER
from zplus.generators import load_generator
from zplus.inversion import invert
from zplus.spaces import make_space, render
from zplus.training.data import read_pictures, to_batch

PSI = (1.0, 0.7, 0.5)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="avatars64")
    parser.add_argument("--holdout", type=int, default=500)
    parser.add_argument("--photos", type=int, default=64)
    given = parser.parse_args()
    generator = load_generator(given.model)
    target = to_batch(read_pictures(given.data, generator.resolution, given.holdout).held_out[: given.photos])
    space, found = make_space("w+", generator), {}
    mean = (generator.synthesize(space.inputs(space.mean(1))) - target).square().mean()
    for name in ("w+", "z+", "f/w+", "f/z+"):
        latents = (invert(generator, target, name, "e4e", psi=psi, execution=EAGER) for psi in PSI)
        errors = [(render(generator, latent) - target).square().mean() / mean for latent in latents]
        found[name] = {str(psi): round(float(error), 3) for psi, error in zip(PSI, errors, strict=True)}
        print(name, found[name], flush=True)
    save_result("truncation", {"model": given.model, "photos": given.photos, "part_of_the_mean_image": found})


if __name__ == "__main__":
    main()
