"""What a GPU gives: the default inversion of portraits and an edit there, and every space and method beside the CPU.

    python benchmarks/gpu.py FOLDER --work WORK [--device cuda]

FOLDER and WORK are those of portraits.py. Seconds of the first portrait include compilation; medians leave it out.
"""

import argparse
import math
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from machine import save_result
from portraits import portraits
from zplus.benchmark.conditions import EVERY_METHOD, EVERY_SPACE
from zplus.editing import Editor
from zplus.execution import EAGER, best_execution
from zplus.generators import Generator, load_generator
from zplus.images import to_tensor
from zplus.inversion import invert
from zplus.perception.quality import measure_quality
from zplus.spaces import make_space, render

STEPS = 5  # of every space and method on avatars


def on_portraits(folder: Path, work: Path, device: torch.device) -> list[dict[str, Any]]:
    """Figures of each portrait, inverted and edited by default."""
    generator, rows = load_generator("ffhq-mobile", device), []
    for name, pixels in portraits(folder, work).items():
        photo = to_tensor(pixels)
        began = time.perf_counter()
        latent = invert(generator, photo)
        inverted = time.perf_counter()
        editor = Editor(generator, latent, best_execution(generator))
        editor.image(latent)
        seen = time.perf_counter()
        editor.image(editor.edit({"smile": 1.0})).cpu()
        row = {"name": name, "seconds": inverted - began, "edit_seconds": time.perf_counter() - seen}
        figures = measure_quality(render(generator, latent).cpu(), photo)
        row |= {key: value for key, value in figures.items() if not math.isnan(value)}
        rows.append(row)
        print(row, flush=True)
    return rows


def on_avatars(device: torch.device) -> list[dict[str, Any]]:
    """How far every space and method gets in a few steps on both devices, without compilation, in fp32."""
    generators = [load_generator("avatars64", torch.device("cpu")), load_generator("avatars64", device)]
    space = make_space("z", generators[0])
    with torch.inference_mode():
        photo = generators[0].synthesize(space.decode(space.sample(1))).clamp(-1, 1)
    photo = photo.clone()
    forms, rows = [("hybrid", x.space) for x in EVERY_SPACE] + [(x.name, x.space) for x in EVERY_METHOD], []
    for method, name in forms:
        row = {"method": method, "space": name}
        for generator in generators:
            row[generator.device.type] = mse(generator, photo, name, method)
        rows.append(row)
        print(row, flush=True)
    return rows


def mse(generator: Generator, photo: torch.Tensor, space: str, method: str) -> float | str:
    """The error of an inversion in a few steps; what went wrong, in words."""
    torch.manual_seed(0)
    try:
        latent = invert(generator, photo, space, method, steps=STEPS, execution=EAGER)
        return (render(generator, latent).cpu() - photo).square().mean().item()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    given = parser.parse_args()
    on_gpu = given.device.type == "cuda"
    result: dict[str, Any] = {"device": torch.cuda.get_device_name(given.device) if on_gpu else given.device.type}
    result["portraits"] = rows = on_portraits(given.folder, given.work, given.device)
    result["median"] = {key: median(row[key] for row in (rows[1:] or rows)) for key in rows[0] if key != "name"}
    save_result("gpu", result)
    save_result("gpu", result | {"avatars": on_avatars(given.device)})


if __name__ == "__main__":
    main()
