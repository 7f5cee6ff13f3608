"""The package's own checkpoint: one safetensors file whose header has the architecture and every size."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from zplus.errors import CheckpointError, UnknownNameError
from zplus.generators.contract import Generator
from zplus.generators.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from zplus.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from zplus.generators.stylegan3 import StyleGAN3, StyleGAN3Config
from zplus.records import Kind, read_record, write_record
from zplus.tensor_files import read_texts

ARCHITECTURES: dict[str, tuple[type[Generator], Any]] = {  # by name: the network, and what `from_json` makes its sizes
    "mobile_stylegan": (MobileStyleGAN, MobileStyleGANConfig),
    "stylegan2": (StyleGAN2, StyleGAN2Config),
    "stylegan3": (StyleGAN3, StyleGAN3Config),
}
KIND = Kind(
    "generator",
    CheckpointError,
    damaged="is not a readable generator of zplus",
    remedy="pull or convert it again",
    instead="convert it first",
    max_text=10_000,  # that of StyleGAN2 at 1024 px has 400
)


def save_generator(generator: Generator, path: str | Path, half: bool = False) -> None:
    """Write a generator with its name and configuration.

    Args:
        generator: The generator.
        path: A .safetensors file.
        half: Store fp16 instead of fp32.

    Raises:
        CheckpointError: Weights are not finite, or exceed 65,504 in fp16.
    """
    header = {
        "architecture": generator.architecture,
        "name": generator.plain_name,
        "config": json.dumps(asdict(generator.config)),
    }
    write_record(path, KIND, header, generator.state_dict(), torch.float16 if half else torch.float32)


def is_generator(path: str | Path) -> bool:
    """Whether a safetensors file is a generator of zplus. Raises as `read_texts` for other files."""
    return read_texts(path).get("zplus") == KIND.name


def read_generator(path: str | Path) -> Generator:
    """Read a generator that `save_generator` wrote. Raises CheckpointError or another ZplusError for anything else."""
    with read_record(path, KIND) as (header, tensors):
        if header["architecture"] not in ARCHITECTURES:
            raise UnknownNameError("architecture", header["architecture"], ARCHITECTURES)
        network, sizes = ARCHITECTURES[header["architecture"]]
        with torch.device("meta"):  # sizes only: a hostile header must not take memory
            generator = network(sizes.from_json(json.loads(header["config"])), _printable(header["name"]))
        generator.load_state_dict(tensors, assign=True)
        generator.check_finite()
    return generator.eval().requires_grad_(False)


def _printable(name: str) -> str:
    """A name as it can stand in a message."""
    return "".join(x if x.isprintable() else " " for x in name[:200])
