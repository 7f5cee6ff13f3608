"""Edits of the portraits that `portraits.py` inverted: 1.5 deviations away from each photo's present state.

    python benchmarks/edits.py FOLDER --work WORK --faceres FACERES [--space f/z+] [--move sphere] [--strength 1.5]
                                                                    [--keep-identity] [--first N]

`judges.py` says what a success is. A smile and a turned head go away from the prior's mean; age goes older where the
trainer and the judge see less than 40 years in the mean, else younger; gender to the other; glasses are put on. Writes
a contact sheet for the eye into WORK.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from judges import JUDGES, TRAINERS, Judges, Reading, verdict
from machine import prior_scores, save_result
from portraits import FIRST, gallery, portraits
from zplus.editing import edit, keep_identity
from zplus.execution import best_execution
from zplus.generators import load_generator
from zplus.images import read_image, to_pixels
from zplus.latent import load_latent
from zplus.spaces import render

JOINT = ("smile", "age", "yaw")  # what must succeed on a portrait together
BESIDE = ("eyeglasses", "gender")
STRENGTH = 1.5
MIDDLE_AGE = 40.0  # the middle of the trainer's scale


def sign_of(seen: Reading, direction: str, prior: Mapping[str, Any]) -> int:
    """Which way is away from what a photo shows."""
    if direction == "age":
        return 1 if (seen.scores["age"] + seen.scores["age_faceres"]) / 2 < MIDDLE_AGE else -1
    if direction == "eyeglasses":
        return 1
    judge = JUDGES[direction]
    middle = 0.0 if direction == "gender" else prior[judge]["mean"]
    return -1 if seen.scores[judge] > middle else 1


def people(folder: Path, work: Path, judges: Judges) -> tuple[list[str], tuple[np.ndarray, np.ndarray]]:
    """The portraits' names and both descriptors of each, kept in WORK."""
    names, first = gallery(folder, work)
    kept = work / "gallery-second.npy"
    if not kept.exists():
        paths = {path.stem: path for path in folder.glob("**/*.jpg")}
        np.save(kept, np.stack([judges.read(read_image(paths[name])).second_identity for name in names]))
    return names, (first, np.load(kept))


def summary(rows: list[dict], direction: str) -> dict[str, Any]:
    """Counts over all portraits, and medians."""
    edits = [row["edits"][direction] for row in rows]
    counts = {
        "success": [e["success"] for e in edits],
        "found_first": [e["rank"] == 1 for e in edits],
        "found_first_by_second": [e["second_rank"] == 1 for e in edits],
        "whole": [e["whole"] for e in edits],
    }
    counts |= {key: [e[key] >= 1 for e in edits] for key in ("moved_by_trainer", "moved_by_judge") if key in edits[0]}
    numbers = ("moved_by_trainer", "moved_by_judge", "moved_by_second", "identity", "second_identity", "ghost")
    medians = {key: round(median(e[key] for e in edits), 3) for key in numbers if key in edits[0]}
    return {key: sum(values) for key, values in counts.items()} | {"median": medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--faceres", type=Path, required=True)
    parser.add_argument("--space", default="f/z+")
    parser.add_argument("--move", choices=["straight", "sphere"])
    parser.add_argument("--strength", type=float, default=STRENGTH)
    parser.add_argument("--first", type=int, default=FIRST, help="as in portraits.py: other portraits than the default")
    parser.add_argument("--keep-identity", action="store_true", help="correct every edit by its likeness")
    given = parser.parse_args()

    prior = prior_scores()
    spreads = {name: score["std"] for name, score in prior.items()}
    generator, judges = load_generator("ffhq-mobile"), Judges(given.faceres)
    execution = best_execution(generator)
    names, galleries = people(given.folder, given.work, judges)
    rows, sheet = [], []
    for name, pixels in portraits(given.folder, given.work, given.first).items():
        latent = load_latent(given.work / given.space.replace("/", "-") / f"{name}.latent.safetensors")
        plain = to_pixels(render(generator, latent)[0])
        before = judges.read(plain)
        pictures, row = [pixels, plain], {"name": name, "edits": {}}
        for direction in JOINT + BESIDE:
            sign = sign_of(before, direction, prior)
            edited = edit(generator, latent, {direction: sign * given.strength}, move=given.move)
            if given.keep_identity:
                edited = keep_identity(generator, edited, execution=execution)
            picture = to_pixels(render(generator, edited)[0])
            seen = judges.read(picture)
            told = verdict(before, seen, direction, sign, spreads, galleries, names.index(name))
            row["edits"][direction] = {"strength": sign * given.strength, **told}
            pictures.append(picture)
        row["jointly"] = all(row["edits"][direction]["success"] for direction in JOINT)
        rows.append(row)
        sheet.append(np.concatenate([np.array(Image.fromarray(p).resize((256, 256))) for p in pictures], 1))
        print(name, row["jointly"], {d: e["success"] for d, e in row["edits"].items()}, flush=True)
    tag = f"{given.space.replace('/', '-')}-{given.move or 'default'}{'-kept' * given.keep_identity}"
    tag += f"-{given.first}" * (given.first != FIRST) + f"-at-{given.strength:g}" * (given.strength != STRENGTH)
    Image.fromarray(np.concatenate(sheet)).save(given.work / f"edits-{tag}.png")
    result = {
        "strength": given.strength, "judges": JUDGES, "trainers": TRAINERS,
        "jointly": sum(row["jointly"] for row in rows),
        "by": {direction: summary(rows, direction) for direction in JOINT + BESIDE}, "portraits": rows,
    }  # fmt: skip
    print(json.dumps({key: result[key] for key in ("jointly", "by")}, indent=1))
    save_result(f"edits-{tag}", result)


if __name__ == "__main__":
    main()
