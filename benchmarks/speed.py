"""How fast the main job is beside the released schedule, and a forward pass beside the wheel's own OpenVINO engine.

    python benchmarks/speed.py WORK [--photos 2] [--pace-steps 20] [--archive WHEEL] [--edits 10]

WORK is that of portraits.py: its first aligned portraits are inverted. The yardstick is the value of
MSE + 10 LPIPS-VGG(256), in fp32 at full resolution, at which the released schedule ends; the seconds of measuring it
are not counted. The schedule runs to its end compiled; its seconds are its steps times the pace of --pace-steps steps,
eager and compiled, measured beside our own run. --archive needs openvino, which no extra brings. The first latent of
F/Z+ in WORK is edited --edits times, in the parts of `zplus bench speed`; their seconds go into edit_speed.json.
"""

import argparse
import json
import tempfile
import time
import zipfile
from collections import defaultdict
from itertools import chain
from pathlib import Path
from statistics import median

import numpy as np
import torch

from machine import save_result
from zplus.benchmark.speed import SpeedBench
from zplus.editing import Editor, directions_of
from zplus.execution import Execution, best_execution
from zplus.generators import Generator, SynthesisInputs, load_generator
from zplus.images import read_image, to_tensor
from zplus.inversion import Progress, invert
from zplus.latent import load_latent
from zplus.perception.metrics import measure_images
from zplus.spaces import render

# The default but for the weights of the released schedule, and F free early: codes below F matter for edits, not here.
OURS = {"lpips_weight": 10.0, "code_only_fraction": 0.1, "consistency_weight": 0.06}


class Trace:
    """A callback that notes (step, seconds, value) now and then, with the time that noting takes left out."""

    def __init__(self, target: torch.Tensor, every: int):
        self.target, self.every, self.rows, self.lost = target, every, [], 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.step % self.every:
            return
        began = time.perf_counter()
        found = measure_images(progress.image, self.target, ("mse", "lpips_vgg"))
        value = found["mse"].item() + 10 * found["lpips_vgg"].item()
        self.rows.append((progress.step, round(progress.seconds - self.lost, 2), round(value, 5)))
        self.lost += time.perf_counter() - began


def run(generator: Generator, target: torch.Tensor, execution: Execution, every: int, **options) -> dict:
    warm = dict(options, steps=3)
    invert(generator, target, execution=execution, **warm)
    trace = Trace(target, every)
    invert(generator, target, callback=trace, execution=execution, **options)
    print(execution, options, trace.rows[-1], flush=True)
    step, seconds, value = trace.rows[-1]
    return {"steps": step, "seconds": seconds, "value": value, "trace": trace.rows}


def reached(rows: list[tuple[int, float, float]], value: float) -> tuple[int, float] | None:
    return next(((step, seconds) for step, seconds, v in rows if v <= value), None)


def released_to_its_end(generator: Generator, target: torch.Tensor, kept: Path) -> dict:
    """The whole schedule, compiled in fp32; kept in a file, because what it reaches does not depend on the machine."""
    if not kept.exists():
        found = run(generator, target, Execution("float32", True), 25, method="released")
        kept.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def inversion(generator: Generator, work: Path, photos: int, pace_steps: int, steps: int) -> list[dict]:
    found = []
    for path in sorted(work.glob("*.aligned.png"))[:photos]:
        name, target = path.name.split(".")[0], to_tensor(read_image(path))
        released = released_to_its_end(generator, target, work / f"{name}.released.json")
        seconds = {}
        for word, compiled in (("eager", False), ("compiled", True)):
            pace = run(
                generator, target, Execution("float32", compiled), pace_steps, method="released",
                steps=pace_steps,
            )  # fmt: skip
            seconds[word] = pace["seconds"] / pace_steps * released["steps"]
        ours = run(generator, target, best_execution(generator), 5, steps=steps, **OURS)
        row = {"photo": name, "our_settings": OURS, "end_value": released["value"], "ours": ours, "released": released}
        row |= {f"released_seconds_{word}": round(x, 1) for word, x in seconds.items()}
        end = reached(ours["trace"], released["value"])
        if end is not None:
            row |= {"steps_to_value": end[0], "seconds_to_value": end[1]}
            row |= {f"times_faster_than_{word}": round(x / end[1], 1) for word, x in seconds.items()}
        print({k: v for k, v in row.items() if k not in ("ours", "released")}, flush=True)
        found.append(row)
    return found


def openvino_engine(archive: Path):
    """The wheel's synthesis network [1, w_dim] -> image, in fp32, with as many threads as torch has."""
    import openvino  # noqa: PLC0415  (of no extra)

    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(archive).extractall(folder)
        core = openvino.Core()
        core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()})
        return core.compile_model(f"{folder}/random_face/data/SynthesisNetwork.xml", "CPU")


@torch.inference_mode()
def forward(generator: Generator, archive: Path, repeats: int = 15) -> dict:
    """Seconds of a synthesis at 1024 px in fp32 by both engines, in turn, with the same number of threads."""
    w = generator.map(torch.randn(1, 1, generator.z_dim, generator=torch.Generator().manual_seed(0)))
    styles = generator.styles(w.expand(-1, generator.num_codes, -1))
    ours = Execution("float32", True).compile(lambda *styles: generator.synthesize(SynthesisInputs(styles)))
    engine = openvino_engine(archive)
    theirs = lambda: engine([w[:, 0].numpy()])  # noqa: E731
    difference = np.abs(next(iter(theirs().values())) - ours(*styles).numpy()).max()
    times: dict[str, list[float]] = {"ours": [], "openvino": []}
    for _ in range(repeats):
        for name, call in (("ours", lambda: ours(*styles)), ("openvino", theirs)):
            began = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - began)
    seconds = {name: round(median(x), 4) for name, x in times.items()}
    ratio = median(b / a for a, b in zip(times["ours"], times["openvino"], strict=True))
    return {"seconds": seconds, "times_faster": round(ratio, 2), "largest_difference": float(difference)}


def editing(generator: Generator, work: Path, repeats: int) -> dict:
    """Median seconds of the parts of editing, and how far quick pictures are from those of `render`."""
    latent = load_latent(sorted((work / "f-z+").glob("*.latent.safetensors"))[0])
    known = directions_of(generator)
    bench, seconds = SpeedBench(generator, [known["smile"], known["age"]], repeats, latent), defaultdict(list)
    for row in chain.from_iterable(trial.work() for trial in bench.trials()):
        seconds[row["what"]].append(row["seconds"])
    editor = Editor(generator, latent, bench.execution)
    edited = editor.edit({"smile": 1.5})
    apart = measure_images(editor.image(edited), render(generator, edited), ("mse", "lpips_vgg"))
    return {
        "execution": bench.execution.describe(),
        "seconds": {what: round(median(times), 3) for what, times in seconds.items()},
        "quick_from_exact": {name: float(value) for name, value in apart.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--photos", type=int, default=2)
    parser.add_argument("--pace-steps", type=int, default=20)
    parser.add_argument("--steps", type=int, default=360)
    parser.add_argument("--archive", type=Path, help="the wheel of random-face, for its engine")
    parser.add_argument("--edits", type=int, default=10)
    given = parser.parse_args()
    generator = load_generator("ffhq-mobile")
    if given.edits:
        save_result("edit_speed", editing(generator, given.work, given.edits))
    result = {}
    if given.archive:
        result["forward"] = forward(generator, given.archive)
        print(result["forward"], flush=True)
    if given.photos:
        result["inversion"] = inversion(generator, given.work, given.photos, given.pace_steps, given.steps)
    if result:
        save_result("speed", result)


if __name__ == "__main__":
    main()
