"""Largest difference between our StyleGAN2 and what the original programs rendered from the same weights.

    python benchmarks/parity_stylegan2.py FOLDER

FOLDER holds NAME.safetensors (a state dict of stylegan2-ada-pytorch or genforce) and NAME_expected.safetensors, fp32
on a CPU, and rosinality_32_names.json, whose tensors are drawn by name. All pass through `read_checkpoint`.
"""

import argparse
import json
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from machine import save_result
from zplus.generators.checkpoints.read import read_checkpoint
from zplus.generators.contract import Generator, SynthesisInputs

NAMES = ("nvidia_skip32", "nvidia_resnet32", "nvidia_cond64")
TOLERANCE = 1e-4
PSI, CUTOFF = 0.7, 4  # how w_truncated was made


def drawn(folder: Path) -> dict[str, Tensor]:
    """The state dict of a generator of rosinality's program, with tensors that depend on their names alone."""
    shapes = json.loads((folder / "rosinality_32_names.json").read_text(encoding="utf-8"))
    kernel, found = load_file(folder / "rosinality_32_expected.safetensors")["kernel_example"], {}
    for name, shape in shapes.items():
        numbers = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
        gain = 0.1 if name.endswith(("bias", "noise.weight")) else 1.0
        gain = 100.0 if name.startswith("style") and name.endswith("weight") else gain
        tensor = torch.from_numpy(numbers.astype(np.float32)) * gain + name.endswith("modulation.bias")
        found[name] = kernel if name.endswith("kernel") else tensor
    return found


def others(folder: Path) -> dict[str, dict[str, float]]:
    """The same for the programs of rosinality and genforce, from files that torch.save wrote."""
    differences = {}
    with TemporaryDirectory() as place:
        for name, key in (("rosinality_32", "g_ema"), ("genforce_32", "generator_smooth")):
            expected, path = load_file(folder / f"{name}_expected.safetensors"), Path(place, f"{name}.pt")
            tensors = drawn(folder) if key == "g_ema" else load_file(folder / f"{name}.safetensors")
            torch.save({key: tensors} | {k: x for k, x in expected.items() if k == "latent_avg"}, path)
            generator, _ = read_checkpoint(path)
            w = generator.map(expected["z"][:, None]).expand(-1, generator.num_codes, -1)
            truncated, cutoff = w.clone(), CUTOFF if key == "generator_smooth" else generator.num_codes
            truncated[:, :cutoff] = torch.lerp(generator.w_mean, w[:, :cutoff], PSI)
            image, other = (generator.synthesize(SynthesisInputs(generator.styles(x))) for x in (w, truncated))
            found = {"w": w[:, 0], "image": image, "image_psi_0.7": other, "image_psi_0.7_first4": other}
            differences[name] = {k: (x - expected[k]).abs().max().item() for k, x in found.items() if k in expected}
    return differences


def load(path: Path) -> Generator:
    return read_checkpoint(path)[0]


def map_all(generator: Generator, expected: dict[str, Tensor]) -> Tensor:
    """Map every z under its own label."""
    z = expected["z"][:, None].expand(-1, generator.num_codes, -1)
    if "c" not in expected:
        return generator.map(z)
    return torch.cat([generator.with_label(c).map(row[None]) for c, row in zip(expected["c"], z, strict=True)])


def render(generator: Generator, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Everything that the expected file holds, by our own arithmetic from z alone."""
    w = map_all(generator, expected)
    truncated = w.clone()
    truncated[:, :CUTOFF] = generator.w_mean + PSI * (w[:, :CUTOFF] - generator.w_mean)
    stored = SynthesisInputs(generator.styles(truncated))
    found = {
        "w": w,
        "w_truncated": truncated,
        "image_const_noise_truncated": generator.synthesize(stored),
        "image_no_noise": generator.synthesize(SynthesisInputs(generator.styles(w), generator.noise("none"))),
    }
    for k, layer in enumerate(generator.layers):
        if layer.name.endswith("conv1"):
            found[f"state.b{layer.resolution}.x"], rgb = generator.head(stored, k)
            if rgb is not None:
                found[f"state.b{layer.resolution}.img"] = rgb
    found[f"state.b{generator.resolution}.img"] = found["image_const_noise_truncated"]
    return found


def compare(folder: Path, name: str) -> dict[str, float]:
    expected = load_file(folder / f"{name}_expected.safetensors")
    found = render(load(folder / f"{name}.safetensors"), expected)
    return {key: (found[key] - x).abs().max().item() for key, x in expected.items() if key not in ("z", "c")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    differences = {name: compare(arguments.folder, name) for name in NAMES} | others(arguments.folder)
    for name, found in differences.items():
        for key, value in found.items():
            print(f"{name:16} {key:28} {value:.1e}")
    largest = float(np.max([x for found in differences.values() for x in found.values()]))  # NaN where one is
    within = largest <= TOLERANCE
    print(f"largest difference {largest:.1e}, {'within' if within else 'NOT within'} {TOLERANCE:.0e}")
    report = {"tolerance": TOLERANCE, "largest": largest}
    report["largest_by_tensor"] = differences
    save_result("parity_stylegan2", report)
    raise SystemExit(not within)


if __name__ == "__main__":
    main()
