"""Largest difference between our StyleGAN2 and what the original program rendered from the same weights.

    python benchmarks/parity_stylegan2.py FOLDER

FOLDER holds NAME.safetensors (a state dict of stylegan2-ada-pytorch) and NAME_expected.safetensors, fp32 on a CPU.
"""

import argparse
import json
import platform
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from zplus.generators.contract import Signals
from zplus.generators.stylegan2 import StyleGAN2, infer_config

NAMES = ("nvidia_skip32", "nvidia_resnet32", "nvidia_cond64")
TOLERANCE = 1e-4
PSI, CUTOFF = 0.7, 4  # how w_truncated was made


def load(path: Path) -> StyleGAN2:
    tensors = load_file(path)
    generator = StyleGAN2(infer_config(tensors), path.stem)
    generator.load_state_dict(tensors)
    return generator.eval().requires_grad_(False)


def map_all(generator: StyleGAN2, expected: dict[str, Tensor]) -> Tensor:
    """Map every z under its own label."""
    z = expected["z"][:, None].expand(-1, generator.num_codes, -1)
    if "c" not in expected:
        return generator.map(z)
    return torch.cat([generator.with_label(c).map(row[None]) for c, row in zip(expected["c"], z, strict=True)])


def render(generator: StyleGAN2, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Everything that the expected file holds, by our own arithmetic from z alone."""
    w = map_all(generator, expected)
    truncated = w.clone()
    truncated[:, :CUTOFF] = generator.w_mean + PSI * (w[:, :CUTOFF] - generator.w_mean)
    stored = Signals(generator.styles(truncated))
    found = {
        "w": w,
        "w_truncated": truncated,
        "image_const_noise_truncated": generator.synthesize(stored),
        "image_no_noise": generator.synthesize(Signals(generator.styles(w), generator.noise("none"))),
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
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent / "results" / "parity_stylegan2.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    differences = {name: compare(arguments.folder, name) for name in NAMES}
    for name, found in differences.items():
        for key, value in found.items():
            print(f"{name:16} {key:28} {value:.1e}")
    largest = max(x for found in differences.values() for x in found.values())
    print(f"largest difference {largest:.1e}, {'within' if largest <= TOLERANCE else 'NOT within'} {TOLERANCE:.0e}")
    report = {"torch": torch.__version__, "machine": platform.machine(), "tolerance": TOLERANCE, "largest": largest}
    report["largest_by_tensor"] = differences
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(largest > TOLERANCE)


if __name__ == "__main__":
    main()
