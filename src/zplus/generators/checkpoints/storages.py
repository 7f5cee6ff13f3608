"""Tensors out of the records of a checkpoint; storages are bytes of its file, and every size is checked against it."""

import io
import math
import zipfile
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.pickles import PERSISTENT, Made, Named, read_pickle

Storages = Callable[[str], bytes]  # by key
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of torch.save's older format
VERSION = 1001  # and the second
DTYPES = {
    "torch.FloatStorage": torch.float32, "torch.DoubleStorage": torch.float64, "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16, "torch.LongStorage": torch.int64, "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16, "torch.CharStorage": torch.int8, "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}  # fmt: skip
NUMBERS = "fiub"  # kinds of numpy's plain numbers; never objects
SHARING = 4  # times the size of a file that its tensors may take, because tied weights share a storage


def read_torch_zip(file: BufferedIOBase) -> tuple[Any, Storages]:
    """Records and storages of a file of torch.save: a zip whose members are stored, not packed."""
    container = zipfile.ZipFile(file)
    names = container.namelist()
    programs = [name for name in names if name.endswith("data.pkl") and name.count("/") <= 1]
    if len(programs) != 1:
        raise CheckpointError(
            f"This is a zip of {len(names)} files, but no checkpoint: unpack it and convert the model."
        )
    top, size = programs[0].removesuffix("data.pkl"), file.seek(0, io.SEEK_END)

    def member(name: str) -> bytes:
        info = container.getinfo(top + name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
            raise CheckpointError(f"The part {name[:40]!r} of the checkpoint is packed: no torch.save does that.")
        return container.read(info)

    if top + "byteorder" in names and member("byteorder") != b"little":
        raise CheckpointError("This checkpoint was written on a big-endian machine: save it again on another one.")
    return read_pickle(io.BytesIO(member("data.pkl"))), lambda key: member(f"data/{key}")


def read_torch_stream(file: BufferedIOBase) -> tuple[Any, Storages]:
    """The same of torch.save's older format, after the magic number: pickles in a row, then the storages."""
    persistent: list[tuple[Any, ...]] = []
    version, _, tree, keys = read_pickle(file), read_pickle(file), read_pickle(file, persistent), read_pickle(file)
    if version != VERSION or not isinstance(keys, list):
        raise CheckpointError("This checkpoint is of an unknown format of torch: save it again with a newer torch.")
    dtypes = {reference[2]: DTYPES.get(reference[1].name) for reference in persistent}
    places = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little") * dtypes[key].itemsize
        places[key] = (file.tell(), size)
        file.seek(size, io.SEEK_CUR)

    def storage(key: str) -> bytes:
        start, size = places[key]
        file.seek(start)
        return file.read(size)

    return tree, storage


class Tensors:
    """Makes tensors and arrays of records, and never more than a few times the size of the file."""

    def __init__(self, storages: Storages, size: int):
        self.storages, self.left = storages, SHARING * size

    def tensor(self, record: Any) -> Tensor | None:
        """The tensor that a record of torch or numpy stands for; None for any other record. Raises CheckpointError."""
        if isinstance(record, Tensor):
            return record
        if not isinstance(record, Made):
            return None
        try:
            if record.maker.startswith("torch._utils._rebuild_parameter"):
                return self.tensor(record.arguments[0])
            if record.maker.startswith("torch._utils._rebuild_tensor"):
                return self._strided(*record.arguments[:4])
            if record.maker.endswith("multiarray._reconstruct"):
                return torch.from_numpy(self._array(*record.state))
        except CheckpointError:
            raise
        except Exception as error:  # sizes and types of a damaged record can raise nearly anything
            raise CheckpointError(f"A tensor of the file is damaged ({type(error).__name__}): get it again.") from None
        return None

    def _strided(self, storage: Made, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        flat = self._flat(storage)
        if min((offset, *shape, *stride), default=0) < 0 or len(shape) != len(stride) or len(shape) > 8:
            raise CheckpointError("A tensor of the file has an impossible shape: it is damaged or hostile.")
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        if math.prod(shape) and last >= len(flat):
            raise CheckpointError("A tensor of the file is larger than what it holds: it is damaged or hostile.")
        self._spend(math.prod(shape) * flat.itemsize)
        return flat.as_strided(shape, stride, offset).clone()

    def _flat(self, storage: Made) -> Tensor:
        """A storage as a vector; in NVIDIA's pickles it is a file of torch.save of its own."""
        if storage.maker == "torch.storage._load_from_bytes":
            content = io.BytesIO(storage.arguments[0])
            if read_pickle(content) != MAGIC:
                raise CheckpointError("A storage of the file is of an unknown format.")
            inner, storages = read_torch_stream(content)
            return Tensors(storages, len(storage.arguments[0]))._flat(inner)
        if storage.maker != PERSISTENT:
            raise CheckpointError("A tensor of the file lies in no storage: it is damaged or hostile.")
        kind, typed, key = storage.arguments[:3]
        if kind != "storage" or not isinstance(typed, Named) or any(storage.arguments[5:]):
            raise CheckpointError("A storage of the file is of an unknown kind: save it again with a newer torch.")
        return torch.frombuffer(bytearray(self.storages(key)), dtype=DTYPES[typed.name])

    def _array(self, _: Any, shape: tuple[int, ...], kind: Made, fortran: bool, content: Any) -> np.ndarray:
        if isinstance(content, Made) and content.maker == "_codecs.encode" and content.arguments[1] == "latin1":
            content = content.arguments[0].encode("latin1")  # how Python 3 writes bytes for Python 2
        dtype = np.dtype(kind.arguments[0]).newbyteorder(kind.state[1])
        if dtype.kind not in NUMBERS:
            raise CheckpointError(f"An array of type {dtype} is refused: only plain numbers are read.")
        self._spend(len(content))
        values = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
        return np.array(values, dtype.newbyteorder("="))

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise CheckpointError("The tensors of the file take far more memory than the file: it is refused.")
