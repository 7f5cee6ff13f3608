"""Pickles of nothing but numpy arrays in dictionaries, read without running anything that they name.

The three globals that numpy writes are replaced by inert classes of ours; any other is refused by name.
"""

import io
import pickle
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zplus.errors import CheckpointError

KINDS = "fiub"  # kinds of plain numbers; never objects
MEMO = 1 << 20  # entries; a larger index only serves to fill the memory


class _Type:
    """Stands for numpy.dtype."""

    def __init__(self, code: str, *flags: object):
        self.code = code
        self.order: Any = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def resolve(self) -> np.dtype:
        found = np.dtype(self.code).newbyteorder(self.order)
        if found.kind not in KINDS:
            raise CheckpointError(f"An array of type {found} is refused: only plain numbers are read.")
        return found


class _Array:
    """Stands for numpy.ndarray, and for the function that makes an empty one."""

    def __init__(self, *arguments: object):
        self.values: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, content = state
        values = np.frombuffer(content, kind.resolve())
        self.values = values.reshape(shape, order="F" if fortran else "C").copy()


GLOBALS = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Type} | {
    (f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in GLOBALS:
            raise CheckpointError(f"A file of arrays names {module}.{name}, which is refused: get the file again.")
        return GLOBALS[module, name]


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Every array of nested dictionaries, by the keys that lead to it: {"Conv_0/kernel": [3,3,3,64], ...}.

    Raises CheckpointError for a damaged file, for any other global and for any other content.
    """
    try:
        content = Path(path).read_bytes()
        for code, argument, _ in pickletools.genops(content):
            if "PUT" in code.name and int(argument or 0) > MEMO:
                raise CheckpointError(f"{path} is refused: it asks for {argument} places of memory.")
        return dict(_flat("", _Reader(io.BytesIO(content)).load()))
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointError(f"{path} is not a readable file of arrays ({error}): get it again.") from error


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{prefix}/{key}" if prefix else str(key), inner)
    elif isinstance(value, _Array) and value.values is not None:
        yield prefix, value.values
    else:
        raise CheckpointError(f"A file of arrays holds a {type(value).__name__} at {prefix or 'its top'}: refused.")
