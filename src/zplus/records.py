"""Records: the safetensors files of zplus, with one reader that checks everything and one writer.

The header holds short texts; its entry "zplus" names the kind. Tensors are finite floats.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from zplus.errors import ZplusError, reason
from zplus.tensor_files import DAMAGE, MAX_HEADER, opened, write_tensors

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})  # as safetensors names them


@dataclass(frozen=True)
class Kind:
    """One kind of record: how its header names it, what its files may hold, and how others are refused.

    A damaged file raises `error` with "PATH damaged (REASON): remedy."; a safetensors file of another kind with "PATH
    is a safetensors file, but not a NAME of zplus: instead.". version: of the format, where the header states one.
    """

    name: str
    error: type[ZplusError]
    damaged: str
    remedy: str = ""
    instead: str = ""
    version: str | None = None
    dtypes: frozenset[str] = FLOATS
    max_text: int = MAX_HEADER  # characters of all texts together

    @property
    def mark(self) -> dict[str, str]:
        """The header entries of every file of this kind."""
        return {"zplus": self.name} | ({} if self.version is None else {"version": self.version})


class Record(NamedTuple):
    """The contents of a file: the header's texts, and the tensors, finite, in fp32 on the CPU."""

    header: dict[str, str]
    tensors: dict[str, Tensor]


@contextmanager
def read_record(path: str | Path, kind: Kind) -> Iterator[Record]:
    """Read a record for the block of a `with`; what the block finds wrong with it becomes `kind.error` too.

    Raises `kind.error` where there is no such file, it is of another kind or version, or it is damaged: where it holds
    more than any file of its kind, other types of numbers, or values that are not finite. The block may raise any of
    DAMAGE, with the reason as its text; a ZplusError passes as it is.
    """
    try:
        yield _read(path, kind)
    except FileNotFoundError:
        raise kind.error(f"There is no file {path}.") from None
    except DAMAGE as error:
        raise kind.error(f"{path} {kind.damaged} ({reason(error)}){kind.remedy and f': {kind.remedy}'}.") from None


def write_record(
    path: str | Path,
    kind: Kind,
    header: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a record, whole or not at all, with all tensors as `dtype`.

    Raises `kind.error` for what could not be read again, such as values beyond the largest of `dtype`.
    """
    texts = kind.mark | dict(header)
    found = {name: x.detach().to("cpu", dtype).contiguous() for name, x in tensors.items()}
    try:
        _check_texts(texts, kind)
        _check_finite(found)
        write_tensors(path, found, texts)
    except ValueError as error:
        raise kind.error(f"{path} cannot be written as {str(dtype).removeprefix('torch.')}: {error}.") from None


def _read(path: str | Path, kind: Kind) -> Record:
    with opened(path) as file:
        header = file.metadata() or {}
        if header.get("zplus") != kind.name:
            noun = f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind.name} of zplus"
            instead = kind.instead and f": {kind.instead}"
            raise kind.error(f"{path} is a safetensors file, but not {noun}{instead}.")
        if header.get("version") != kind.version:
            raise kind.error(f"{path} was written by another version of zplus: update it with pip.")
        names = list(file.keys())
        _check_texts(header, kind)
        for name in names:
            if file.get_slice(name).get_dtype() not in kind.dtypes:
                raise ValueError(f"{name[:60]} is no tensor of floating point that zplus writes")
        # a copy, since the library's tensors are views of the file, which another program may change
        tensors = {name: file.get_tensor(name).to(torch.float32, copy=True) for name in names}
    _check_finite(tensors)
    return Record(header, tensors)


def _check_texts(header: Mapping[str, str], kind: Kind) -> None:
    if sum(len(key) + len(text) for key, text in header.items()) > kind.max_text:
        raise ValueError("its header holds more text than any of its kind")


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    for name, x in tensors.items():
        if not x.isfinite().all():
            raise ValueError(f"it holds values that are not numbers, in {name[:60]}")
