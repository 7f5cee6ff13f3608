"""Fit age to identity descriptors: makes src/zplus/perception/age_identity.json.

    python benchmarks/fit_age_identity.py FOLDER

FOLDER holds PREFIX_NAME.jpg and labels/PREFIX.csv with name_slug and date_of_birth. The year in which a portrait was
taken is not known; all are taken to be of 2018, which shifts ages by a few years either way.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict

import zplus.perception
from portraits import EVERY, FIRST
from zplus.perception.identity import Identity

YEAR = 2018
STRENGTHS = np.logspace(-3, 2, 20)
RESULT = Path(zplus.perception.__file__).parent / "age_identity.json"


def births(folder: Path) -> dict[str, int]:
    found = {}
    for table in sorted(folder.glob("labels/*.csv")):
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["date_of_birth"]:
                    found[f"{table.stem}_{row['name_slug']}"] = int(row["date_of_birth"][:4])
    return found


def main(folder: Path) -> None:
    identity, born = Identity(), births(folder)
    paths = sorted(folder.glob("*.jpg"), key=lambda path: path.stem)
    del paths[FIRST::EVERY]  # the portraits that edits are judged on
    paths = [path for path in paths if path.stem in born]
    descriptors = np.array([identity.embed(np.asarray(Image.open(path).convert("RGB"))) for path in paths])
    ages = np.array([YEAR - born[path.stem] for path in paths])
    seen = np.isfinite(descriptors).all(1)
    descriptors, ages = descriptors[seen], ages[seen]
    left_out = cross_val_predict(RidgeCV(STRENGTHS), descriptors, ages, cv=10)
    model = RidgeCV(STRENGTHS).fit(descriptors, ages)
    card = {
        "portraits": len(ages),
        "year_assumed": YEAR,
        "ages": [int(ages.min()), int(ages.max())],
        "strength": float(model.alpha_),
        "left_out_correlation": round(float(np.corrcoef(left_out, ages)[0, 1]), 3),
        "left_out_error_years": round(float(np.abs(left_out - ages).mean()), 2),
        "intercept": round(float(model.intercept_), 4),
        "coefficients": [round(float(x), 4) for x in model.coef_],
    }
    RESULT.write_text(json.dumps(card) + "\n", encoding="utf-8")
    print({name: value for name, value in card.items() if name != "coefficients"})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
