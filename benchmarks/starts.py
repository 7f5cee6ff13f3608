"""Where an inversion into F/Z+ begins: one code for all layers against the released random one, consensus on and off.

    python benchmarks/starts.py WORK [--photos 2]

WORK is that of portraits.py: its aligned portraits are inverted. Measured: LPIPS-VGG(256) and MSE, mean angle between
the layers' codes and their mean, |F - head(code)| / |F|, and how far one edit (smile, 1.5 away from the photo's present
state) moves the smile by geometry, in standard deviations over the prior.
"""

import argparse
import json
from pathlib import Path
from statistics import mean

from machine import RESULTS, save_result
from zplus.editing import edit
from zplus.generators import load_generator
from zplus.images import read_image, to_pixels, to_tensor
from zplus.inversion import invert
from zplus.perception.attributes import Scorers
from zplus.perception.quality import measure_quality
from zplus.spaces import render
from zplus.spaces.sphere import angles

SETTINGS = {
    "common, consensus": {},
    "common, no consensus": {"consensus_weight": 0.0},
    "random, consensus": {"init": "random"},
    "random, no consensus": {"init": "random", "consensus_weight": 0.0},
}
JUDGE = "smile_geometry"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--photos", type=int, default=2)
    given = parser.parse_args()
    prior = json.loads((RESULTS / "prior_scores.json").read_text(encoding="utf-8"))["scores"][JUDGE]
    generator, scorers, result = load_generator("ffhq-mobile"), Scorers(), {}
    for word, settings in SETTINGS.items():
        rows = []
        for path in sorted(given.work.glob("*.aligned.png"))[: given.photos]:
            target = to_tensor(read_image(path))
            latent = invert(generator, target, "f/z+", **settings)
            image, code = render(generator, latent), latent.point.code
            before = scorers.measure(to_pixels(image[0]), [JUDGE])[JUDGE]
            away = -1 if before > prior["mean"] else 1
            smiling = render(generator, edit(generator, latent, {"smile": 1.5 * away}, move="sphere"))
            after = scorers.measure(to_pixels(smiling[0]), [JUDGE])[JUDGE]
            quality = measure_quality(image, target)
            rows.append({
                "lpips_vgg": quality["lpips_vgg"], "mse": quality["mse"],
                "degrees_between_codes": float(angles(code, code.mean(1, keepdim=True).expand_as(code)).mean()),
                "feature_drift": latent.figures["feature_drift"][0],
                "smile_moved": away * (after - before) / prior["std"],
            })  # fmt: skip
        result[word] = {key: round(mean(row[key] for row in rows), 4) for key in rows[0]}
        print(word, result[word], flush=True)
    save_result("starts", {"photos": given.photos, "judge": JUDGE, "starts": result})


if __name__ == "__main__":
    main()
