"""Any public checkpoint of a StyleGAN2: the format is told by the content, and nothing in it is executed."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from zplus.errors import CheckpointError, ZplusError
from zplus.generators.checkpoints import genforce, nvidia_tensorflow, nvidia_torch, rosinality
from zplus.generators.checkpoints.infer import Found
from zplus.generators.checkpoints.pickles import read_pickle
from zplus.generators.checkpoints.storages import MAGIC, Storages, Tensors, read_torch_stream, read_torch_zip
from zplus.generators.contract import Generator
from zplus.generators.store import is_generator, read_generator

NOWHERE: Storages = {}.__getitem__  # the storages of files that have none
Reader = Callable[[Any, Tensors], Found | None]  # None: the records are of another family
FAMILIES: tuple[Reader, ...] = (nvidia_torch.read, nvidia_tensorflow.read, rosinality.read, genforce.read)
NOT_MODELS = {
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: fetch it with 'git lfs pull'",
    b"<": "a web page saved under a model's name: download the file again, past any confirmation page",
    b"\x1f\x8b": "packed with gzip: unpack it first",
    b"7z": "packed with 7-Zip: unpack it first",
    b"\x89HDF": "an HDF5 file, which holds no known StyleGAN2",
    b"\x08": "an ONNX file or alike, whose layers cannot be taken apart: use the checkpoint that it was made from",
    b"\x89PNG": "a picture",
    b"\xff\xd8": "a picture",
}


def read_checkpoint(path: str | Path) -> tuple[Generator, list[str]]:
    """The generator of a file of any known format, and sentences that its user should know.

    Raises CheckpointError, which says what the file is where that can be told.
    """
    path = Path(path)
    with _plain_errors(path):
        if _is_safetensors(path) and is_generator(path):
            return read_generator(path), []
        with _opened(path) as (tree, tensors):
            found = _found(tree, tensors)
        return found.generator(path.stem), found.notes


def read_tensor(path: Path) -> Tensor:
    """The one tensor of a file that torch.save wrote. Raises CheckpointError."""
    with _plain_errors(path), _opened(path) as (tree, tensors):
        found = tensors.tensor(tree)
        if found is None:
            raise CheckpointError(f"It holds a {type(tree).__name__}, expected one tensor.")
        return found


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Tensors]]:
    """The records of a file, and what makes tensors of them while it is open."""
    with path.open("rb") as file:
        tree, storages = (load_file(path), NOWHERE) if _is_safetensors(path) else _records(file)
        yield tree, Tensors(storages, path.stat().st_size)


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn whatever a damaged or hostile file raises into a CheckpointError of one line."""
    try:
        yield
    except FileNotFoundError:
        raise CheckpointError(f"There is no file {path}.") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path.name}: {error}") from None
    except ZplusError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:100]
        raise CheckpointError(f"{path.name} is damaged ({type(error).__name__}: {reason}): get it again.") from None


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"  # the length of its header, then the header


def _records(file: BufferedIOBase) -> tuple[Any, Storages]:
    start = file.read(512)
    for magic, words in NOT_MODELS.items():
        if start.lstrip().startswith(magic):
            raise CheckpointError(f"This is {words}.")
    if zipfile.is_zipfile(file):
        return read_torch_zip(file)
    file.seek(0)
    tree = read_pickle(file)
    return read_torch_stream(file) if tree == MAGIC else (tree, NOWHERE)


def _found(tree: Any, tensors: Tensors) -> Found:
    for family in FAMILIES:
        found = family(tree, tensors)
        if found is not None:
            return found
    keys = ", ".join(str(key)[:30] for key in list(tree)[:5]) if isinstance(tree, dict) else type(tree).__name__
    raise CheckpointError(f"No StyleGAN2 generator of a known format was found in it (it holds: {keys}).")
