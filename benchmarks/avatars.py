"""A generator trained on small pictures: its distance to held-out ones, and held-out ones inverted by any method.

    python benchmarks/avatars.py DATA MODEL [--suffix ""] [--holdout 500] [--photos 64] [--steps 200]
    python benchmarks/avatars.py DATA MODEL --methods e4e default sam ... [--spaces w+ z+ f/z+] [--steps 100]

DATA is the folder or zip that MODEL was trained on without its last --holdout pictures. By default all ten spaces by
the default method, and avatars64.png: 16 samples, each with its three nearest training pictures by features of VGG16.
With --methods only these, written to avatars64_methods.json. --steps is the most of any method; --suffix goes into the
names of the files, such as _pti.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from machine import save_result
from zplus.benchmark.conditions import METHOD_SPACES
from zplus.generators import SynthesisInputs, load_generator
from zplus.images import to_pixels, write_image
from zplus.inversion import PRESETS, invert
from zplus.perception.lpips import LPIPS
from zplus.perception.metrics import MetricNetworks, measure_images
from zplus.spaces import SPACES, render
from zplus.training.data import read_pictures, to_batch
from zplus.training.distance import NETWORK, features, frechet_distance, kernel_distance

DIGITS = {"mse": 5, "lpips_vgg": 4}  # metrics of an inversion, and to how many decimals they are written


@torch.inference_mode()
def sampled(generator, count: int, seed: int = 0) -> np.ndarray:
    """Pictures of the prior, uint8 [N,R,R,3], without truncation."""
    random, found = torch.Generator().manual_seed(seed), []
    for start in range(0, count, 100):
        z = torch.randn(min(100, count - start), 1, generator.z_dim, generator=random)
        w = generator.map(z).expand(-1, generator.num_codes, -1)
        found += [to_pixels(image) for image in generator.synthesize(SynthesisInputs(generator.styles(w)))]
    return np.stack(found)


def distances(generator, data, lpips: LPIPS, path: Path) -> dict:
    size = len(data.held_out)
    held_out, train, samples = (features(x, lpips) for x in (data.held_out, data.train, sampled(generator, size)))
    random = np.random.default_rng(0)
    some = train[random.choice(len(train), size, replace=False)]
    shown = sampled(generator, 16, seed=1)
    gaps = np.linalg.norm(features(shown, lpips)[:, None] - train[None], axis=2)  # [16, M]
    nearest = gaps.argsort(1)[:, :3]
    rows = [np.concatenate([x, *data.train[near]], 1) for x, near in zip(shown, nearest, strict=True)]
    write_image(path, np.concatenate([np.concatenate(rows[:8]), np.concatenate(rows[8:])], 1), "samples and neighbours")
    return {
        "network": NETWORK, "pictures": size,
        "kernel_distance": {
            "samples_to_held_out": kernel_distance(samples, held_out)._asdict(),
            "training_to_held_out": kernel_distance(some, held_out)._asdict(),
        },
        "frechet_distance": {
            "samples_to_held_out": frechet_distance(samples, held_out),
            "training_to_held_out": frechet_distance(some, held_out),
        },
        "nearest_training_picture": [round(float(row.min()), 2) for row in gaps],
    }  # fmt: skip


def inversions(
    generator, pixels: np.ndarray, lpips: LPIPS, spaces: Sequence[str], method: str, steps: int
) -> dict[str, dict[str, float]]:
    target, found = to_batch(pixels), {}
    networks = MetricNetworks(lambda net: lpips, lpips_side=generator.resolution)
    settings = {"lpips_size": generator.resolution, "steps": min(steps, PRESETS[method].steps)}
    parts = target.split(
        1 if "pti" in PRESETS[method].stages else len(target)
    )  # weights are tuned to one picture at a time
    for space in spaces:
        began = time.perf_counter()
        image = torch.cat([render(generator, invert(generator, part, space, method, **settings)) for part in parts])
        seconds = time.perf_counter() - began
        figures = measure_images(image, target, DIGITS, networks)
        found[space] = {name: round(float(figures[name].median()), digits) for name, digits in DIGITS.items()}
        found[space]["seconds"] = round(seconds, 1)
        print(method, space, found[space], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model")
    parser.add_argument("--suffix", default="")
    parser.add_argument("--holdout", type=int, default=500)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--spaces", nargs="+", default=list(SPACES))
    given = parser.parse_args()
    generator, lpips = load_generator(given.model), LPIPS("vgg")
    data = read_pictures(given.data, generator.resolution, given.holdout)
    some = data.held_out[: given.photos]
    if given.methods:
        result = {"photos": given.photos, "steps": given.steps, "methods": {}}
        for method in given.methods:
            spaces = METHOD_SPACES.get(method, given.spaces)
            result["methods"][method] = inversions(generator, some, lpips, spaces, method, given.steps)
            save_result(f"avatars64{given.suffix}_methods", result)
        return
    result = {"distances": distances(generator, data, lpips, Path(f"avatars64{given.suffix}.png"))}
    print(result, flush=True)
    if given.photos:
        spaces = inversions(generator, some, lpips, SPACES, "default", given.steps)
        result |= {"photos": given.photos, "steps": given.steps, "spaces": spaces}
    save_result(f"avatars64{given.suffix}", result)


if __name__ == "__main__":
    main()
