"""Edits of the portraits that `portraits.py` inverted: strength 1.5 away from each photo's present state.

    python benchmarks/edits.py FOLDER --work WORK [--space f/z+] [--feature moved] [--strength 1.5]

Each attribute is judged by a scorer that did not train its direction, in standard deviations of that scorer over the
prior; each edited face must be found first among all portraits. Writes a contact sheet for the eye into WORK.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from machine import RESULTS, save_result
from portraits import gallery, portraits
from zplus.benchmark import gauge
from zplus.editing import angle_degrees, cosine_reached, edit
from zplus.faces.detector import FaceDetector
from zplus.generators import load_generator
from zplus.images import to_pixels
from zplus.latent import load_latent
from zplus.perception.attributes import Scorers
from zplus.perception.identity import Identity, rank
from zplus.spaces import render

TRAINERS = {"smile": "smile_network", "age": "age", "yaw": "yaw"}
JUDGES = {direction: gauge.JUDGES[score] for direction, score in TRAINERS.items()}  # independent of the trainers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--space", default="f/z+")
    parser.add_argument("--feature", default="moved")
    parser.add_argument("--strength", type=float, default=1.5)
    given = parser.parse_args()

    prior = json.loads((RESULTS / "prior_scores.json").read_text(encoding="utf-8"))["scores"]
    generator, detector = load_generator("ffhq-mobile"), FaceDetector()
    scorers, identity = Scorers(detector), Identity(detector)
    names, descriptors = gallery(given.folder, given.work)
    scores = [*JUDGES.values(), *TRAINERS.values()]
    rows, sheet = [], []
    for name, pixels in portraits(given.folder, given.work).items():
        latent = load_latent(given.work / given.space.replace("/", "-") / f"{name}.latent.safetensors")
        plain = to_pixels(render(generator, latent)[0])
        before = scorers.measure(plain, scores)
        pictures, row = [pixels, plain], {"name": name, "edits": {}}
        for attribute, judge in JUDGES.items():
            away = -1 if before[judge] > prior[judge]["mean"] else 1
            edited = edit(generator, latent, {attribute: away * given.strength}, feature=given.feature)
            picture = to_pixels(render(generator, edited)[0])
            after = scorers.measure(picture, scores)
            moved = {s: round(away * (after[s] - before[s]) / prior[s]["std"], 3) for s in (judge, TRAINERS[attribute])}
            place = rank(identity.embed(picture), descriptors, names.index(name))
            row["edits"][attribute] = {
                "strength": away * given.strength, "moved_by_judge": moved[judge],
                "moved_by_trainer": moved[TRAINERS[attribute]], "rank": place,
                "angle_degrees": round(angle_degrees(edited)[0], 1),
                "cosine": round(cosine_reached(generator, edited)[0], 2),
            }  # fmt: skip
            pictures.append(picture)
        row["jointly"] = all(e["moved_by_judge"] >= 1 and e["rank"] == 1 for e in row["edits"].values())
        rows.append(row)
        sheet.append(np.concatenate([np.array(Image.fromarray(p).resize((256, 256))) for p in pictures], 1))
        print(
            name,
            row["jointly"],
            {
                a: (e["moved_by_judge"], e["moved_by_trainer"], e["rank"], e["angle_degrees"])
                for a, e in row["edits"].items()
            },
            flush=True,
        )
    tag = f"{given.space.replace('/', '-')}-{given.feature}"
    Image.fromarray(np.concatenate(sheet)).save(given.work / f"edits-{tag}.png")
    parts = {
        attribute: {
            "moved_one_deviation": sum(row["edits"][attribute]["moved_by_judge"] >= 1 for row in rows),
            "found_first": sum(row["edits"][attribute]["rank"] == 1 for row in rows),
            "median_moved": float(np.median([row["edits"][attribute]["moved_by_judge"] for row in rows])),
        }
        for attribute in JUDGES
    }
    result = {"strength": given.strength, "judges": JUDGES, "trainers": TRAINERS}
    save_result(f"edits-{tag}", result | {"jointly": sum(r["jointly"] for r in rows), "by": parts, "portraits": rows})


if __name__ == "__main__":
    main()
