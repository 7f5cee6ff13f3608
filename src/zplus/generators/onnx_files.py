"""ONNX files of a StyleGAN2 or MobileStyleGAN, in fp32, for programs without torch."""

import copy
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zplus.errors import MissingExtraError, ZplusError, reason
from zplus.files import atomic, make_folder
from zplus.generators.contract import Generator, State, SynthesisInputs
from zplus.generators.stylegan3 import StyleGAN3

MIN_OPSET = 18  # the oldest that torch's exporter writes without converting


class _Network(nn.Module):
    """A function of tensors, beside the generator whose weights it uses."""

    def __init__(self, generator: Generator, function: Callable[..., Any]):
        super().__init__()
        self.generator, self.function = generator, function

    def forward(self, *tensors: Tensor) -> Any:
        """What the function gives."""
        return self.function(*tensors)


def write_onnx(generator: Generator, folder: Path, layer: int, opset: int = MIN_OPSET) -> list[Path]:
    """Write four networks; N, the number of rows, is free in each.

    - mapping.onnx: z [N, L, z_dim] -> w [N, L, w_dim], for any L.
    - head.onnx: codes [N, num_codes, w_dim] -> features [N, C, r, r] and, in skip architectures, rgb [N, 3, r, r].
    - rest.onnx: codes, features, rgb and noise_K [1, 1, r, r] of every convolution after the layer -> image.
    - whole.onnx: codes -> image [N, 3, R, R] in [-1, 1], with the stored noise.

    Args:
        generator: A generator, bound to its label if it is conditional.
        folder: Where to; it is made if missing.
        layer: Index of the layer where F sits.
        opset: Version of the operators.

    Returns:
        The files.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        ZplusError: The generator is a StyleGAN3 or tuned, lacks its label, or the opset cannot express it.
    """
    generator.check_untuned()
    if isinstance(generator, StyleGAN3):
        raise ZplusError(f"{generator.name} is a StyleGAN3, whose filters the exporter binds to one number of rows.")
    if opset < MIN_OPSET:
        raise ZplusError(f"The opset {opset} is too old for these networks: use {MIN_OPSET} or newer.")
    make_folder(folder)
    plain = copy.deepcopy(generator).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    written = []
    for name, (function, inputs, outputs) in _networks(plain, layer).items():
        written.append(folder / f"{name}.onnx")
        _write(_Network(plain, function), inputs, outputs, written[-1], opset)
    return written


@torch.no_grad()
def _networks(generator: Generator, layer: int) -> dict[str, tuple[Callable[..., Any], dict[str, Tensor], list[str]]]:
    """By name: a function of tensors, its inputs of two rows, and the names of its outputs."""

    def head(codes: Tensor) -> tuple[Tensor, ...]:
        state = generator.head(SynthesisInputs(generator.styles(codes)), layer)
        return tuple(x for x in state if x is not None)

    def rest(codes: Tensor, *others: Tensor) -> Tensor:
        state, noise = State(*others[:count]), others[count:]
        all_noise = (*stored[: len(stored) - len(noise)], *noise)
        return generator.synthesize(SynthesisInputs(generator.styles(codes), all_noise).with_feature(layer, state))

    z = torch.randn(2, 3, generator.z_dim, device=generator.device)
    codes = generator.map(z)[:, :1].repeat(1, generator.num_codes, 1)
    state = head(codes)
    count, stored = len(state), generator.noise("none") or ()
    inputs = {"codes": codes}
    features = dict(zip(("features", "rgb"), state, strict=False))
    noise = {f"noise_{k}": x for k, x in enumerate(stored) if k > _convolution(generator, layer)}
    return {
        "mapping": (generator.map, {"z": z}, ["w"]),
        "head": (head, inputs, list(features)),
        "rest": (rest, inputs | features | noise, ["image"]),
        "whole": (lambda codes: generator.synthesize(SynthesisInputs(generator.styles(codes))), inputs, ["image"]),
    }


def _convolution(generator: Generator, layer: int) -> int:
    """The index of the last convolution before the state of a layer; a code feeds each."""
    return generator.layers[layer].code


def _write(network: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path, opset: int) -> None:
    rows = torch.export.Dim("N")
    free = [{} if name.startswith("noise") else {0: rows} for name in inputs]
    if "z" in inputs:
        free[0][1] = torch.export.Dim("L")
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)  # no torchvision
    try:
        with warnings.catch_warnings(), atomic(path) as temporary:
            warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
            program = torch.onnx.export(
                network.eval(), tuple(inputs.values()), input_names=list(inputs), output_names=outputs,
                opset_version=opset, dynamo=True, dynamic_shapes=(tuple(free),), verbose=False,
            )  # fmt: skip
            assert program is not None
            program.save(temporary)
    except ImportError as error:
        raise MissingExtraError(error.name or "onnxscript", "export") from error
    except torch.onnx.OnnxExporterError as error:
        words = f"{path.stem} cannot be written in opset {opset} ({reason(error)})"
        raise ZplusError(f"{words}: use {MIN_OPSET}.") from error
