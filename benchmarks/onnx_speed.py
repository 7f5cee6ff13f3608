"""Pictures by onnxruntime from exported generators, beside eager and compiled torch, in one process, in turns.

    python benchmarks/onnx_speed.py [--repeats 9]

One row of codes of W+ to the picture, stored noise, fp32; medians of seconds, and the largest difference of a picture.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import onnxruntime
import torch

from machine import save_result
from zplus.execution import Execution
from zplus.generators import Generator, SynthesisInputs, load_generator
from zplus.generators.onnx_files import write_onnx
from zplus.spaces import make_space
from zplus.spaces.registry import default_layer

MODELS = ("avatars64", "ffhq-mobile")


@torch.inference_mode()
def measured(generator: Generator, repeats: int) -> dict[str, Any]:
    """Seconds of each way, after one run that is not counted."""
    codes = make_space("w+", generator).sample(1, seed=3)

    def draw(codes: torch.Tensor) -> torch.Tensor:
        return generator.synthesize(SynthesisInputs(generator.styles(codes)))

    with tempfile.TemporaryDirectory() as folder:
        write_onnx(generator, Path(folder), default_layer(generator))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(Path(folder) / "whole.onnx", options, providers=["CPUExecutionProvider"])
    compiled = Execution("float32", compiled=True).compile(draw)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "eager": lambda: draw(codes),
        "compiled": lambda: compiled(codes),
        "onnxruntime": lambda: torch.from_numpy(session.run(None, {"codes": codes.numpy()})[0]),
    }
    first = {name: way() for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - began)
    apart = {name: float((image - first["eager"]).abs().max()) for name, image in first.items()}
    return {name: {"seconds": round(median(times[name]), 4), "difference": apart[name]} for name in ways}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    save_result("onnx_speed", {name: measured(load_generator(name), repeats) for name in MODELS})


if __name__ == "__main__":
    main()
