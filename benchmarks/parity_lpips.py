"""Does our LPIPS give the numbers of its authors on their three reference pictures?

    python benchmarks/parity_lpips.py FOLDER     # with ex_ref.png, ex_p0.png and ex_p1.png

The pictures are compared at their own size, 64 px. The weights must be here (zplus pull).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from machine import save_result
from zplus.perception.lpips import LPIPS

EXPECTED = {"alex": {"p0": 0.722, "p1": 0.138}}  # stated by the authors to three decimals; none for vgg


def read(path: Path) -> torch.Tensor:
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None]


def main(folder: Path) -> None:
    pictures = {name: read(folder / f"ex_{name}.png") for name in ("ref", "p0", "p1")}
    measured = {}
    for net in ("alex", "vgg"):
        judge = LPIPS(net)
        measured[net] = {name: judge(pictures["ref"], pictures[name]).item() for name in ("p0", "p1")}
    match = all(round(measured[net][name], 3) == value for net in EXPECTED for name, value in EXPECTED[net].items())
    save_result("parity_lpips", {"expected": EXPECTED, "measured": measured, "match": match})
    print(measured)
    sys.exit(not match)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
