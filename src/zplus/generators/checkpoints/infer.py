"""A generator from plain tensors: every size is inferred from names and shapes, here those of a StyleGAN2."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.infer3 import MARK as STYLEGAN3
from zplus.generators.checkpoints.infer3 import infer_stylegan3
from zplus.generators.checkpoints.shapes import check_shapes, shape_of
from zplus.generators.contract import LARGEST, MAX_MAPPING_LAYERS, WIDEST, Generator
from zplus.generators.stylegan2 import MAX_TAPS, StyleGAN2, StyleGAN2Config, sides
from zplus.generators.stylegan3 import StyleGAN3


@dataclass
class ParsedCheckpoint:
    """The contents of a checkpoint: tensors under NVIDIA's names of PyTorch, and what these do not determine.

    The reader adds tensors that such a network has and the format lacks (filters of every layer, an unused noise).
    `notes` are sentences for the user.
    """

    tensors: dict[str, Tensor]
    mapping_lr: float = 0.01
    conv_clamp: float | None = None
    notes: list[str] = field(default_factory=list)

    def generator(self, name: str) -> Generator:
        """The network. Raises CheckpointError."""
        network = self._network(name)
        tensors = {key: x.to(torch.float32, copy=True).contiguous() for key, x in self.tensors.items()}
        network.load_state_dict(tensors, assign=True)
        network.check_finite()
        return network.eval().requires_grad_(False)

    def _network(self, name: str) -> Generator:
        """The network without its weights."""
        if STYLEGAN3 in self.tensors:
            sizes = infer_stylegan3(self.tensors, self.mapping_lr)
            with torch.device("meta"):
                return StyleGAN3(sizes, name)
        config = infer_config(self.tensors, self.mapping_lr, self.conv_clamp)
        with torch.device("meta"):
            return StyleGAN2(config, name)


def infer_config(
    tensors: Mapping[str, Tensor], mapping_lr: float = 0.01, conv_clamp: float | None = None
) -> StyleGAN2Config:
    """The configuration of a state dict, from names and shapes. The other arguments are what these do not determine.

    Raises:
        CheckpointError: Tensors are missing, left over or of a wrong shape; the message names them.
    """

    def shape(name: str, dimensions: int) -> tuple[int, ...]:
        return shape_of(tensors, name, dimensions, "StyleGAN2")

    resolution = max(int(x[1]) for name in [*tensors, "synthesis.b4."] if (x := re.match(r"synthesis\.b(\d+)\.", name)))
    depth = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in tensors)
    w_dim, n_in = shape("mapping.fc0.weight", 2)
    c_dim = shape("mapping.embed.weight", 2)[1] if "mapping.embed.weight" in tensors else 0
    taps = shape("synthesis.b4.resample_filter", 2)[1]
    sized = resolution <= LARGEST and resolution.bit_count() == 1 and depth <= MAX_MAPPING_LAYERS
    if not sized or not 2 <= taps <= MAX_TAPS:
        text = f"{resolution} px, {depth} layers of the mapping and filters of {taps} taps"
        raise CheckpointError(f"No StyleGAN2 generator of {text} is known: it is refused.")
    channels = {side: shape(f"synthesis.b{side}.conv1.weight", 4)[0] for side in sides(resolution)}
    z_dim = n_in - w_dim * bool(c_dim)
    usable = min(z_dim, w_dim, *channels.values()) >= 1 and max(z_dim, w_dim) <= WIDEST
    if not usable or not math.isfinite(mapping_lr) or not math.isfinite(conv_clamp or 0):
        raise CheckpointError("These weights are no StyleGAN2 generator: its sizes or settings are no usable numbers.")
    config = StyleGAN2Config(
        resolution=resolution,
        z_dim=z_dim,
        w_dim=w_dim,
        c_dim=c_dim,
        mapping_layers=depth,
        mapping_lr=mapping_lr,
        w_mean="mapping.w_avg" in tensors,
        architecture="resnet" if "synthesis.b8.skip.weight" in tensors else "skip",
        channels=channels,
        taps=tuple(tensors["synthesis.b4.resample_filter"].float().sum(0).tolist()),
        conv_clamp=conv_clamp,
    )
    check_shapes(tensors, lambda: StyleGAN2(config), "StyleGAN2")
    return config
