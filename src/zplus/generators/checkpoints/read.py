"""Reader of public checkpoints of StyleGAN2 and 3. The format is detected from the content; nothing is executed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from torch import Tensor

from zplus.errors import CheckpointError, ZplusError
from zplus.generators.checkpoints import genforce, nvidia_tensorflow, nvidia_torch, rosinality
from zplus.generators.checkpoints.infer import ParsedCheckpoint
from zplus.generators.checkpoints.pickles import preview, read_pickle
from zplus.generators.checkpoints.storages import MAGIC, Storages, Tensors, nowhere, read_torch_stream, read_torch_zip
from zplus.generators.contract import Generator
from zplus.generators.store import is_generator, read_generator
from zplus.tensor_files import read_tensors as read_safetensors

LONGEST = 400  # characters of a message
Reader = Callable[[Any, Tensors], ParsedCheckpoint | None]  # None: the records are of another family
FAMILIES: tuple[Reader, ...] = (nvidia_torch.read, nvidia_tensorflow.read, rosinality.read, genforce.read)
NOT_MODELS = {
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: fetch it with 'git lfs pull'",
    b"<?xml": "an XML file, such as the graph of an OpenVINO model, and no checkpoint",
    b"<": "a web page saved under a model's name: download the file again, past any confirmation page",
    b"\x1f\x8b": "packed with gzip: unpack it first",
    b"7z\xbc\xaf": "packed with 7-Zip: unpack it first",
    b"\x89HDF": "an HDF5 file, which holds no known StyleGAN",
    b"\x08": "an ONNX file or alike, whose layers cannot be taken apart: use the checkpoint that it was made from",
    b"\x89PNG": "a picture",
    b"\xff\xd8": "a picture",
}
R3GAN = "an R3GAN, whose z goes straight into its first layer: without a mapping and styles there are no spaces"
NOT_GENERATORS = {  # by how their tensors are named
    "synthesis.L": "a part of a StyleGAN3, without its input",
    "MainLayers.": R3GAN,
    "Model.MainLayers.": R3GAN,
    "encoder.": "an encoder",
    "b4.out.": "a discriminator",
    "final_conv.": "a discriminator",
    "g_synthesis.blocks.": "a StyleGAN1, whose layers are other ones",
}
PICKLE = b"\x80"  # all versions since 2003


def read_checkpoint(path: str | Path) -> tuple[Generator, list[str]]:
    """The generator of a checkpoint, and notes for its user.

    Args:
        path: A file of any format in docs/models.md.

    Raises:
        CheckpointError: The file is missing, damaged or of another kind; the message names the kind if it is
            recognised.
    """
    path = Path(path)
    with _plain_errors(path):
        if _is_safetensors(path) and is_generator(path):
            return read_generator(path), []
        with _opened(path) as (tree, tensors):
            found = _found(tree, tensors)
        return found.generator(_line(path.stem)), found.notes


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a torch.save file by name; a single one has the name "". Raises CheckpointError."""
    with _plain_errors(path), _opened(path) as (tree, tensors):
        found = tensors.state(tree if isinstance(tree, dict) else {"": tree})
        if not found:
            raise CheckpointError(f"It holds a {type(tree).__name__}, expected tensors.")
        return {str(name): x.clone() for name, x in found.items()}


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Tensors]]:
    """The records of a file, and the `Tensors` that reads their storages while the file is open."""
    with path.open("rb") as file:
        tree, storages = (read_safetensors(path), nowhere) if _is_safetensors(path) else _records(file)
        yield tree, Tensors(storages, path.stat().st_size)


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn every exception from a damaged or hostile file into a CheckpointError of one line."""
    try:
        if not path.exists():
            raise CheckpointError(f"There is no file {path}.")
        if not path.is_file():
            raise CheckpointError("This is a folder or a device, expected the file of a model.")
        yield
    except ZplusError as error:
        raise CheckpointError(_line(f"{path.name}: {error}")) from None
    except MemoryError:
        raise CheckpointError(_line(f"{path.name}: It takes more memory than there is.")) from None
    except OSError as error:
        raise CheckpointError(_line(f"{path.name}: It cannot be read ({error.strerror or error}).")) from None
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        raise CheckpointError(_line(f"{path.name}: It is damaged ({reason}): get it again.")) from None


def _line(text: str) -> str:
    """The text as one line that is safe for a terminal."""
    shown = "".join(x if x.isprintable() else " " for x in text[: 2 * LONGEST])
    return " ".join(shown.split())[:LONGEST]


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(9)  # the length of its header, then the header
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _records(file: BufferedIOBase) -> tuple[Any, Storages]:
    start = file.read(512)
    for magic, words in NOT_MODELS.items():
        if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(magic):
            raise CheckpointError(f"This is {words}.")
    if start.startswith(b"PK"):
        return read_torch_zip(file)
    if not start.startswith(PICKLE):
        raise CheckpointError(f"This is {_unknown(start)}, and no checkpoint: get the file again.")
    file.seek(0)
    tree = read_pickle(file)
    return read_torch_stream(file) if tree == MAGIC else (tree, nowhere)


def _unknown(start: bytes) -> str:
    if not start:
        return "an empty file"
    return "a text" if all(x > 31 or x in b"\t\n\r" for x in start) else "a file of an unknown format"


def _found(tree: Any, tensors: Tensors) -> ParsedCheckpoint:
    for family in FAMILIES:
        found = family(tree, tensors)
        if found is not None:
            return found
    keys = list(tree)[:1000] if isinstance(tree, dict) else []
    inside = list(tree["state_dict"])[:1000] if keys and isinstance(tree.get("state_dict"), dict) else keys
    for start, words in NOT_GENERATORS.items():
        if any(isinstance(key, str) and key.startswith(start) for key in inside):
            raise CheckpointError(f"No StyleGAN generator is in it, only {words}.")
    held = ", ".join(preview(key) for key in keys[:5]) or preview(tree)
    raise CheckpointError(f"No StyleGAN generator of a known format was found in it (it holds: {held}).")
