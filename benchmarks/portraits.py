"""The main job on real portraits: reconstruction, identity and time in F/Z+ by default settings, W+ and Z+ beside it.

    python benchmarks/portraits.py FOLDER --work WORK [--spaces f/z+ w+ z+]

FOLDER holds portraits as JPEG files; every tenth is inverted, all are the gallery in which each must be found first.
WORK keeps latents and pictures, so that a killed run goes on and `edits.py` uses the same latents.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from machine import RESULTS, save_result
from zplus.faces.align import align
from zplus.faces.detector import FaceDetector
from zplus.generators import load_generator
from zplus.images import read_image, to_pixels, to_tensor, write_image
from zplus.inversion import invert
from zplus.latent import load_latent, save_latent
from zplus.perception.identity import Identity, rank
from zplus.perception.quality import measure_quality
from zplus.spaces import render

FIRST, EVERY = 5, 10


def gallery(folder: Path, work: Path) -> tuple[list[str], np.ndarray]:
    """Names and identity descriptors [160,128] of all portraits, kept in WORK."""
    names = sorted(path.stem for path in folder.glob("**/*.jpg"))
    kept = work / "gallery.npy"
    if not kept.exists():
        identity = Identity()
        paths = {path.stem: path for path in folder.glob("**/*.jpg")}
        np.save(kept, np.stack([identity.embed(read_image(paths[name])) for name in names]))
    return names, np.load(kept)


def portraits(folder: Path, work: Path, first: int = FIRST) -> dict[str, np.ndarray]:
    """The aligned crops of the portraits that are inverted: every tenth from the `first` on."""
    detector, crops = FaceDetector(), {}
    for path in sorted(folder.glob("**/*.jpg"), key=lambda path: path.stem)[first::EVERY]:
        kept = work / f"{path.stem}.aligned.png"
        if not kept.exists():
            write_image(kept, align(read_image(path), detector).pixels)
        crops[path.stem] = read_image(kept)
    return crops


def run(folder: Path, work: Path, space: str, generator, first: int) -> list[dict]:
    names, descriptors = gallery(folder, work)
    identity, rows = Identity(), []
    place = work / space.replace("/", "-")
    place.mkdir(parents=True, exist_ok=True)
    for name, pixels in portraits(folder, work, first).items():
        target = to_tensor(pixels)
        kept = place / f"{name}.latent.safetensors"
        if not kept.exists():
            began = time.perf_counter()
            latent = invert(generator, target, space)
            print(f"{space} {name}: {time.perf_counter() - began:.0f} s", flush=True)
            save_latent(latent, kept)
        latent = load_latent(kept)
        image = render(generator, latent)
        write_image(place / f"{name}.reconstruction.png", to_pixels(image[0]))
        found = identity.embed(to_pixels(image[0]))
        row = {"name": name, "seconds": latent.figures["seconds"][0], "steps": latent.figures["steps"][0]}
        row |= measure_quality(image, target, identity)
        row["rank"] = rank(found, descriptors, names.index(name))
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--spaces", nargs="+", default=["f/z+", "w+", "z+"])
    parser.add_argument(
        "--first",
        type=int,
        default=FIRST,
        help="others than the default are for learning, with a WORK of their own: no figures",
    )
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    generator = load_generator("ffhq-mobile")
    kept = RESULTS / "portraits.json"
    spaces = json.loads(kept.read_text(encoding="utf-8"))["spaces"] if kept.exists() else {}
    for space in given.spaces:
        rows = run(given.folder, given.work, space, generator, given.first)
        if given.first != FIRST:
            continue
        figures = [key for key in rows[0] if key not in ("name", "rank")]
        spaces[space] = {
            "median": {key: round(median(row[key] for row in rows), 5) for key in figures},
            "worst": {
                key: round(max(row[key] for row in rows), 5) for key in ("mse", "lpips_vgg", "identity_distance")
            },
            "found_first": sum(row["rank"] == 1 for row in rows),
            "portraits": rows,
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        save_result("portraits", {"peak_memory_gb": round(peak, 2), "spaces": spaces})


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
