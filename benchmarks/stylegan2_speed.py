"""How fast StyleGAN2 is, forward and backward, beside a plain eager implementation; and how a 1024 px file converts.

    python benchmarks/stylegan2_speed.py [--sizes 256 1024] [--repeats 7]

Configuration F with random weights, batch 1, fp32. Plain is the textbook: every sample gets weights of its own,
modulated and demodulated, in a grouped convolution; upsampling inserts zeros and filters. Ours is what inversion uses:
styles scale the features, one convolution for all, compiled. Both run in turn.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from machine import save_result
from zplus.generators import SynthesisInputs
from zplus.generators.stylegan2 import ModulatedConv, StyleGAN2, StyleGAN2Config, ToRGB, sides

sys.path.append(str(Path(__file__).parents[1] / "tests"))
CONVERT = """
import atexit, sys
from machine import peak_memory_gb, reset_peak
from zplus.command.app import main
reset_peak()  # the process began as a copy of its parent
atexit.register(lambda: print(peak_memory_gb()))
main()
"""


def config_f(resolution: int) -> StyleGAN2:
    """Configuration F with random weights; a gain keeps the pictures in range."""
    torch.manual_seed(0)
    channels = {side: min(2**15 // side, 512) for side in sides(resolution)}
    generator = StyleGAN2(StyleGAN2Config(resolution, channels=channels), f"config-f-{resolution}")
    for name, tensor in generator.state_dict().items():
        if name.endswith("torgb.weight"):
            tensor.mul_(0.1)
    return generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def plain_conv(layer: ModulatedConv, x: Tensor, style: Tensor) -> Tensor:
    n = len(x)
    weight = layer.weight[None] * style[:, None, :, None, None]
    weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    if layer.up:
        x, weight = plain_up(x, layer.resample_filter, 1), weight.flip((3, 4))
    else:
        x = F.pad(x, (1, 1, 1, 1))
    x = F.conv2d(x.flatten(0, 1)[None], weight.flatten(0, 1), groups=n).unflatten(1, (n, -1))[0]
    x = x + layer.noise_const * layer.noise_strength + layer.bias[:, None, None]
    return F.leaky_relu(x, 0.2) * 2**0.5


def plain_up(x: Tensor, kernel: Tensor, margin: int = 0) -> Tensor:
    n, c, h, w = x.shape
    spread = F.pad(x.view(n, c, h, 1, w, 1), (0, 1, 0, 0, 0, 1)).view(n, c, 2 * h, 2 * w)
    filters = (4 * kernel).flip((0, 1)).expand(c, 1, *kernel.shape)
    return F.conv2d(F.pad(spread, [2 + margin, 1 + margin] * 2), filters, groups=c)


def plain_rgb(layer: ToRGB, x: Tensor, style: Tensor) -> Tensor:
    n, c, r = x.shape[:3]
    weight = layer.weight[None] * (style * layer.scale)[:, None, :, None, None]
    x = F.conv2d(x.reshape(1, n * c, r, r), weight.flatten(0, 1), groups=n).view(n, 3, r, r)
    return x + layer.bias[:, None, None]


def plain(generator: StyleGAN2, w: Tensor) -> Tensor:
    """The image of codes [N, L, w]."""
    styles = dict(zip(generator.style_names, generator.styles(w), strict=True))
    x, rgb = generator.synthesis["b4"].const.expand(len(w), -1, -1, -1), None
    for name, block in generator.synthesis.items():
        for part in ("conv0", "conv1"):
            if hasattr(block, part):
                x = plain_conv(getattr(block, part), x, styles[f"{name}.{part}"])
        new = plain_rgb(block.torgb, x, styles[f"{name}.torgb"])
        rgb = new if rgb is None else plain_up(rgb, block.resample_filter) + new
    return rgb


def throughput(resolution: int, repeats: int) -> dict:
    generator = config_f(resolution)
    eager = config_f(resolution).to(memory_format=torch.contiguous_format)
    w = generator.map(torch.randn(1, generator.num_codes, 512))
    compiled = torch.compile(lambda *styles: generator.synthesize(SynthesisInputs(styles)), dynamic=False)
    calls = {"plain": lambda w: plain(eager, w), "ours": lambda w: compiled(*generator.styles(w))}
    with torch.no_grad():
        difference = (calls["plain"](w) - calls["ours"](w)).abs().max().item()

    def forward(call) -> None:
        with torch.inference_mode():
            call(w)

    def both(call) -> None:
        call(w.clone().requires_grad_()).square().mean().backward()

    assert difference < 1e-3, difference
    result = {"largest_difference": difference}
    for kind, run in (("forward", forward), ("forward_and_backward", both)):
        times: dict[str, list[float]] = {name: [] for name in calls}
        for call in calls.values():
            run(call)
        for _ in range(repeats):
            for name, call in calls.items():
                began = time.perf_counter()
                run(call)
                times[name].append(time.perf_counter() - began)
        ratio = median(a / b for a, b in zip(times["plain"], times["ours"], strict=True))
        result[kind] = {name: round(median(x), 4) for name, x in times.items()} | {"times_faster": round(ratio, 2)}
        print(resolution, kind, result[kind], flush=True)
    return result


def conversion() -> dict:
    """Seconds and peak memory of `zplus convert` on a pickle of NVIDIA's with a 1024 px generator."""
    from checkpoint_files import nvidia_torch  # noqa: PLC0415  (of the tests)

    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "model.pkl")
        path.write_bytes(nvidia_torch(config_f(1024)))
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", CONVERT, "convert", path, "-o", path.with_suffix(".safetensors")],
            check=True, capture_output=True, text=True, cwd=Path(__file__).parent,
        )  # fmt: skip
        seconds, size = time.perf_counter() - began, path.stat().st_size / 2**20
    peak = float(done.stdout.splitlines()[-1])
    return {"seconds": round(seconds, 1), "peak_memory_gb": peak, "file_mb": round(size)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 1024])
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    result = {"conversion_1024": conversion()}
    print(result, flush=True)
    result |= {f"synthesis_{size}": throughput(size, given.repeats) for size in given.sizes}
    save_result("stylegan2_speed", result)


if __name__ == "__main__":
    main()
