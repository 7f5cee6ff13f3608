"""Largest difference between our MobileStyleGAN and what the package's own OpenVINO engine rendered in fp32.

    python benchmarks/parity_ffhq_mobile.py ORACLE.npz

ORACLE.npz holds z and w [4,512], image_area256 [4,3,256,256] (float16, means over 4x4 pixels) and crop_384_448
[4,3,64,64] (float32). The model must have been pulled.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from machine import save_result
from zplus.generators import Generator, SynthesisInputs, load_generator

TOLERANCES = {"w": 1e-5, "crop_384_448": 1e-4, "image_area256": 2e-3}  # float16 near 1 is good to 5e-4


@torch.inference_mode()
def compare(generator: Generator, expected: dict[str, torch.Tensor]) -> dict[str, list[float]]:
    """By tensor, the largest absolute difference of each of the pictures."""
    w = generator.map(expected["z"][:, None])
    differences = {"w": (w[:, 0] - expected["w"]).abs().amax(1).tolist(), "crop_384_448": [], "image_area256": []}
    for i, row in enumerate(w):
        image = generator.synthesize(SynthesisInputs(generator.styles(row[None].expand(-1, generator.num_codes, -1))))
        found = {"crop_384_448": image[..., 384:448, 384:448], "image_area256": F.avg_pool2d(image, 4)}
        for name, x in found.items():
            differences[name].append((x[0] - expected[name][i]).abs().max().item())
    return differences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("oracle", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with np.load(arguments.oracle) as file:
        expected = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
    differences = compare(load_generator("ffhq-mobile"), expected)
    within = all(np.max(differences[name]) <= tolerance for name, tolerance in TOLERANCES.items())  # false for NaN
    for name, values in differences.items():
        print(f"{name:16} {max(values):.1e}, tolerance {TOLERANCES[name]:.0e}")
    print("within the tolerances" if within else "NOT within the tolerances")
    report = {"model": "ffhq-mobile", "within": within}
    report |= {"tolerances": TOLERANCES, "largest": {name: max(values) for name, values in differences.items()}}
    report["largest_by_picture"] = differences
    save_result("parity_ffhq_mobile", report)
    raise SystemExit(not within)


if __name__ == "__main__":
    main()
