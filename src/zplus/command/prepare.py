"""What must stand before minutes of work begin: a device and a generator."""

import torch

from zplus.errors import UnknownNameError, ZplusError
from zplus.generators import Generator, load_generator


def chosen_device(name: str) -> torch.device:
    """A device by name. Raises ZplusError where this machine, or this torch, does not have it."""
    kinds = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = name.partition(":")[0]
    if kind not in kinds:
        raise UnknownNameError("device", name, kinds)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UnknownNameError("device", name, kinds) from error
    if not kinds[kind] or (kind == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise ZplusError(f"The device {name} is not on this machine: use --device cpu.")
    return device


def open_generator(model: str, device: str, label: int | None = None) -> Generator:
    """A generator by name or file, on a device by name, bound to a label if one is given."""
    return load_generator(model, chosen_device(device), label)
