"""Points dragged to where another face has them: DragGAN's own measure (Pan et al. 2023, section 4.2).

    python benchmarks/drag.py --work WORK [--latents FOLDER] [--space z+ ...] [--pairs 12] [--steps 20]

One point (the tip of the nose) or five (outer corners of the eyes, tip of the nose, corners of the mouth) of a face go
to where the next face has them. The 68 landmarks are found anew in the dragged picture. "68" is their mean distance
from the other face's landmarks, "points" that of the dragged points alone, in pixels of 1024, before and after. z+ and
w+ are generated faces. f/z+ and f/w+ are photos, whose latents in F/Z+ lie in FOLDER: F of a generated face is its
head's, so that it would move as in z+ and w+. Identity is the distance of face descriptors before and after. Rows are
kept in WORK, so that a killed run goes on and several processes can share the spaces. The result holds what is there.
"""

import argparse
import itertools
import time
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from kept import Kept, check_settings
from machine import save_result
from zplus.editing import drag
from zplus.faces.detector import FaceDetector
from zplus.generators import Generator, load_generator
from zplus.images import to_pixels
from zplus.latent import Latent, load_latent
from zplus.perception.identity import Identity
from zplus.spaces import convert, latent_of, make_space, render, sample, space_of

POINTS = {1: (30,), 5: (36, 45, 30, 48, 54)}
SPACES = ("z+", "w+", "f/z+", "f/w+")
FIRST_SEED = 100


class Faces:
    """The faces of a space, by number, and what is seen in them."""

    def __init__(self, generator: Generator, space: str, folder: Path | None):
        self.generator, self.space, self.detector, self.identity = generator, space, FaceDetector(), Identity()
        self.files = sorted(folder.glob("*.latent.safetensors")) if folder else []

    def latent(self, number: int) -> Latent:
        if self.space.startswith("f/"):
            found = load_latent(self.files[number % len(self.files)])
        else:
            found = sample(self.generator, 1, FIRST_SEED + number)
        space = make_space(self.space, self.generator, found.layer)
        return latent_of(space, convert(space_of(self.generator, found), found.inverted, space)[0])

    def look(self, latent: Latent) -> tuple[np.ndarray, np.ndarray] | None:
        """Landmarks and descriptor of a face; None where none is seen."""
        pixels = to_pixels(render(self.generator, latent)[0])
        face = self.detector.largest(pixels)
        return None if face is None else (face.landmarks, self.identity.embed(pixels))


def measure(faces: Faces, number: int, count: int, steps: int) -> dict[str, Any]:
    """One face dragged to the next one's points."""
    source = faces.latent(number)
    first, second = faces.look(source), faces.look(faces.latent(number + 1))
    assert first and second
    (own, person), (wanted, _) = first, second
    chosen = list(POINTS[count])
    pairs = [(*map(float, own[i]), *map(float, wanted[i])) for i in chosen]
    taken, began = [0], time.perf_counter()
    dragged = drag(faces.generator, source, pairs, steps=steps, callback=lambda x: taken.__setitem__(0, x.step))
    row = {"steps": taken[0], "seconds": round(time.perf_counter() - began, 1)}
    seen = faces.look(dragged)
    for name, points in {"before": own, "after": None if seen is None else seen[0]}.items():
        apart = None if points is None else np.linalg.norm(points - wanted, axis=1)
        row[f"{name}_68"] = None if apart is None else round(float(apart.mean()), 2)
        row[f"{name}_points"] = None if apart is None else round(float(apart[chosen].mean()), 2)
    return row | {"identity": None if seen is None else round(float(np.linalg.norm(seen[1] - person)), 3)}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the pairs in which a face is seen after the drag; of steps the median."""
    whole = [row for row in rows if row["identity"] is not None]
    names = ("before_68", "after_68", "before_points", "after_points", "identity")
    found = {"pairs": len(rows), "no_face": len(rows) - len(whole)}
    found |= {name: round(mean(row[name] for row in whole), 3) for name in names}
    nearer = sum(row["after_68"] < row["before_68"] for row in whole)
    return found | {"nearer": nearer, "steps": median(row["steps"] for row in whole)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--latents", type=Path)
    parser.add_argument("--space", nargs="*", default=SPACES, choices=SPACES)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--read", action="store_true", help="measure nothing, and write the result of what is there")
    given = parser.parse_args()
    latents = sorted(x.name for x in given.latents.glob("*.latent.safetensors")) if given.latents else []
    if not given.read:
        check_settings(given.work, steps=given.steps, latents=latents)
    generator = None if given.read else load_generator("ffhq-mobile")
    result: dict[str, Any] = {}
    for space in given.space:
        if space.startswith("f/") and not given.latents:
            parser.error(f"{space} needs --latents: F is known of inverted photos alone.")
        kept = Kept(given.work / f"drag-{space.replace('/', '-')}.jsonl", "pair", "points")
        if generator is not None:
            faces = Faces(generator, space, given.latents)
            for number, count in itertools.product(range(given.pairs), POINTS):
                known = {"pair": number, "points": count}
                print(space, kept.row(known, partial(measure, faces, number, count, given.steps)), flush=True)
        rows = list(kept.rows.values())
        result[space] = {str(count): summary([row for row in rows if row["points"] == count]) for count in POINTS}
        result[space]["rows"] = rows
    if given.read or set(given.space) == set(SPACES):
        save_result("drag", {"steps": given.steps, "by": result})


if __name__ == "__main__":
    main()
