"""Whether the tensors of a checkpoint are those of a network, by name, shape and type."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from zplus.errors import CheckpointError


def shape_of(tensors: Mapping[str, Tensor], name: str, dimensions: int, family: str) -> tuple[int, ...]:
    """The shape of a tensor. Raises CheckpointError where it is missing or has another number of dimensions."""
    if name not in tensors or tensors[name].ndim != dimensions:
        raise CheckpointError(f"These weights are no {family} generator: {name} is missing or of a wrong shape.")
    return tuple(tensors[name].shape)


def check_shapes(tensors: Mapping[str, Tensor], network: Callable[[], nn.Module], family: str) -> None:
    """Raise CheckpointError where tensors are missing, left over, of a wrong shape, or no floating point."""
    with torch.device("meta"):  # shapes only, no memory
        expected = network().state_dict()
    got, want = ({name: tuple(x.shape) for name, x in found.items()} for found in (tensors, expected))
    wrong = [name for name in {**want, **got} if got.get(name) != want.get(name)]
    if wrong:
        text = "; ".join(f"{x} is {got.get(x, 'missing')}, expected {want.get(x, 'none')}" for x in wrong[:3])
        raise CheckpointError(f"These weights do not fit a {family} generator: {text} ({len(wrong)} such tensors).")
    odd = next((name for name, x in tensors.items() if not x.is_floating_point()), None)
    if odd is not None:
        raise CheckpointError(f"The weights {odd} are of the type {tensors[odd].dtype}, expected floating point.")
