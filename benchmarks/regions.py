"""What an edit changes with and without the region of its direction, on generated faces of ffhq-mobile.

    python benchmarks/regions.py --faceres FACERES [--samples 12] [--write]

Faces of W+ at psi .7 move straight by 1.5. `border` is the mean change of the outer 1/16 of the picture in [-1, 1]; the
scores' changes are in standard deviations over the prior. --write puts the regions into the directions' cards. Writes
regions.jpg beside the other pictures of the documentation: without an edit, everywhere, in the region.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from judges import Judges, Reading
from machine import prior_scores, save_result
from ranges import DIRECTIONS
from zplus.direction import Ellipse, save_direction
from zplus.editing import Editor, directions_of
from zplus.generators import load_generator
from zplus.images import to_pixels, write_image
from zplus.latent import Decoding, Latent, Point
from zplus.perception.lpips import at
from zplus.spaces import convert, latent_of, make_space

# as seen in maps of what the directions change: eyes with the frame of glasses; the lower face with the eyes
REGIONS: dict[str, Ellipse] = {
    "eyeglasses": (0.5, 0.48, 0.29, 0.13),
    "mouth_open": (0.5, 0.70, 0.30, 0.30),
    "smile": (0.5, 0.66, 0.30, 0.34),
}
STRENGTH, SEED, SHOWN, SIDE, BORDER = 1.5, 100, slice(3, 6), 144, 16
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "regions.jpg"


def faces(count: int) -> list[Latent]:
    """Samples in W+, truncated."""
    generator = load_generator("ffhq-mobile")
    prior, space = make_space("z", generator, decoding=Decoding(0.7)), make_space("w+", generator)
    points = [Point(prior.sample(1, SEED + i)) for i in range(count)]
    return [latent_of(space, convert(prior, point, space)[0]) for point in points]


def changes(before: Reading, after: Reading, prior: dict[str, Any]) -> dict[str, float]:
    """What an edit changed."""
    found = {
        "identity": float(np.linalg.norm(after.identity - before.identity)),
        "second_identity": float(np.linalg.norm(after.second_identity - before.second_identity)),
    }
    return found | {
        name: abs(after.scores[name] - before.scores[name]) / prior[name]["std"]
        for name in ("smile_geometry", "smile_network", "age", "age_faceres", "gender", "gender_faceres", "yaw")
    }


def border(a: Tensor, b: Tensor) -> float:
    """The mean difference of two images' outer parts."""
    inner = a.shape[-1] // BORDER
    outer = torch.ones(a.shape[-2:], dtype=torch.bool)
    outer[inner:-inner, inner:-inner] = False
    return float((a - b).abs()[..., outer].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faceres", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    generator, judges, prior = load_generator("ffhq-mobile"), Judges(given.faceres), prior_scores()
    directions = {
        name: replace(one, card=one.card | {"region": list(REGIONS[name])})
        for name, one in directions_of(generator).items()
        if name in REGIONS
    }
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    sheet = []
    for latent in faces(given.samples):
        editor = Editor(generator, latent)
        image = editor.image(latent)
        before, shown = judges.read(to_pixels(image[0])), [image]
        for name, direction in directions.items():
            for where, mask in (("everywhere", torch.ones(1, 1, 1, 1)), ("region", None)):
                edited = editor.image(editor.edit({direction: STRENGTH}, mask=mask))
                found = changes(before, judges.read(to_pixels(edited[0])), prior)
                rows.setdefault((name, where), []).append(found | {"border": border(edited, image)})
                shown.append(edited)
        sheet.append(at(torch.cat(shown, 0), SIDE))
    write_image(
        PICTURE, np.concatenate([np.concatenate([to_pixels(x) for x in row], 1) for row in sheet[SHOWN]]), "edited"
    )
    result: dict[str, Any] = {}
    for (name, where), found in rows.items():
        result.setdefault(name, {})[where] = {key: round(median(row[key] for row in found), 3) for key in found[0]}
        print(name, where, result[name][where])
    if given.write:
        for name, direction in directions.items():
            save_direction(direction, DIRECTIONS / f"{name}.safetensors")
    save_result("regions", {"samples": given.samples, "strength": STRENGTH, "directions": result})


if __name__ == "__main__":
    main()
