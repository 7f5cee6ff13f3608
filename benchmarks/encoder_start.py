"""What an encoder's start is worth: steps and seconds until F/Z+ reaches LPIPS .05, beside the best start without one.

    python benchmarks/encoder_start.py WORK [--photos 4] [--steps 20 30 40 60 80 110]

WORK is that of portraits.py: its aligned portraits are inverted by the default method for each number of steps, fewest
first, until LPIPS-VGG(256) is at most .05, from the encoder and from the common start. Seconds are those of the run
that reached it, the encoder's included; a first run that is thrown away has compiled everything.
"""

import argparse
from pathlib import Path
from statistics import median

from machine import save_result
from zplus.generators import load_generator
from zplus.images import read_image, to_tensor
from zplus.inversion import invert
from zplus.perception.metrics import METRICS
from zplus.spaces import render

GOAL = 0.05
STARTS = {"encoder": {"init": "encoder"}, "common": {"init": "common", "base": "head"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--steps", nargs="+", type=int, default=[20, 30, 40, 60, 80, 110])
    given = parser.parse_args()
    generator, rows = load_generator("ffhq-mobile"), []
    for i, path in enumerate(sorted(given.work.glob("*.aligned.png"))[: given.photos]):
        target = to_tensor(read_image(path))
        for origin, settings in STARTS.items():
            if i == 0:
                invert(generator, target, "f/z+", steps=4, **settings)
            for steps in given.steps:
                latent = invert(generator, target, "f/z+", steps=steps, **settings)
                distance = float(METRICS["lpips_vgg"](render(generator, latent), target))
                row = {"photo": i, "origin": origin, "steps": steps, "lpips_vgg": round(distance, 4)}
                rows.append(row | {"seconds": round(latent.figures["seconds"][0], 1)})
                print(rows[-1], flush=True)
                if distance <= GOAL:
                    break
    reached = [row for row in rows if row["lpips_vgg"] <= GOAL]
    medians = {
        origin: {key: median(row[key] for row in reached if row["origin"] == origin) for key in ("steps", "seconds")}
        for origin in ("encoder", "common")
    }
    ratio = medians["common"]["seconds"] / medians["encoder"]["seconds"]
    save_result("encoder_start", {"goal": GOAL, "rows": rows, "medians": medians, "ratio": round(ratio, 2)})
    print(medians, f"{ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
