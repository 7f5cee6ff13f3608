"""NVIDIA's mapping network, which StyleGAN2 and StyleGAN3 share, and generators that may be conditional through it."""

import copy
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zplus.errors import ZplusError
from zplus.generators.contract import Generator, pixel_norm


@runtime_checkable
class MappingSizes(Protocol):
    """What a configuration says of its mapping network, and of the image."""

    @property
    def resolution(self) -> int:
        """Pixels a side of the image."""

    @property
    def z_dim(self) -> int:
        """Numbers in a z."""

    @property
    def w_dim(self) -> int:
        """Numbers in a w."""

    @property
    def c_dim(self) -> int:
        """Numbers in a label; 0 is a generator without labels."""

    @property
    def mapping_layers(self) -> int:
        """Fully connected layers."""

    @property
    def mapping_lr(self) -> float:
        """Weights are stored 1 / mapping_lr times larger."""

    @property
    def w_mean(self) -> bool:
        """Whether the checkpoint states the mean of w."""


class FullyConnected(nn.Module):
    """A linear layer with equalised learning rate (Karras et al. 2018, arXiv 1710.10196, section 4.1)."""

    def __init__(self, n_in: int, n_out: int, lr: float = 1.0, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / lr)
        self.bias = nn.Parameter(torch.full([n_out], bias))
        self.scale, self.lr = lr / n_in**0.5, lr

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., n_in] to [..., n_out]."""
        return F.linear(x, self.weight * self.scale, self.bias * self.lr)


class MappingNetwork(nn.Module):
    """z -> w: pixel norm, then fully connected layers with leaky ReLU 0.2 and gain sqrt 2; a label joins the input."""

    def __init__(self, config: MappingSizes):
        super().__init__()
        if config.c_dim:
            self.embed = FullyConnected(config.c_dim, config.w_dim)
        self.depth = config.mapping_layers
        sizes = [config.z_dim + config.w_dim * bool(config.c_dim)] + [config.w_dim] * self.depth
        for i in range(self.depth):
            self.add_module(f"fc{i}", FullyConnected(sizes[i], sizes[i + 1], config.mapping_lr))
        if config.w_mean:
            self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map codes [..., z_dim], under one label [c_dim] for all, to [..., w_dim]."""
        x = pixel_norm(z)
        if label is not None:
            embedded = pixel_norm(self.embed(label.to(x)))
            x = torch.cat([x, embedded.expand(*x.shape[:-1], -1)], dim=-1)
        for i in range(self.depth):
            x = F.leaky_relu(self.get_submodule(f"fc{i}")(x), 0.2) * 2**0.5
        return x


class LabelledGenerator(Generator):
    """A generator whose mapping is a MappingNetwork: it may know the mean of w, and may be conditional."""

    mapping: MappingNetwork

    def __init__(self, config: MappingSizes, name: str):
        super().__init__()
        self.config, self.name = config, name
        self.resolution, self.z_dim, self.w_dim = config.resolution, config.z_dim, config.w_dim
        self.mapping = MappingNetwork(config)

    @property
    def w_mean(self) -> Tensor | None:  # type: ignore[override]
        """The running mean of w [w_dim] from training, if the checkpoint has it."""
        return getattr(self.mapping, "w_avg", None)

    def with_label(self, label: int | Sequence[float | int] | Tensor) -> "LabelledGenerator":
        """The same generator, sharing weights, bound to a label: an index from 0 to c_dim - 1, or a vector [c_dim]."""
        c_dim = self.config.c_dim
        if not c_dim:
            raise ZplusError(f"{self.name} is not conditional: it takes no label.")
        if isinstance(label, int):
            if not 0 <= label < c_dim:
                raise ZplusError(f"{self.name} has no label {label}: its labels are 0 to {c_dim - 1}.")
            vector = torch.zeros(c_dim)
            vector[int(label)] = 1  # True would be a mask
        else:
            vector = torch.as_tensor(label, dtype=torch.float32).detach().clone()
        if vector.shape != (c_dim,) or not vector.isfinite().all():
            wanted = f"a vector of {c_dim} finite numbers"
            raise ZplusError(f"A label of {self.name} is {wanted}, got {str(label)[:60]}.")
        bound = copy.copy(self)
        for name in ("fingerprint", "mapping_fingerprint"):  # remembered for another label
            vars(bound).pop(name, None)
        words = f"under label {label if isinstance(label, int) else 'given'}"
        bound.label, bound.name = vector, f"{self.plain_name} {words}"
        vars(bound)["plain_name"] = self.plain_name
        return bound

    def map(self, z: Tensor) -> Tensor:
        """See the contract; a conditional generator must be bound to a label."""
        if self.config.c_dim and self.label is None:
            raise ZplusError(f"{self.name} is conditional: choose one of its {self.config.c_dim} labels with --label.")
        return self.mapping(z, self.label)
