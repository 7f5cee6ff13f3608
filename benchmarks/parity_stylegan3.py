"""Largest difference between our StyleGAN3 and what the original program rendered from the same weights.

    python benchmarks/parity_stylegan3.py FOLDER

FOLDER holds NAME.safetensors (a state dict of NVIDIA's stylegan3) and NAME_expected.safetensors, fp32 on a CPU: w, the
state after every layer, and images as they are, truncated and moved by a transform. All pass through `read_checkpoint`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from machine import save_result
from parity_stylegan2 import CUTOFF, PSI, TOLERANCE, load, map_all
from zplus.generators.contract import Generator, SynthesisInputs

NAMES = ("nvidia_sg3t32", "nvidia_sg3r32", "nvidia_sg3t_cond64")


def render(generator: Generator, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Everything that the expected file holds, by our own arithmetic from z alone; states are of the first row."""
    w = map_all(generator, expected)
    truncated = w.clone()
    truncated[:, :CUTOFF] = torch.lerp(generator.w_mean, w[:, :CUTOFF], PSI)
    inputs, other = (SynthesisInputs(generator.styles(x)) for x in (w, truncated))
    first = SynthesisInputs(tuple(x[:1] for x in inputs.styles))
    states = {f"state.{layer.name}": generator.head(first, k).features for k, layer in enumerate(generator.layers)}
    image = generator.synthesize(inputs)
    return states | {
        "w": w,
        "w_truncated": truncated,
        "state.input": generator.initial(first).features,
        f"state.L{len(states)}_{generator.resolution}_3": 4 * image[:1],  # RGB before its scale of 1/4
        "image": image,
        "image_truncated": generator.synthesize(other),
        "image_translated": generator.with_transform(expected["transform"]).synthesize(inputs),
    }


def compare(folder: Path, name: str) -> dict[str, float]:
    expected = load_file(folder / f"{name}_expected.safetensors")
    found = render(load(folder / f"{name}.safetensors"), expected)
    inputs = ("z", "c", "transform")
    return {key: (found[key] - x).abs().max().item() for key, x in expected.items() if key not in inputs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    differences = {name: compare(arguments.folder, name) for name in NAMES}
    for name, found in differences.items():
        for key, value in found.items():
            print(f"{name:20} {key:20} {value:.1e}")
    largest = float(np.max([x for found in differences.values() for x in found.values()]))  # NaN where one is
    within = largest <= TOLERANCE
    print(f"largest difference {largest:.1e}, {'within' if within else 'NOT within'} {TOLERANCE:.0e}")
    save_result("parity_stylegan3", {"tolerance": TOLERANCE, "largest": largest, "largest_by_tensor": differences})
    raise SystemExit(not within)


if __name__ == "__main__":
    main()
