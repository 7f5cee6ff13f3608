"""The direction "eyeglasses" of ffhq-mobile, learnt from samples of it that were labelled by eye.

    python benchmarks/eyeglasses.py --sheets FOLDER      # the pictures to label, numbered
    python benchmarks/eyeglasses.py OUT [--samples 1600]

benchmarks/eyeglasses_labels.json holds the labels: 1 for glasses of any kind, 0 for none; unclear ones are left out.
A probe, logistic regression on features of AlexNet around the eyes, learns them from the pictures; its logit scores
fresh samples, and a boundary separates the extremes. Writes OUT/eyeglasses.safetensors, and
benchmarks/results/eyeglasses.json: the labels' number, the probe's accuracy in cross-validation, the direction's card.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from machine import save_result
from zplus.direction import save_direction
from zplus.editing import FINDERS, Search, score_prior
from zplus.editing.scored import scoring_pixels
from zplus.generators import Generator, load_generator
from zplus.images import to_tensor, write_image
from zplus.perception.lpips import LPIPS
from zplus.spaces import make_space
from zplus.workflow.sheet import Cell, contact_sheet

NAME, MODEL = "eyeglasses", "ffhq-mobile"
LABELS = Path(__file__).with_name("eyeglasses_labels.json")
POOL, SEED = 480, 7  # samples that were looked at
EYES = (slice(90, 154), slice(51, 205))  # rows and columns of an aligned face at 256 px
COLUMNS, ROWS, SIDE = 10, 8, 136  # of a sheet
FRACTION = 0.12  # of the samples at either end; 17 % of the pool wear glasses. Fewer layers need twice as long steps
Features = Callable[[np.ndarray], np.ndarray]


def pool(generator: Generator, chosen: list[int]) -> Iterator[np.ndarray]:
    """The pictures of some samples of the pool."""
    space = make_space("z", generator)
    z = space.sample(POOL, SEED)
    return (scoring_pixels(space, z[i : i + 1]) for i in chosen)


def write_sheets(generator: Generator, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cells = [Cell(pixels, str(i)) for i, pixels in enumerate(pool(generator, list(range(POOL))))]
    rows = [cells[i : i + COLUMNS] for i in range(0, POOL, COLUMNS)]
    for i in range(0, len(rows), ROWS):
        write_image(folder / f"{i * COLUMNS:04}.png", contact_sheet(rows[i : i + ROWS], SIDE))


def eye_features() -> Features:
    """What AlexNet sees around the eyes, at twice the size: a picture and its mirror image give the same."""
    net = LPIPS("alex")

    @torch.inference_mode()
    def features(pixels: np.ndarray) -> np.ndarray:
        eyes = F.interpolate(to_tensor(pixels[EYES]), scale_factor=2, mode="bilinear")
        both = torch.cat([eyes, eyes.flip(3)])
        return torch.cat([F.adaptive_avg_pool2d(x, (2, 6)).mean(0).flatten() for x in net.features(both)[1:3]]).numpy()

    return features


def trained_probe(x: np.ndarray, y: np.ndarray) -> tuple[Pipeline, dict[str, float]]:
    """The probe, and how well its like told apart labels that it had not seen."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    logits = cross_val_predict(probe, x, y, cv=folds, method="decision_function")
    quality = {
        "accuracy": round(float(((logits > 0) == y).mean()), 4),
        "balanced_accuracy": round(float(balanced_accuracy_score(y, logits > 0)), 4),
        "auc": round(float(roc_auc_score(y, logits)), 4),
    }
    return probe.fit(x, y), quality


def labels() -> tuple[list[int], np.ndarray]:
    """The samples of the pool that have a label, and their labels 0 or 1."""
    found = json.loads(LABELS.read_text(encoding="utf-8"))
    return found["0"] + found["1"], np.repeat([0, 1], [len(found["0"]), len(found["1"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER")
    parser.add_argument("--samples", type=int, default=1600)
    given = parser.parse_args()
    if not (given.out or given.sheets):
        parser.error("give OUT, or --sheets FOLDER")
    generator = load_generator(MODEL)
    if given.sheets:
        write_sheets(generator, given.sheets)
        return
    features, (chosen, truth) = eye_features(), labels()
    probe, quality = trained_probe(np.stack([features(pixels) for pixels in pool(generator, chosen)]), truth)
    print(quality, flush=True)

    def score(pixels: np.ndarray) -> dict[str, float]:
        return {NAME: float(probe.decision_function(features(pixels)[None])[0])}

    scored = score_prior(generator, score, given.samples)
    (direction,) = FINDERS["boundary"](generator, Search(NAME, NAME, scored, fraction=FRACTION))
    given.out.mkdir(parents=True, exist_ok=True)
    save_direction(direction, given.out / f"{NAME}.safetensors")
    counts = {"with": int(truth.sum()), "without": int((1 - truth).sum())}
    save_result("eyeglasses", {"labels": counts, "probe": quality, "direction": direction.card})


if __name__ == "__main__":
    main()
