"""Real portraits, inverted under conditions and measured: one loop and four experiments.

    python benchmarks/portraits.py FOLDER --work WORK [--experiment spaces] [--only NAME ...] [--spaces f/z+ w+ z+]
                                   [--photos N]

FOLDER holds portraits as JPEG files. Every tenth is inverted; all are the gallery, in which each is to be found first.
WORK keeps latents, images and rows, so that a killed run goes on; `edits.py` and others edit its latents. Experiments,
whose conditions --only chooses from by name:

    spaces         the default method in F/Z+, W+ and Z+; writes portraits.json
    methods        every method in every space that it has a form in; "1000 steps" is optimisation in W+
    starts         F/Z+ from one code for all layers and from the released random ones, with and without consensus; one
                   edit (1.5 units of smile, away from what the photo shows) is measured by geometry
    encoder_start  F/Z+ from the encoder and from the best start without it, with ever more steps until LPIPS-VGG is .05

Seconds are those of the inversion, the encoder included. Those of a first photo include compilation; medians of methods
leave it out, and encoder_start inverts once before it measures.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from torch import Tensor

from kept import Kept, Row, check_settings
from machine import peak_memory_gb, prior_scores, read_result, reset_peak, save_result
from zplus.benchmark.conditions import EVERY_METHOD, Condition
from zplus.editing import edit
from zplus.faces.align import align
from zplus.faces.detector import FaceDetector
from zplus.generators import load_generator
from zplus.generators.contract import fingerprint
from zplus.images import read_image, to_pixels, to_tensor, write_image
from zplus.inversion import invert
from zplus.inversion.encoder import encoder_of, load_encoder
from zplus.latent import Latent, save_latent
from zplus.perception.attributes import Scorers
from zplus.perception.identity import Identity, rank
from zplus.perception.quality import measure_quality
from zplus.spaces import render
from zplus.spaces.sphere import angles

FIRST, EVERY = 5, 10
FIGURES = ("lpips_vgg", "lpips_alex", "mse", "ms_ssim", "identity_distance")
GOAL = 0.05  # LPIPS-VGG, by which starts are compared
JUDGE = "smile_geometry"
COMMON: Row = {"init": "common", "base": "head"}  # the best start without an encoder
RANDOM: Row = {"init": "random", "base": "head"}
NAMES = {"hybrid": "default", "default": "without encoder"}  # of methods, as they are told here

SPACES = tuple(Condition("default", space) for space in ("f/z+", "w+", "z+"))
METHODS = (
    *(replace(one, name=NAMES.get(one.name, one.name)) for one in EVERY_METHOD),
    Condition("1000 steps", "w+", {"steps": 1000, "init": "common"}),
)
STARTS = (
    Condition("common, consensus", "f/z+", COMMON),
    Condition("common, no consensus", "f/z+", COMMON | {"consensus_weight": 0.0}),
    Condition("random, consensus", "f/z+", RANDOM),
    Condition("random, no consensus", "f/z+", RANDOM | {"consensus_weight": 0.0}),
)
ENCODER_START: dict[str, Row] = {"encoder": {"init": "encoder"}, "common": COMMON}
STEPS = (20, 30, 40, 60, 80, 110)

More = Callable[[Latent, Tensor], Row]  # what there is to measure beside quality, of a latent and its image


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


class Lab:
    """What portraits are inverted by and measured with."""

    def __init__(self, folder: Path, work: Path, first: int, photos: int | None, encoder: Path | None = None):
        self.work, self.generator, self.identity = work, load_generator("ffhq-mobile"), Identity()
        self.encoder = load_encoder(encoder, self.generator) if encoder else None
        self.everyone, self.descriptors = gallery(folder, work)
        self.photos = dict(islice(portraits(folder, work, first).items(), photos))
        self.kept = Kept(work / "inversions.jsonl", "method", "space", "name")

    def rows(self, conditions: Iterable[Condition], more: More = lambda latent, image: {}) -> list[Row]:
        """A row for each condition and portrait."""
        return [self.row(one, name, more) for one in conditions for name in self.photos]

    def row(self, condition: Condition, name: str, more: More = lambda latent, image: {}) -> Row:
        """Quality, rank, steps, seconds and peak memory of one inversion, and more; measured at most once."""
        known = {"method": condition.name, "space": condition.space, "name": name}
        row = self.kept.row(known, partial(self._measured, condition, name, more))
        print(*known.values(), f"LPIPS {row['lpips_vgg']:.3f}, rank {row['rank']}, {row['seconds']:.1f} s", flush=True)
        return row

    def inverted(self, condition: Condition, name: str, **changes: object) -> Latent:
        settings = {**condition.settings, **changes}
        target = to_tensor(self.photos[name])
        return invert(self.generator, target, condition.space, encoder=self.encoder, **settings)

    def _measured(self, condition: Condition, name: str, more: More) -> Row:
        place = self.work / condition.space.replace("/", "-")  # where others look for latents of the default method
        if condition.name != "default":
            place = self.work / "methods" / condition.name.replace(" ", "-") / place.name
        place.mkdir(parents=True, exist_ok=True)
        reset_peak()
        latent = self.inverted(condition, name)
        memory = peak_memory_gb()
        save_latent(latent, place / f"{name}.latent.safetensors")
        image = render(self.generator, latent)
        write_image(place / f"{name}.reconstruction.png", to_pixels(image[0]))
        row = {key: latent.figures.get(key, [None])[0] for key in ("seconds", "steps", "strangeness")}
        quality = measure_quality(image, to_tensor(self.photos[name]), self.identity)
        row |= {key: round(value, 5) for key, value in quality.items()}
        found = self.identity.embed(to_pixels(image[0]))
        row["rank"] = rank(found, self.descriptors, self.everyone.index(name))
        return row | {"peak_memory_gb": memory} | more(latent, image)


def spaces(lab: Lab, conditions: Sequence[Condition]) -> None:
    found = read_result("portraits").get("spaces", {})
    for condition in conditions:
        rows = lab.rows([condition])
        found[condition.space] = {
            "median": {key: _median(rows, key) for key in ("seconds", "steps", *FIGURES, "psnr", "ssim")},
            "worst": {key: max(row[key] for row in rows) for key in ("mse", "lpips_vgg", "identity_distance")},
            "found_first": sum(row["rank"] == 1 for row in rows),
            "portraits": rows,
        }
        save_result("portraits", {"spaces": found})


def methods(lab: Lab, conditions: Sequence[Condition]) -> None:
    lab.rows(conditions)
    rows = [row for row in lab.kept.rows.values() if row["method"] in {one.name for one in METHODS}]
    save_result("methods", {"rows": rows})
    print(f"| method | space | photos | {' | '.join(FIGURES)} | found first | seconds |\n" + "|---" * 10 + "|")
    for one in conditions:
        some = [row for row in rows if (row["method"], row["space"]) == (one.name, one.space)]
        cells = [one.name, one.space, len(some), *(_median(some, key) for key in FIGURES)]
        cells += [sum(row["rank"] == 1 for row in some), _median(some[1:] or some, "seconds")]
        print(f"| {' | '.join(map(str, cells))} |")


def starts(lab: Lab, conditions: Sequence[Condition]) -> None:
    prior, scorers = prior_scores()[JUDGE], Scorers()

    def smile(image: Tensor) -> float:
        return scorers.measure(to_pixels(image[0]), [JUDGE])[JUDGE]

    def more(latent: Latent, image: Tensor) -> Row:
        code, before = latent.point.code, smile(image)
        away = -1 if before > prior["mean"] else 1
        after = smile(render(lab.generator, edit(lab.generator, latent, {"smile": 1.5 * away}, move="sphere")))
        return {
            "degrees_between_codes": float(angles(code, code.mean(1, keepdim=True).expand_as(code)).mean()),
            "feature_drift": latent.figures["feature_drift"][0],
            "smile_moved": away * (after - before) / prior["std"],
        }

    rows, found = lab.rows(conditions, more), {}
    for one in conditions:
        some = [row for row in rows if row["method"] == one.name]
        keys = ("lpips_vgg", "mse", "degrees_between_codes", "feature_drift", "smile_moved")
        found[one.name] = {key: round(mean(row[key] for row in some), 4) for key in keys}
    save_result("starts", {"photos": len(lab.photos), "judge": JUDGE, "starts": found})


def encoder_start(lab: Lab, conditions: Sequence[Condition]) -> None:
    rows, reached = [], []
    for one in conditions:
        lab.inverted(one, next(iter(lab.photos)), steps=4)  # so that what follows is compiled
        for name in lab.photos:
            for steps in STEPS:
                condition = replace(one, name=f"{one.name}, {steps} steps", settings={**one.settings, "steps": steps})
                rows.append(lab.row(condition, name) | {"origin": one.name})
                if rows[-1]["lpips_vgg"] <= GOAL:
                    reached.append(rows[-1])
                    break
    of = {one.name: [row for row in reached if row["origin"] == one.name] for one in conditions}
    medians = {name: {key: _median(some, key) for key in ("steps", "seconds")} for name, some in of.items() if some}
    result: Row = {"goal": GOAL, "rows": rows, "medians": medians}
    if len(medians) == len(ENCODER_START):
        result["ratio"] = round(medians["common"]["seconds"] / medians["encoder"]["seconds"], 2)
    save_result("encoder_start", result)
    print(medians, result.get("ratio"))


def _median(rows: Sequence[Row], key: str) -> float:
    return round(median(row[key] for row in rows), 5)


EXPERIMENTS: dict[str, tuple[Callable[[Lab, Sequence[Condition]], None], Sequence[Condition]]] = {
    "spaces": (spaces, SPACES),
    "methods": (methods, METHODS),
    "starts": (starts, STARTS),
    "encoder_start": (encoder_start, [Condition(name, "f/z+", x) for name, x in ENCODER_START.items()]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--experiment", choices=EXPERIMENTS, default="spaces")
    parser.add_argument("--only", nargs="+", help="conditions, by name")
    parser.add_argument("--spaces", nargs="+", help="only these")
    parser.add_argument("--photos", type=int)
    parser.add_argument("--encoder", type=Path, help="instead of the one that comes with the package")
    parser.add_argument("--first", type=int, default=FIRST, help="others than the default are for learning: no figures")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    lab = Lab(given.folder, given.work, given.first, given.photos, given.encoder)
    used = lab.encoder or encoder_of(lab.generator)
    check_settings(given.work, zplus=version("zplus"), encoder=used and fingerprint(used.state_dict()))
    experiment, known = EXPERIMENTS[given.experiment]
    known = [one for one in known if one.name in (given.only or [one.name])]
    conditions = [one for one in known if one.space in (given.spaces or [one.space])]
    if given.first == FIRST:
        experiment(lab, conditions)
    else:
        lab.rows(conditions)


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
