"""A StyleGAN2 from plain tensors: every size is inferred from names and shapes."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.contract import LARGEST, MAX_MAPPING_LAYERS, WIDEST
from zplus.generators.stylegan2 import MAX_TAPS, StyleGAN2, StyleGAN2Config, sides


@dataclass
class ParsedCheckpoint:
    """The contents of a checkpoint: tensors under stylegan2-ada-pytorch's names, and what these do not determine.

    The reader adds tensors that such a network has and the format lacks (filters of every layer, an unused noise).
    `notes` are sentences for the user.
    """

    tensors: dict[str, Tensor]
    mapping_lr: float = 0.01
    conv_clamp: float | None = None
    notes: list[str] = field(default_factory=list)

    def generator(self, name: str) -> StyleGAN2:
        """The network. Raises CheckpointError."""
        config = infer_config(self.tensors, self.mapping_lr, self.conv_clamp)
        tensors = {key: x.to(torch.float32, copy=True).contiguous() for key, x in self.tensors.items()}
        with torch.device("meta"):
            network = StyleGAN2(config, name)
        network.load_state_dict(tensors, assign=True)
        network.check_finite()
        return network.eval().requires_grad_(False)


def infer_config(
    tensors: Mapping[str, Tensor], mapping_lr: float = 0.01, conv_clamp: float | None = None
) -> StyleGAN2Config:
    """The configuration of a state dict, from names and shapes. The other arguments are what these do not determine.

    Raises:
        CheckpointError: Tensors are missing, left over or of a wrong shape; the message names them.
    """

    def shape(name: str, dimensions: int) -> tuple[int, ...]:
        if name not in tensors or tensors[name].ndim != dimensions:
            raise CheckpointError(f"These weights are no StyleGAN2 generator: {name} is missing or of a wrong shape.")
        return tuple(tensors[name].shape)

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
    _check_shapes(tensors, config)
    return config


def _check_shapes(tensors: Mapping[str, Tensor], config: StyleGAN2Config) -> None:
    with torch.device("meta"):  # shapes only, no memory
        expected = StyleGAN2(config).state_dict()
    got, want = ({name: tuple(x.shape) for name, x in found.items()} for found in (tensors, expected))
    wrong = [name for name in {**want, **got} if got.get(name) != want.get(name)]
    if wrong:
        text = "; ".join(f"{x} is {got.get(x, 'missing')}, expected {want.get(x, 'none')}" for x in wrong[:3])
        raise CheckpointError(f"These weights do not fit a StyleGAN2 generator: {text} ({len(wrong)} such tensors).")
    odd = next((name for name, x in tensors.items() if not x.is_floating_point()), None)
    if odd is not None:
        raise CheckpointError(f"The weights {odd} are of the type {tensors[odd].dtype}, expected floating point.")
