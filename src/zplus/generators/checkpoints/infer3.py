"""A StyleGAN3 from plain tensors: sizes come from names and shapes, and the filters must be those of the sizes."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.shapes import check_shapes, shape_of
from zplus.generators.stylegan3 import StyleGAN3, StyleGAN3Config

MARK = "synthesis.input.freqs"  # no StyleGAN2 has it
LAYER = r"synthesis\.L(\d{1,2})_(\d{1,4})_(\d{1,4})\.weight"
FILTER_TOLERANCE = 1e-3  # of the largest tap: filters stored in half precision
STYLEGAN_XL = (
    "This is a StyleGAN-XL, which is not supported: its mapping takes a class through an embedding of its own, it has "
    "a mean of w for each class, and layers above the first resolution have other filters."
)


def infer_stylegan3(tensors: Mapping[str, Tensor], mapping_lr: float = 0.01) -> StyleGAN3Config:
    """The configuration of a state dict, from names, shapes and filters; these do not tell `mapping_lr`.

    Raises:
        CheckpointError: Tensors are missing, left over or of a wrong shape, or filters are other ones; the message
            names them.
    """
    if "mapping.embed_proj.weight" in tensors or tensors.get("mapping.w_avg", torch.empty(0)).ndim == 2:
        raise CheckpointError(STYLEGAN_XL)
    layers = sorted(tuple(map(int, x.groups())) for name in tensors if (x := re.fullmatch(LAYER, name)))
    if [i for i, _, _ in layers] != list(range(len(layers))) or not layers:
        raise CheckpointError("These weights are no StyleGAN3 generator: its layers L0, L1 ... are not complete.")
    w_dim, n_in = shape_of(tensors, "mapping.fc0.weight", 2, "StyleGAN3")
    c_dim = shape_of(tensors, "mapping.embed.weight", 2, "StyleGAN3")[1] if "mapping.embed.weight" in tensors else 0
    first = "synthesis.L{}_{}_{}".format(*layers[0])
    kernel = shape_of(tensors, f"{first}.weight", 4, "StyleGAN3")[-1]
    down = tensors.get(f"{first}.down_filter")
    config = StyleGAN3Config(
        resolution=layers[-1][1],
        z_dim=n_in - w_dim * bool(c_dim),
        w_dim=w_dim,
        c_dim=c_dim,
        mapping_layers=sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in tensors),
        mapping_lr=mapping_lr,
        w_mean="mapping.w_avg" in tensors,
        channels=tuple(count for _, _, count in layers[:-1]),
        kernel=kernel,
        radial=down is not None and down.ndim == 2,
    )
    check_shapes(tensors, lambda: StyleGAN3(config), "StyleGAN3")
    with torch.device("meta"):  # all but the filters, which are computed and not learnt
        designed = StyleGAN3(config)
    _check_filters(tensors, designed)
    return config


def _check_filters(tensors: Mapping[str, Tensor], designed: StyleGAN3) -> None:
    for name, expected in designed.named_buffers():
        if not name.endswith("_filter"):
            continue
        if not (tensors[name].float() - expected).abs().max() <= FILTER_TOLERANCE * expected.abs().max():
            sizes = f"{designed.resolution} px and {len(designed.layers)} layers"
            raise CheckpointError(
                f"The filter {name} does not belong to a StyleGAN3 of {sizes}: the file is damaged, or of a network "
                "with other settings."
            )
