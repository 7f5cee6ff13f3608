"""How many photos are inverted at once, by the memory that is free and by the processor."""

import re
from contextlib import suppress
from pathlib import Path

import torch

from zplus.generators import Generator
from zplus.inversion.settings import Settings

SHARE = 0.6  # of the free memory, because photos, other programs and measurements need some too
COPIES = 10.0  # of every feature map, as measured: its gradient, what the backward pass keeps, freed blocks
VGG = 110.0  # numbers that LPIPS keeps a pixel of its images
UNKNOWN = 4 << 30  # bytes, where a system does not say what is free
MOST = {"cpu": 8, "cuda": 32}  # beyond, a photo costs no less


def batch_size(generator: Generator, settings: Settings) -> int:
    """How many photos to invert at once on the generator's device: 1 or more."""
    device = generator.device
    if "pti" in settings.stages:  # which tunes the weights to one photo
        return 1
    fitting = SHARE * free_memory(device) / photo_bytes(generator, settings)
    most = MOST.get(device.type, 1)
    if device.type == "cpu":
        most = min(most, 4 * torch.get_num_threads())
    return max(1, min(most, int(fitting)))


def photo_bytes(generator: Generator, settings: Settings) -> float:
    """About how many bytes the inversion of one photo needs besides the networks."""
    maps = sum(layer.channels * layer.side**2 for layer in generator.layers)
    return 4 * COPIES * (maps + VGG * settings.lpips_size**2)


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device; of the processor those that this process may still have."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = []
    with suppress(OSError, AttributeError, TypeError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        found.append(1024 * int(re.search(r"MemAvailable:\s+(\d+)", text)[1]))  # type: ignore[index]
    with suppress(OSError, ValueError):  # a container's bound; "max" is none
        group = Path("/sys/fs/cgroup")
        bound, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        found.append(bound - used)
    return max(0, min(found)) if found else UNKNOWN
