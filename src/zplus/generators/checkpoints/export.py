"""State dicts of other programs from a StyleGAN2: the inverse of the readers beside this file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zplus.errors import UnknownNameError, ZplusError
from zplus.files import atomic
from zplus.generators.contract import Generator
from zplus.generators.prior import statistics
from zplus.generators.stylegan2 import StyleGAN2
from zplus.tensor_files import write_tensors

MAPPING_LR = 0.01  # which all three programs assume


def write_state_dict(generator: Generator, path: Path, kind: str) -> None:
    """Write the weights as another program loads them.

    Args:
        generator: A StyleGAN2. Its mean of w is that of the checkpoint, else that of samples.
        path: A .pt file; a .safetensors file too for "nvidia".
        kind: A name of STATE_DICTS.

    Raises:
        UnknownNameError: There is no such format.
        ZplusError: The format cannot hold this generator, or has no such suffix.
    """
    if path.suffix not in (allowed := suffixes(kind)):
        raise ZplusError(f"{path} is no name for this file: end it in {' or '.join(allowed)}.")
    tree = STATE_DICTS[kind](_checked(generator, kind))
    if path.suffix == ".safetensors":
        write_tensors(path, tree)
    else:
        with atomic(path) as temporary, temporary.open("wb") as file:
            torch.save(tree, file)


def suffixes(kind: str) -> tuple[str, ...]:
    """How a file of a format ends. Raises UnknownNameError where there is no such format."""
    if kind not in STATE_DICTS:
        raise UnknownNameError("format", kind, (*STATE_DICTS, "onnx"))
    return (".safetensors", ".pt") if kind == "nvidia" else (".pt",)


def _checked(generator: Generator, kind: str) -> StyleGAN2:
    """The generator, if a format can hold it. Raises ZplusError."""
    generator.check_untuned()
    if not isinstance(generator, StyleGAN2):
        words = f"{generator.name} is a {type(generator).__name__}"
        raise ZplusError(f"{words}, but the format {kind} holds StyleGAN2 alone: use onnx.")
    if kind != "nvidia" and generator.config.c_dim:
        raise ZplusError(f"{generator.name} is conditional, but the format {kind} has no labels: use nvidia or onnx.")
    if kind != "nvidia" and generator.config.architecture != "skip":
        words = f"{generator.name} has the architecture {generator.config.architecture}"
        raise ZplusError(f"{words}, but the format {kind} has skip alone: use nvidia or onnx.")
    return generator


def nvidia(generator: StyleGAN2) -> dict[str, Tensor]:
    """The state dict of stylegan2-ada-pytorch's Generator."""
    found = {name: x.cpu().contiguous() for name, x in generator.state_dict().items()}
    found["mapping.w_avg"] = _w_mean(generator)
    scale = generator.config.mapping_lr / MAPPING_LR
    return {name: x * scale if name.startswith("mapping.fc") else x for name, x in found.items()}


def rosinality(generator: StyleGAN2) -> dict[str, Tensor]:
    """The state dict of the Generator of rosinality's stylegan2-pytorch."""
    found, kernel = {}, _kernel(generator).flip((0, 1))
    for side, part, kind, value in _parts(generator):
        k = 2 * (side.bit_length() - 4) + (part == "conv1") if side > 4 else -1
        if part.startswith("fc"):
            found[f"style.{int(part[2:]) + 1}.{kind}"] = value
        elif part == "const":
            found["input.input"] = value[None]
        elif part == "torgb":
            path = "to_rgb1" if side == 4 else f"to_rgbs.{side.bit_length() - 4}"
            names = {"weight": "conv.weight", "bias": "bias"}
            shaped = {"weight": value[None], "bias": value.view(1, -1, 1, 1) if kind == "bias" else value}
            found[f"{path}.{names.get(kind, kind.replace('affine', 'conv.modulation'))}"] = shaped.get(kind, value)
            if side > 4:
                found[f"{path}.upsample.kernel"] = kernel
        elif kind == "noise_const":
            found[f"noises.noise_{k + 1}"] = value[None, None]
        else:
            path = "conv1" if side == 4 else f"convs.{k}"
            found |= {f"{path}.{name}": x for name, x in _rosinality_convolution(kind, value)}
            if part == "conv0":
                found[f"{path}.conv.blur.kernel"] = kernel
    return found


def _rosinality_convolution(kind: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    if kind == "weight":  # which that program divides by sqrt(9 * channels)
        yield "conv.weight", value[None] * value[0].numel() ** 0.5
    elif kind == "noise_strength":
        yield "noise.weight", value[None]
    elif kind == "bias":
        yield "activate.bias", value
    else:
        yield kind.replace("affine", "conv.modulation"), value


def genforce(generator: StyleGAN2) -> dict[str, Tensor]:
    """The state dict of the StyleGAN2Generator of genforce."""
    kernel = _kernel(generator)[None, None]
    found = {"truncation.w_avg": _w_mean(generator), "synthesis.upsample.kernel": kernel}
    for side, part, kind, value in _parts(generator):
        k = side.bit_length() - 3
        path = f"synthesis.output{k}" if part == "torgb" else f"synthesis.layer{2 * k - (part == 'conv0')}"
        if part.startswith("fc"):
            found[f"mapping.dense{part[2:]}.{kind}"] = value
        elif part == "const":
            found["synthesis.early_layer.const"] = value[None]
        elif kind == "noise_const":
            found[f"{path}.noise"] = value[None, None]
        elif kind == "affine.bias":
            found[f"{path}.style.bias"] = value - 1
        elif kind == "weight" and part != "torgb":
            scaled = value * value[0].numel() ** 0.5
            found[f"{path}.weight"] = scaled.flip((2, 3)) if part == "conv0" else scaled
            if part == "conv0":
                found[f"{path}.filter.kernel"] = kernel
        else:
            found[f"{path}.{kind.replace('affine', 'style')}"] = value
    return found


def _kernel(generator: StyleGAN2) -> Tensor:
    """The filter of upsampling, of gain 4."""
    return 4 * generator.state_dict()["synthesis.b4.resample_filter"].cpu()


def _w_mean(generator: StyleGAN2) -> Tensor:
    mean = statistics(generator).w_mean if generator.w_mean is None else generator.w_mean
    return mean.cpu().contiguous()


def _parts(generator: StyleGAN2) -> Iterator[tuple[int, str, str, Tensor]]:
    """(side, part, kind, tensor) of the mapping's layers, under side 0, and of the synthesis; without filters."""
    for name, value in nvidia(generator).items():
        room, place, *rest = name.split(".")
        if room == "mapping" and place != "w_avg":
            yield 0, place, rest[0], value
        elif room == "synthesis" and not name.endswith("resample_filter"):
            yield int(place[1:]), rest[0], ".".join(rest[1:]), value


STATE_DICTS: dict[str, Callable[[StyleGAN2], dict[str, Any]]] = {
    "nvidia": nvidia,
    "rosinality": lambda generator: {"g_ema": rosinality(generator), "latent_avg": _w_mean(generator)},
    "genforce": lambda generator: {"generator_smooth": genforce(generator)},
}
