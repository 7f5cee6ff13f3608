"""Tensors from the records of a checkpoint. Storages are bytes of the file, and every size is checked against it."""

import io
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.pickles import MAX_STEPS, PERSISTENT, Made, preview, read_pickle

Storages = Callable[[str], bytes]  # by key
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of torch.save's older format
VERSION = 1001  # and the second
DTYPES = {
    "torch.FloatStorage": torch.float32, "torch.DoubleStorage": torch.float64, "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16, "torch.LongStorage": torch.int64, "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16, "torch.CharStorage": torch.int8, "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}  # fmt: skip
NUMBERS = r"f[248]|[iu][1248]|b1"  # numpy's codes of plain numbers; never objects
MAX_RECORDS = 20_000  # that are looked at; a generator has some hundred tensors
SHORT = 100  # steps of the pickles around a storage of NVIDIA's
PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack more at a time than one asks for
DIRECTORY_END, COMMENT = b"PK\5\6", 1 << 16  # what ends a zip; the most bytes that may follow it
LARGEST_DIRECTORY = 1 << 20  # bytes of a zip's list of files, which is read at once; a model has some thousand files
SHARING = 4  # times the size of a file that its tensors may take, because tied weights share a storage


def nowhere(key: str) -> bytes:
    """The storage reader for files without storages."""
    raise KeyError(key)


def read_torch_zip(file: BufferedIOBase) -> tuple[Any, Storages]:
    """Records and storages of a torch.save file: a zip with uncompressed members."""
    size = check_directory(file)
    container = zipfile.ZipFile(file)
    names = container.namelist()
    programs = [name for name in names if name.endswith("data.pkl") and name.count("/") <= 1]
    if len(programs) != 1:
        raise CheckpointError(
            f"This is a zip of {len(names)} files, but no checkpoint: unpack it and convert the model."
        )
    top = programs[0].removesuffix("data.pkl")
    if top + "constants.pkl" in names:
        raise CheckpointError("This is a program of TorchScript: use the checkpoint that it was made from.")

    def member(name: str) -> bytes:
        info = container.getinfo(top + name)
        if info.flag_bits & 1:
            raise CheckpointError("This zip is encrypted: unpack it and convert the model.")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
            raise CheckpointError(f"The part {name[:40]!r} of the checkpoint is packed: no torch.save does that.")
        return container.read(info)

    if top + "byteorder" in names and member("byteorder") != b"little":
        raise CheckpointError("This checkpoint was written on a big-endian machine: save it again on another one.")
    return read_pickle(io.BytesIO(member("data.pkl"))), lambda key: member(f"data/{key}")


def check_directory(file: BufferedIOBase, most: int = LARGEST_DIRECTORY) -> int:
    """The size of a zip whose list of files, which is read at once, has at most so many bytes.

    Raises:
        CheckpointError: It is longer, or there is none.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - COMMENT - 98, 0))
    tail = file.read()
    ends_plainly = tail[-22:-18] == DIRECTORY_END and tail.endswith(b"\0\0")  # else a comment follows
    end = len(tail) - 22 if ends_plainly else tail.rfind(DIRECTORY_END)
    if end < 0:
        raise CheckpointError("This zip is cut short: get the file again.")
    record = tail[: end + 22].rjust(98, b"\0")[-98:]  # of 56 bytes and its address of 20, where it is large; one of 22
    large = int.from_bytes(record[40:48], "little") if record[:4] == b"PK\6\6" else 0
    if max(int.from_bytes(record[88:92], "little") % 0xFFFFFFFF, large) > most:
        raise CheckpointError("This zip lists more files than any that is known: it is refused.")
    return size


def read_torch_stream(file: BufferedIOBase, most_steps: int = MAX_STEPS) -> tuple[Any, Storages]:
    """Records and storages of torch.save's old format: a sequence of pickles, then the storages."""
    persistent: list[tuple[Any, ...]] = []
    version, _, tree, keys = (read_pickle(file, persistent, most_steps) for _ in range(4))
    if version != VERSION or not isinstance(keys, list):
        raise CheckpointError("This checkpoint is of an unknown format of torch: save it again with a newer torch.")
    types = {reference[2]: reference[1].name for reference in persistent}
    places, start = {}, file.tell()
    end = file.seek(0, io.SEEK_END)
    for key in keys:
        file.seek(start)
        size = int.from_bytes(file.read(8), "little") * DTYPES[types[key]].itemsize
        if size > end - start - 8:
            raise CheckpointError("The file is cut short: get it again.")
        places[key], start = (start + 8, size), start + 8 + size

    def storage(key: str) -> bytes:
        start, size = places[key]
        file.seek(start)
        return file.read(size)

    return tree, storage


class Tensors:
    """Makes tensors and arrays from records: a limited number, of at most a few times the file's size."""

    def __init__(self, storages: Storages, size: int):
        self.storages, self.left, self.asked = storages, SHARING * size, 0
        self.held: dict[tuple[str, str] | int, Tensor] = {}  # storages, by type and key or by the id of their bytes

    def tensor(self, record: Any) -> Tensor | None:
        """The tensor that a torch or numpy record describes; None for other records. Tensors may share memory.

        Raises:
            CheckpointError: The record does not fit the file.
        """
        self.ask()
        if isinstance(record, Tensor):
            return record
        array = self.array(record)
        if array is not None:
            return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
        with _damage():
            if _is_made(record, "torch._utils._rebuild_parameter"):
                return self.tensor(record.arguments[0])
            if _is_made(record, "torch._utils._rebuild_tensor"):
                return self._strided(*record.arguments[:4])
        return None

    def state(self, records: dict[Any, Any]) -> dict[str, Tensor]:
        """The tensors among named records; others are left out. Raises CheckpointError."""
        return {name: x for name, record in records.items() if (x := self.tensor(record)) is not None}

    def array(self, record: Any) -> np.ndarray | None:
        """As `tensor`, for numpy's arrays only, in their own byte order."""
        with _damage():
            if _is_made(record, "numpy.core.multiarray._r") or _is_made(record, "numpy._core.multiarray._r"):
                return self._array(*record.state)
        return None

    def ask(self) -> None:
        """Count one more record: cycles and repetitions could be endless. Raises CheckpointError at the limit."""
        self.asked += 1
        if self.asked > MAX_RECORDS:
            raise CheckpointError("The file holds more parts than any known model: it is refused.")

    def _strided(self, storage: Made, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        flat = self._flat(storage)
        if not _are_sizes((offset,)) or not _are_sizes(shape) or not _are_sizes(stride) or len(shape) != len(stride):
            raise CheckpointError("A tensor of the file has an impossible shape: it is damaged or hostile.")
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        if math.prod(shape) and last >= len(flat):
            raise CheckpointError("A tensor of the file is larger than what it holds: it is damaged or hostile.")
        self._spend(math.prod(shape) * flat.itemsize)
        return flat.as_strided(shape, stride, offset)

    def _flat(self, storage: Made) -> Tensor:
        """A storage as a vector. In NVIDIA's pickles it is a torch.save file of its own."""
        if storage.maker == "torch.storage._load_from_bytes":
            content = storage.arguments[0]
            text = content.arguments[0] if _is_encoded(content) else content  # the same one may be encoded many times
            return self._hold(id(text), lambda: _alone(_bytes(content)))
        if storage.maker != PERSISTENT:
            raise CheckpointError("A tensor of the file lies in no storage: it is damaged or hostile.")
        return self._hold((storage.arguments[1].name, storage.arguments[2]), lambda: _vector(storage, self.storages))

    def _hold(self, key: tuple[str, str] | int, read: Callable[[], Tensor]) -> Tensor:
        if key not in self.held:
            self.held[key] = read()
            self._spend(self.held[key].nbytes)
        return self.held[key]

    def _array(self, _: Any, shape: tuple[int, ...], kind: Made, fortran: bool, content: Any) -> np.ndarray:
        content = _bytes(content)
        code, order = kind.arguments[0], kind.state[1]
        if not isinstance(code, str) or not re.fullmatch(NUMBERS, code):
            raise CheckpointError(f"An array of type {preview(code)} is refused: only plain numbers are read.")
        if not _are_sizes(shape):
            raise CheckpointError("An array of the file has an impossible shape: it is damaged or hostile.")
        self._spend(len(content))
        values = np.frombuffer(content, np.dtype(code).newbyteorder(order))
        return values.reshape(shape, order="F" if fortran else "C").copy()

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise CheckpointError("The tensors of the file take far more memory than the file: it is refused.")


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # sizes and types of a damaged record can raise nearly anything
        raise CheckpointError(f"A tensor of the file is damaged ({type(error).__name__}): get it again.") from None


def _is_made(record: Any, by: str) -> bool:
    return isinstance(record, Made) and record.maker.startswith(by)


def _bytes(content: Any) -> Any:
    """The bytes of a string that Python 3 wrote for Python 2; other values unchanged."""
    return content.arguments[0].encode("latin1") if _is_encoded(content) else content


def _is_encoded(content: Any) -> bool:
    return _is_made(content, "_codecs.encode") and content.arguments[1] == "latin1"


def _are_sizes(values: Any) -> bool:
    return isinstance(values, tuple) and len(values) <= 8 and all(type(x) is int and x >= 0 for x in values)


def _vector(storage: Made, storages: Storages) -> Tensor:
    dtype, content = DTYPES[storage.arguments[1].name], bytearray(storages(storage.arguments[2]))
    return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)


def _alone(content: bytes) -> Tensor:
    """The storage that is the whole content of a torch.save file; it is not nested in another."""
    file = io.BytesIO(content)
    if read_pickle(file, most_steps=SHORT) != MAGIC:
        raise CheckpointError("A storage of the file is of an unknown format.")
    storage, storages = read_torch_stream(file, SHORT)
    if not _is_made(storage, PERSISTENT):
        raise CheckpointError("A storage of the file lies in another one: it is damaged or hostile.")
    return _vector(storage, storages)
