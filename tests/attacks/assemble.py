"""Assembles pickles by their instructions, and the containers that checkpoints come in."""

import io
import struct
import zipfile
from typing import Any

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
RECONSTRUCT = "torch_utils.persistence._reconstruct_persistent_obj"
TENSOR = "torch._utils._rebuild_tensor_v2"


class Ops(bytes):
    """Instructions that leave one value on the stack."""


def value(x: Any) -> bytes:  # noqa: PLR0911
    """The instructions that make a plain value; Ops may stand anywhere in it."""
    if isinstance(x, Ops):
        return x
    if x is None or isinstance(x, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[x]
    if isinstance(x, int):
        content = x.to_bytes(x.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + bytes([len(content)]) + content
    if isinstance(x, float):
        return b"G" + struct.pack(">d", x)
    if isinstance(x, str):
        return b"X" + struct.pack("<I", len(x.encode())) + x.encode()
    if isinstance(x, bytes):
        return b"B" + struct.pack("<I", len(x)) + x
    if isinstance(x, tuple):
        return b"(" + b"".join(map(value, x)) + b"t"
    if isinstance(x, list):
        return b"](" + b"".join(map(value, x)) + b"e"
    return b"}(" + b"".join(value(y) for item in x.items() for y in item) + b"u"


def name(full: str) -> Ops:
    module, _, last = full.rpartition(".")
    return Ops(f"c{module}\n{last}\n".encode())


def call(full: str, *arguments: Any) -> Ops:
    return Ops(name(full) + value(arguments) + b"R")


def built(owner: Ops, state: Any) -> Ops:
    return Ops(owner + value(state) + b"b")


def storage(key: Any = "0", kind: str = "torch.FloatStorage", *more: Any, size: Any = 4) -> Ops:
    return Ops(value(("storage", name(kind), key, "cpu", size, *more)) + b"Q")


def tensor(shape: Any = (2, 2), stride: Any = (2, 1), offset: Any = 0, of: Ops | None = None) -> Ops:
    return call(TENSOR, storage() if of is None else of, offset, shape, stride, False, {})


def array(shape: Any = (2,), code: Any = "f4", order: Any = "<", content: Any = b"\0" * 8) -> Ops:
    empty = call("numpy._core.multiarray._reconstruct", name("numpy.ndarray"), (0,), b"b")
    kind = built(call("numpy.dtype", code, False, True), (3, order, None, None, None, -1, -1, 0))
    return built(empty, (1, shape, kind, False, content))


def network(state: Any, **meta: Any) -> Ops:
    """A network of NVIDIA's, as a record."""
    return call(RECONSTRUCT, {"type": "class", "class_name": "Generator", "state": state, **meta})


# Containers of a value


def bare(x: Any) -> bytes:
    return b"\x80\x02" + value(x) + b"."


def zipped(x: Any, **files: bytes) -> bytes:
    return zip_of({"data.pkl": bare(x), "data/0": b"\0" * 16, **{k.replace("__", "/"): v for k, v in files.items()}})


def zip_of(files: dict[str, bytes], packed: bool = False, top: str = "archive/") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for key, content in files.items():
            file.writestr(top + key, content)
    return written.getvalue()


def stream(x: Any, keys: Any = (), *storages: bytes) -> bytes:
    head = b"".join(bare(y) for y in (MAGIC, VERSION, {"little_endian": True}, x, list(keys)))
    return head + b"".join(storages)


def alone(x: Any | None = None, size: int = 4) -> bytes:
    """A storage as a file of its own, as NVIDIA's pickles hold it; or anything else in its place."""
    return stream(storage() if x is None else x, ["0"], struct.pack("<Q", size), b"\0" * 4 * size)


def loaded(content: Any) -> Ops:
    return call("torch.storage._load_from_bytes", content)


def state_dict(x: Any) -> dict[str, Any]:
    """Tensors by name, as far as a reader must look to take each for one."""
    return {"synthesis.b4.const": x}


CONTAINERS = {
    "bare": bare,
    "zip": zipped,
    "stream": stream,
    "network": lambda x: bare({"G_ema": network({"_buffers": {"x": x}})}),
    "tensorflow": lambda x: bare((x, x, x)),
    "storage": lambda x: bare(state_dict(tensor(of=loaded(alone(x))))),
}
