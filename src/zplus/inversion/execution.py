"""How a synthesis is computed: in which precision, compiled or eager. The mode is recorded in every latent."""

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.generators import Feature, Signals, State
from zplus.spaces import Space
from zplus.spaces.registry import default_layer


@dataclass(frozen=True)
class Execution:
    """precision: "float32" or "bfloat16" (of convolutions; losses stay fp32). compiled: through torch.compile."""

    precision: str
    compiled: bool

    def describe(self) -> dict[str, Any]:
        """What a latent records of it."""
        return asdict(self) | {"threads": torch.get_num_threads(), "torch": torch.__version__}

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which networks run."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def compile(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The function, compiled for the shapes that it meets if this mode compiles."""
        return torch.compile(function, dynamic=False) if self.compiled else function

    def freeze(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The same for rendering alone: weights become constants in the order that is fastest, without gradients."""
        return torch.compile(function, dynamic=False, options={"freezing": True}) if self.compiled else function


def best_execution(device: torch.device) -> Execution:
    """bfloat16 where the hardware multiplies it, compiled where a compiler exists; ZPLUS_EAGER=1 turns both off."""
    if os.environ.get("ZPLUS_EAGER"):
        return Execution("float32", False)
    if device.type == "cuda":
        return Execution("bfloat16" if torch.cuda.is_bf16_supported() else "float32", platform.system() == "Linux")
    if device.type != "cpu":
        return Execution("float32", False)
    features: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # absent in older versions
    fast = features.get("avx512_bf16") or features.get("amx_bf16")
    return Execution("bfloat16" if fast else "float32", has_compiler())


def has_compiler() -> bool:
    """Whether torch.compile can build code for this CPU: a C++ compiler on the path."""
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++", "cl"))


class View:
    """Codes and F of a space to pictures: what lies above F is made ready once, to be run many times.

    Without gradients it is for rendering alone, and faster. A space without F is seen through its usual layer.
    """

    def __init__(self, space: Space, execution: Execution, gradients: bool = True):
        self.generator, self.execution = space.generator, execution
        self.layer = default_layer(space.generator) if space.layer is None else space.layer
        noise = space.noise

        def synthesis(styles: tuple[Tensor, ...], features: Tensor, rgb: Tensor | None) -> Tensor:
            return space.generator.synthesize(Signals(styles, noise, {self.layer: Feature(State(features, rgb))}))

        self._synthesis = execution.compile(synthesis) if gradients else execution.freeze(synthesis)

    def head(self, signals: Signals) -> State:
        """What the code itself gives as F."""
        return self.generator.head(signals, self.layer)

    def __call__(self, signals: Signals, state: State | None) -> Float[Tensor, "n 3 r r"]:
        """The pictures, of about [-1, 1]; without a state F is head(code)."""
        features, rgb = state or self.head(signals)
        with self.execution.autocast(features.device):
            return self._synthesis(signals.styles, features, rgb).float()
