"""Safetensors files: the one reader and the one writer of all of them.

The reader bounds the number and the form of the parts before anything is read. The writer gives equal bytes for equal
contents.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from zplus.files import atomic, regular

MAX_HEADER = 4 << 20  # bytes; names and shapes of the 200 tensors of a large generator take 20 kB
MAX_TENSORS = 4096
MAX_KEYS = 64  # of the header's texts
MAX_DIMENSIONS = 8  # of a tensor
MAX_NAME = 200  # characters of a tensor's name
TEXTS = "__metadata__"  # where the format keeps texts
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
DAMAGE = (OSError, SafetensorError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError, RuntimeError)


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """The file as the library opens it, once its header is found to be short and of few parts. Raises any of DAMAGE."""
    _check(_header(regular(path)))
    with safe_open(path, "pt") as file:
        yield file


def read_texts(path: str | Path) -> dict[str, str]:
    """The texts in the header. Raises any of DAMAGE."""
    with opened(path) as file:
        return file.metadata() or {}


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors by name, on the CPU. Raises any of DAMAGE."""
    with opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dictionary


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write tensors and texts, whole or not at all.

    Raises:
        ValueError: The file could not be read again.
        ZplusError: It cannot be written there.
    """
    header: dict[str, Any] = {TEXTS: dict(sorted(texts.items()))}
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))  # widest first, so that all are aligned
    start = 0
    for name in names:
        x = tensors[name]
        end = start + x.nbytes
        header[name] = {"dtype": DTYPES[x.dtype], "shape": list(x.shape), "data_offsets": [start, end]}
        start = end
    _check(header)
    content = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    if len(content) > MAX_HEADER:
        raise ValueError("its header is longer than any that zplus reads")
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(len(content).to_bytes(8, "little") + content)
        for name in names:
            file.write(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _header(path: Path) -> Any:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER:
            raise ValueError("its header is longer than any that zplus reads")
        return json.loads(file.read(length), object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header names a part twice")
    return found


def _check(header: Any) -> None:
    """Refuse a header of too many parts, or of parts of an odd form. The library checks all else."""
    forms = dict(header)
    texts = forms.pop(TEXTS, None) or {}
    if len(texts) > MAX_KEYS:
        raise ValueError("its header holds more text than any that zplus reads")
    if len(forms) > MAX_TENSORS:
        raise ValueError(f"it holds {len(forms)} tensors, and at most {MAX_TENSORS} are known")
    for name, form in forms.items():
        if len(name) > MAX_NAME or not name.isprintable() or len(form["shape"]) > MAX_DIMENSIONS:
            raise ValueError(f"{name[:60]!r} is no tensor of a known form")
