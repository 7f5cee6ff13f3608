"""How long an edit of an inverted photo takes at 1024 px, beside a forward pass of the wheel's own OpenVINO engine.

    python benchmarks/edit_speed.py WORK [--archive WHEEL]

WORK is that of portraits.py: its first latent of F/Z+ is edited. Timed, once another direction has made the synthesis
compile: the first edit of a direction with its picture (the transport included), further strengths of it, and two
directions together. Also how far the quick pictures are from those of `render`.
"""

import argparse
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from machine import save_result
from speed import openvino_engine
from zplus.editing import Editor
from zplus.execution import best_execution
from zplus.generators import load_generator
from zplus.latent import load_latent
from zplus.perception.metrics import measure_images
from zplus.spaces import render

FIRST = ("smile", "age", "yaw", "gender", "mouth_open")
FURTHER = (0.3, 1.2, -0.7, 1.7, 0.9, -1.4, 0.1, 1.5)


def seconds(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--archive", type=Path, help="the wheel of random-face, for its engine")
    given = parser.parse_args()
    generator = load_generator("ffhq-mobile")
    execution = best_execution(generator)
    latent = load_latent(sorted((given.work / "f-z+").glob("*.latent.safetensors"))[0])
    editor = Editor(generator, latent, execution)
    shown = lambda strengths: editor.image(editor.edit(strengths))  # noqa: E731
    for _ in range(3):
        shown({"pitch": 1.0})
    first = [seconds(lambda name=name: shown({name: 1.5})) for name in FIRST]
    for strength in (-1.5, 2.0):  # both ways of smile are known from here on
        shown({"smile": strength})
    further = [seconds(lambda s=s: shown({"smile": s})) for s in FURTHER * 3]
    edited = editor.edit({"smile": 1.0})
    render_alone = [seconds(lambda: editor.image(edited)) for _ in range(10)]
    together = [seconds(lambda s=s: shown({"smile": s, "age": 0.7})) for s in FURTHER]
    quick, exact = shown({"smile": 1.5}), render(generator, editor.edit({"smile": 1.5}))
    apart = {name: float(value) for name, value in measure_images(quick, exact, ("mse", "lpips_vgg")).items()}
    result = {
        "execution": execution.describe(),
        "first_edit_of_a_direction": round(median(first), 3),
        "further_strength": round(median(further), 3),
        "two_directions_at_once": round(median(together), 3),
        "picture_alone": round(median(render_alone), 3),
        "quick_from_exact": apart,
    }
    if given.archive:
        engine = openvino_engine(given.archive)
        w = generator.map(torch.randn(1, 1, generator.z_dim))[:, 0].detach().numpy()
        result["openvino_forward"] = round(float(np.median([seconds(lambda: engine([w])) for _ in range(10)])), 3)
    print(result)
    save_result("edit_speed", result)


if __name__ == "__main__":
    main()
