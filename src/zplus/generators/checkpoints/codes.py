"""Latent codes of other programs: arrays in .npy, .npz or .pt files."""

import io
import math
import zipfile
from io import BufferedIOBase
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError, ZplusError
from zplus.files import atomic, regular
from zplus.generators.checkpoints.read import PICKLE, read_tensors
from zplus.generators.checkpoints.storages import PLAIN_METHODS, check_directory
from zplus.tensor_files import MAX_DIMENSIONS

SUFFIXES = (".npy", ".npz", ".pt")
SMALL, PACKED = 16 << 20, 4  # bytes that may be unpacked, or as many times the file's: numbers can hardly be compressed
MAX_ARRAYS = 100  # of a file; GANSpace's components are eight
MAX_LIST = 1 << 16  # bytes of a zip's list of files
FLOATS = {f"{order}f{size}" for order in "<>=" for size in (2, 4, 8)}


def read_codes(path: Path) -> Float[Tensor, "n l w"]:
    """Codes [N, L, w] from an array [w], [L, w] or [N, L, w]. Nothing is unpickled.

    Raises:
        LatentError: The file is damaged, or holds anything else.
    """
    arrays = read_code_arrays(path)
    if len(arrays) != 1:
        raise LatentError(f"{path} holds {len(arrays)} arrays, expected one.")
    (codes,) = arrays.values()
    if not 1 <= codes.ndim <= 3 or not codes.numel():
        raise LatentError(f"{path} holds {tuple(codes.shape)}, expected codes [w], [L, w] or [N, L, w].")
    return codes[(None,) * (3 - codes.ndim)]


def read_code_arrays(path: Path) -> dict[str, Tensor]:
    """The arrays of an .npy, .npz or .pt file by name, as finite fp32; a single one has the name "".

    Raises:
        LatentError: The file is damaged, or holds anything else.
    """
    try:
        arrays = read_tensors(path) if path.suffix in (".pt", ".pth") else _read_numpy(path)
    except FileNotFoundError:
        raise LatentError(f"There is no file {path}.") from None
    except ZplusError as error:
        raise LatentError(str(error)) from None
    except Exception:  # numpy and zipfile meet damage with exceptions of every kind
        raise LatentError(f"{path} is damaged or holds objects: only plain floating point arrays are read.") from None
    for x in arrays.values():
        if not x.is_floating_point() or not x.float().isfinite().all():
            raise LatentError(f"{path} holds numbers that are no codes: they must be finite and of floating point.")
    return {name: x.float() for name, x in arrays.items()}


def write_codes(codes: Float[Tensor, "n l w"], path: Path) -> None:
    """Write codes [N, L, w] as .npy, .npz or .pt, by suffix.

    Raises:
        LatentError: The suffix is unknown.
    """
    if path.suffix not in SUFFIXES:
        raise LatentError(f"{path} is no name for codes: end it in {', '.join(SUFFIXES)}.")
    with atomic(path) as temporary, temporary.open("wb") as file:
        if path.suffix == ".pt":
            torch.save(codes, file)
        elif path.suffix == ".npz":
            np.savez(file, latents=codes.numpy())
        else:
            np.save(file, codes.numpy(), allow_pickle=False)


def _read_numpy(path: Path) -> dict[str, Tensor]:
    with regular(path).open("rb") as file:
        start = file.read(4)
        if start.startswith(PICKLE):
            raise LatentError(
                f"{path} is a pickle, which is a program and not run: load it where it was made, and save the array in "
                "it as .npy (numpy.save)."
            )
        file.seek(0)
        return _read_npz(path, file) if start == b"PK\3\4" else {"": _array(file, path.stat().st_size)}


def _read_npz(path: Path, file: BufferedIOBase) -> dict[str, Tensor]:
    size = check_directory(file, MAX_LIST)
    with zipfile.ZipFile(file) as packed:
        parts = packed.infolist()
        if len(parts) > MAX_ARRAYS:
            raise LatentError(f"{path} holds {len(parts)} arrays, and at most {MAX_ARRAYS} are read.")
        unpacked = sum(part.file_size for part in parts)
        if unpacked > max(SMALL, PACKED * size):
            raise LatentError(
                f"{path} would unpack to {unpacked / 1e6:.0f} MB, but numbers are never packed so tightly."
            )
        if not all(part.compress_type in PLAIN_METHODS for part in parts):
            raise ValueError("it is packed as numpy packs nothing")
        return {
            part.filename.removesuffix(".npy"): _array(io.BytesIO(packed.read(part)), part.file_size) for part in parts
        }


def _array(file: BufferedIOBase, size: int) -> Tensor:
    """The one array in a file of so many bytes, of which no more is read than its shape says."""
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = read(file)
    if dtype.str not in FLOATS or len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
        raise ValueError("it is no plain array of floating point")
    count = math.prod(shape)
    if count * dtype.itemsize > size:
        raise ValueError("it is cut short")
    values = np.frombuffer(file.read(count * dtype.itemsize), dtype).reshape(shape, order="F" if fortran else "C")
    return torch.from_numpy(values.astype(dtype.newbyteorder("="), order="C"))
