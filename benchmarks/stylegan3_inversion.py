"""Inversion on a StyleGAN3 of random weights: images of known codes, found again in Z+ and F/Z+, upright and turned.

    python benchmarks/stylegan3_inversion.py [--steps 40]

The generator is configuration T at 64 px with 64 channels; nothing was trained. Its images come from one z per layer
and are inverted from the default start. The turned ones are drawn under a transform of 30 degrees and inverted with it
and without it.
"""

import argparse
from statistics import mean

import torch

from machine import save_result
from zplus import invert, render
from zplus.generators import Generator, statistics
from zplus.generators.stylegan3 import StyleGAN3, StyleGAN3Config
from zplus.generators.transform import transform_of
from zplus.latent import Point
from zplus.perception.metrics import measure_images
from zplus.spaces import latent_of, make_space

PHOTOS, DEGREES = 3, 30.0
METRICS = ["mse", "lpips_vgg"]


def untrained() -> StyleGAN3:
    """Random weights with a spread of images of about 0.5; frequencies within the first band."""
    torch.manual_seed(0)
    generator = StyleGAN3(StyleGAN3Config(64, 64, 64, channels=(64,) * 8, w_mean=False), "stylegan3-untrained-64")
    generator.synthesis[generator.rgb_name].weight.data.mul_(4.0)
    return generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def drawn(generator: Generator) -> torch.Tensor:
    """Images [PHOTOS, 3, R, R] of codes of Z+."""
    space = make_space("z+", generator)
    return render(generator, latent_of(space, Point(space.sample(PHOTOS, seed=11))))


def found(generator: Generator, photos: torch.Tensor, space: str, steps: int) -> dict[str, float]:
    latent = invert(generator, photos, space, steps=steps)
    errors = measure_images(render(generator, latent), photos, METRICS)
    figures = {name: round(float(values.mean()), 5) for name, values in errors.items()}
    return figures | {"seconds": round(mean(latent.figures["seconds"]), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    steps = parser.parse_args().steps
    generator = untrained()
    statistics(generator)
    turned = generator.with_transform(transform_of(DEGREES))
    upright, tilted = drawn(generator), drawn(turned)
    result = {"photos": PHOTOS, "steps": steps, "std_of_images": round(float(upright.std()), 3)}
    result["std_between_images"] = round(float(upright.std(0).mean()), 3)
    for name, one, photos in (
        ("upright", generator, upright),
        ("turned_with_transform", turned, tilted),
        ("turned_without", generator, tilted),
    ):
        result[name] = {space: found(one, photos, space, steps) for space in ("z+", "f/z+")}
        print(name, result[name], flush=True)
    save_result("stylegan3_inversion", result)


if __name__ == "__main__":
    main()
