"""Our own checkpoint: one safetensors file whose header states the architecture and every size."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from zplus.errors import CheckpointError, UnknownNameError, ZplusError
from zplus.files import atomic
from zplus.generators.contract import Generator
from zplus.generators.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from zplus.generators.stylegan2 import StyleGAN2, StyleGAN2Config

ARCHITECTURES = {
    "mobile_stylegan": (MobileStyleGAN, MobileStyleGANConfig),
    "stylegan2": (StyleGAN2, StyleGAN2Config),
}
LONGEST_CONFIG = 10_000  # characters
MOST_LAYERS = 64  # of the mapping; known models have 2 to 18
DAMAGE = (OSError, SafetensorError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError, RuntimeError)


def save_generator(generator: Generator, path: str | Path, half: bool = False) -> None:
    """Write a generator with its name and configuration, in fp32 or in `half` precision (fp16).

    Raises ZplusError for weights beyond 65,504, which half precision cannot hold.
    """
    kind = torch.float16 if half else torch.float32
    header = {
        "zplus": "generator",
        "architecture": generator.architecture,
        "name": generator.name,
        "config": json.dumps(asdict(generator.config)),
    }
    tensors = {name: x.to(kind).contiguous() for name, x in generator.state_dict().items()}
    if half and not all(torch.isfinite(x).all() for x in tensors.values()):
        raise ZplusError(f"Weights of {generator.name} exceed what half precision can hold: write fp32.")
    with atomic(Path(path)) as temporary:
        save_file(tensors, temporary, header)


def is_generator(path: str | Path) -> bool:
    """Whether a safetensors file says that it is a generator of zplus. Raises SafetensorError if it is none at all."""
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get("zplus") == "generator"


def read_generator(path: str | Path) -> Generator:
    """Read a generator that `save_generator` wrote. Raises CheckpointError or another ZplusError for anything else."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("zplus") != "generator":
                raise CheckpointError(f"{path} is a safetensors file, but not a generator of zplus: convert it first.")
            if len(header["config"]) > LONGEST_CONFIG:
                raise ValueError("its configuration is far too long")
            if header["architecture"] not in ARCHITECTURES:
                raise UnknownNameError("architecture", header["architecture"], ARCHITECTURES)
            architecture, configuration = ARCHITECTURES[header["architecture"]]
            config = json.loads(header["config"])
            config["channels"] = {int(side): channels for side, channels in config["channels"].items()}
            if config["mapping_layers"] > min(len(file.keys()), MOST_LAYERS):
                raise ValueError("it has fewer tensors than layers, or more layers than any known model")
            with torch.device("meta"):  # sizes only: a hostile header must not take memory
                generator = architecture(configuration(**config), _printable(header["name"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if not all(x.is_floating_point() for x in tensors.values()):
                raise ValueError("its weights are not all of floating point")
            tensors = {name: x.to(torch.float32, copy=True) for name, x in tensors.items()}
            generator.load_state_dict(tensors, assign=True)
    except FileNotFoundError:
        raise CheckpointError(f"There is no file {path}.") from None
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path} is not a readable generator of zplus ({reason}): pull or convert it again."
        ) from None
    generator.check_finite()
    return generator.eval().requires_grad_(False)


def _printable(name: str) -> str:
    """A name as it can stand in a message."""
    return "".join(x if x.isprintable() else " " for x in name[:200])
