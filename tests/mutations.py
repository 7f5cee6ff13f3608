"""Feeds damaged files to the readers; run as a program, so that the type checks of the test run cannot hide a gap.

    python mutations.py FOLDER

FOLDER holds tiny.safetensors (a generator), latent.safetensors and direction.safetensors. Prints, by kind of file, how
many mutations were refused and how many passed; any error but a ZplusError of one line ends it with a traceback.
"""

import json
import random
import struct
import sys
from pathlib import Path

import torch

from zplus.direction import load_direction
from zplus.editing import edit
from zplus.errors import ZplusError
from zplus.generators.store import read_generator
from zplus.latent import load_latent
from zplus.spaces import render

ABSURD = (None, True, -1, 0, 5, 1e400, 10**400, 0.5, float("nan"), "", "abc", [], [1], [[]], {}, {"a": 1}, "9" * 40)
RANDOM = 200  # byte flips and truncations of each file


def parts(data: bytes) -> tuple[dict, bytes]:
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def joined(header: dict, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Cut short, or with one to three bytes replaced, mostly in the header."""
    if chance.random() < 0.2:
        return data[: chance.randrange(len(data))]
    changed, end = bytearray(data), len(data) - len(parts(data)[1])
    for _ in range(chance.randint(1, 3)):
        changed[chance.randrange(end if chance.random() < 0.9 else len(data))] = chance.randrange(256)
    return bytes(changed)


def absurd_values(data: bytes, field: str | None):
    """Every value of the stored record (or of the plain metadata) in turn replaced or left out."""
    header, body = parts(data)
    metadata = header["__metadata__"]
    for key in metadata:
        for value in ("", "abc", "[]", "{}", "null", "[" * 100_000, "1e999"):
            yield joined({**header, "__metadata__": {**metadata, key: value}}, body)
        yield joined({**header, "__metadata__": {k: v for k, v in metadata.items() if k != key}}, body)
    if field:
        for record in changed(json.loads(metadata[field])):
            yield joined({**header, "__metadata__": {**metadata, field: json.dumps(record)}}, body)
    for name in header:
        yield joined({k: v for k, v in header.items() if k != name}, body)
        if name != "__metadata__":
            for dtype, shape in (("I32", None), ("U32", None), (None, [1]), (None, []), (None, [0])):
                entry = {**header[name], **({"dtype": dtype} if dtype else {"shape": shape})}
                yield joined({**header, name: entry}, body)


def changed(value):
    """The same JSON value with one thing in it replaced by something absurd, at any depth."""
    yield from ABSURD
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        for other in changed(inner):
            copy = value.copy()
            copy[key] = other
            yield copy
    if isinstance(value, dict):
        yield from ({k: v for k, v in value.items() if k != key} for key in value)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    generator = read_generator(folder / "tiny.safetensors")

    def use_latent(path: Path) -> None:
        latent = load_latent(path)
        render(generator, latent[0])
        edit(generator, latent, {})

    def use_direction(path: Path) -> None:
        edit(generator, load_latent(folder / "latent.safetensors"), {load_direction(path): 1.0})

    readers = {"latent": use_latent, "direction": use_direction, "tiny": read_generator}
    records = {"latent": "latent", "direction": "card", "tiny": "config"}
    for kind, use in readers.items():
        data, chance, refused, passed = (folder / f"{kind}.safetensors").read_bytes(), random.Random(0), 0, 0
        path = folder / f"damaged-{kind}.safetensors"
        for mutation in (*(flipped(data, chance) for _ in range(RANDOM)), *absurd_values(data, records[kind])):
            path.write_bytes(mutation)
            try:
                use(path)
                passed += 1
            except ZplusError as error:
                assert "\n" not in str(error), error
                refused += 1
        print(kind, refused, passed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
