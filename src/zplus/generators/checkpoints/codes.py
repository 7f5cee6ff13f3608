"""Latent codes as other programs keep them: one array in an .npy, .npz or .pt file."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError, ZplusError
from zplus.files import atomic
from zplus.generators.checkpoints.read import read_tensor

SUFFIXES = (".npy", ".npz", ".pt")


def read_codes(path: Path) -> Float[Tensor, "n l w"]:
    """Codes [N,L,w] from an array [w], [L,w] or [N,L,w]. Nothing is unpickled. Raises LatentError."""
    try:
        codes = read_tensor(path) if path.suffix in (".pt", ".pth") else _read_numpy(path)
    except FileNotFoundError:
        raise LatentError(f"There is no file {path}.") from None
    except ZplusError as error:
        raise LatentError(str(error)) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        raise LatentError(f"{path} is damaged or holds objects: only plain arrays of numbers are read.") from None
    if not 1 <= codes.ndim <= 3 or not codes.is_floating_point() or not codes.numel() or not codes.isfinite().all():
        raise LatentError(f"{path} holds {tuple(codes.shape)}, expected finite codes [w], [L, w] or [N, L, w].")
    return codes.float()[(None,) * (3 - codes.ndim)]


def write_codes(codes: Float[Tensor, "n l w"], path: Path) -> None:
    """Write codes [N,L,w] in the format that the suffix says. Raises LatentError for another suffix."""
    if path.suffix not in SUFFIXES:
        raise LatentError(f"{path} is no name for codes: end it in {', '.join(SUFFIXES)}.")
    with atomic(path) as temporary, temporary.open("wb") as file:
        if path.suffix == ".pt":
            torch.save(codes, file)
        elif path.suffix == ".npz":
            np.savez(file, latents=codes.numpy())
        else:
            np.save(file, codes.numpy(), allow_pickle=False)


def _read_numpy(path: Path) -> Tensor:
    with path.open("rb") as file:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            if len(found.files) != 1:
                raise LatentError(f"{path} holds {len(found.files)} arrays, expected one.")
            found = found[found.files[0]]
    return torch.from_numpy(np.array(found))
