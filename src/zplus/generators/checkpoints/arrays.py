"""Reader of pickles that hold only numpy arrays in dictionaries; nothing that they name is executed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.pickles import Made, read_pickle
from zplus.generators.checkpoints.storages import Tensors, nowhere

DEPTH = 8  # of dictionaries in dictionaries


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Every array of nested dictionaries, by its path of keys: {"Conv_0/kernel": [3, 3, 3, 64], ...}.

    Raises:
        CheckpointError: The file is damaged, or holds anything else.
    """
    try:
        with Path(path).open("rb") as file:
            tree, tensors = read_pickle(file), Tensors(nowhere, Path(path).stat().st_size)
        return dict(_flat("", tree, tensors))
    except (CheckpointError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable file of arrays ({error}): get it again.") from None


def _flat(prefix: str, value: Any, tensors: Tensors, depth: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    tensors.ask()
    array = tensors.array(value)
    if array is not None:
        yield prefix, array
    elif isinstance(value, dict) and depth < DEPTH:
        for key, inner in value.items():
            yield from _flat(f"{prefix}/{key}" if prefix else str(key), inner, tensors, depth + 1)
    else:
        kind = value.maker if isinstance(value, Made) else type(value).__name__
        raise CheckpointError(f"A file of arrays holds a {kind} at {prefix[:100] or 'its top'}: refused.")
