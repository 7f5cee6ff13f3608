"""The choice of precision and compilation, by the processor and the number of runs ahead."""

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from zplus.execution import compiler
from zplus.generators import Generator

# Runs of the networks there and back after which compiling has saved the time that it took, as measured.
PAYS_AFTER = {"bfloat16": 100, "float32": 200}


@dataclass(frozen=True)
class Execution:
    """An execution mode.

    Attributes:
        precision: "float32" or "bfloat16", of convolutions; colours and losses stay fp32.
        compiled: Whether networks are compiled by torch.compile.
    """

    precision: str
    compiled: bool

    def describe(self) -> dict[str, Any]:
        """What a latent records: the mode that was really used, so ask after the run."""
        ran = {"compiled": self.compiled and compiler.trouble() is None}
        return asdict(self) | ran | {"threads": torch.get_num_threads(), "torch": torch.__version__}

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which networks run."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def compile(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The function, compiled if this mode compiles and for as long as that works."""
        return compiler.guarded(function) if self.compiled else function

    def is_ready(self, generator: Generator) -> bool:
        """Whether the networks of an inversion run without being compiled first."""
        return not self.compiled or compiler.was_compiled(graphs_of(generator, self.precision))

    def remember(self, generator: Generator) -> None:
        """Record that the networks of an inversion were compiled, so that the next one uses them at once."""
        if self.compiled:
            compiler.remember_compiled(graphs_of(generator, self.precision))


COMPILING = "about a minute"  # on two cores; more where these are slow
EAGER = Execution("float32", False)


def best_execution(generator: Generator, runs: int | None = None) -> Execution:
    """The fastest mode for a number of runs: bfloat16 if the hardware multiplies it; compiled if that pays.

    Args:
        generator: The generator.
        runs: Forward and backward passes ahead, for one image each; None for very many. What was compiled on this
            machine before is used at once.

    Returns:
        The mode. ZPLUS_EAGER=1 in the environment forces eager fp32.
    """
    device = generator.device
    if os.environ.get("ZPLUS_EAGER") or device.type not in ("cpu", "cuda"):
        return EAGER
    precision = "bfloat16" if _multiplies_bfloat16(device) else "float32"
    worth = runs is None or runs >= PAYS_AFTER[precision] or compiler.was_compiled(graphs_of(generator, precision))
    possible = device.type == "cpu" or platform.system() == "Linux"
    return Execution(precision, worth and possible and compiler.usable())


def graphs_of(generator: Generator, precision: str) -> str:
    """The name under which compiled networks of an inversion are recorded."""
    return f"{generator.config} {generator.device.type} {precision} {torch.get_num_threads()}"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    features: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # absent in older versions
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))
