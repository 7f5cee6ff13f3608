"""A StyleGAN2 from bare tensors: every size is inferred from their names and shapes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.stylegan2 import StyleGAN2, StyleGAN2Config, sides


@dataclass
class Found:
    """The generator of a checkpoint: its tensors under the names of stylegan2-ada-pytorch, and what these cannot tell.

    Tensors that such a network has and this format lacks (filters of every layer, a noise that is never used) are to
    be filled in by the reader. notes: what a user should know, as sentences.
    """

    tensors: dict[str, Tensor]
    mapping_lr: float = 0.01
    conv_clamp: float | None = None
    notes: list[str] = field(default_factory=list)

    def generator(self, name: str) -> StyleGAN2:
        """The network. Raises CheckpointError."""
        tensors = {key: x.to(torch.float32, copy=True).contiguous() for key, x in self.tensors.items()}
        config = infer_config(tensors, self.mapping_lr, self.conv_clamp)
        with torch.device("meta"):
            network = StyleGAN2(config, name)
        network.load_state_dict(tensors, assign=True)
        network.check_finite()
        return network.eval().requires_grad_(False)


def infer_config(
    tensors: Mapping[str, Tensor], mapping_lr: float = 0.01, conv_clamp: float | None = None
) -> StyleGAN2Config:
    """The configuration of a state dict, from its names and shapes; the arguments are what these cannot tell.

    Raises CheckpointError, naming the tensors, where some are missing, left over or of a wrong shape.
    """

    def shape(name: str, dimensions: int) -> tuple[int, ...]:
        if name not in tensors or tensors[name].ndim != dimensions:
            raise CheckpointError(f"These weights are no StyleGAN2 generator: {name} is missing or of a wrong shape.")
        return tuple(tensors[name].shape)

    found = [int(x[1]) for name in tensors if (x := re.match(r"synthesis\.b(\d{1,5})\.", name))]
    depth = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in tensors)
    w_dim, n_in = shape("mapping.fc0.weight", 2)
    c_dim = shape("mapping.embed.weight", 2)[1] if "mapping.embed.weight" in tensors else 0
    shape("synthesis.b4.resample_filter", 2)
    config = StyleGAN2Config(
        resolution=max(found),
        z_dim=n_in - w_dim * bool(c_dim),
        w_dim=w_dim,
        c_dim=c_dim,
        mapping_layers=depth,
        mapping_lr=mapping_lr,
        w_mean="mapping.w_avg" in tensors,
        architecture="resnet" if "synthesis.b8.skip.weight" in tensors else "skip",
        channels={side: shape(f"synthesis.b{side}.conv1.weight", 4)[0] for side in sides(max(found))},
        taps=tuple(tensors["synthesis.b4.resample_filter"].sum(0).tolist()),
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
