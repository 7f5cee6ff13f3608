"""Latent codes of other programs: arrays in .npy, .npz or .pt files."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError, ZplusError
from zplus.files import atomic
from zplus.generators.checkpoints.read import PICKLE, read_tensors

SUFFIXES = (".npy", ".npz", ".pt")
SMALL, PACKED = 64 << 20, 4  # bytes that may be unpacked, or as many times the file's: numbers can hardly be compressed


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
        raise LatentError(f"{path} is damaged or holds objects: only plain arrays of numbers are read.") from None
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
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            size = sum(part.file_size for part in packed.infolist())
        if size > max(SMALL, PACKED * path.stat().st_size):
            raise LatentError(f"{path} would unpack to {size / 1e6:.0f} MB, but numbers are never packed so tightly.")
    with path.open("rb") as file:
        if file.read(1) == PICKLE:
            raise LatentError(
                f"{path} is a pickle, which is a program and not run: load it where it was made, and save the array in "
                "it as .npy (numpy.save)."
            )
        file.seek(0)
        found = np.load(file, allow_pickle=False)
        named = {name: found[name] for name in found.files} if isinstance(found, np.lib.npyio.NpzFile) else {"": found}
    return {name: torch.from_numpy(np.array(x)) for name, x in named.items()}
