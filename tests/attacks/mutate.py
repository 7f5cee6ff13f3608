"""Damages a file at random, with a taste for what its readers look at: instructions, sizes and ends."""

import io
import pickletools
import random
import zipfile
from pathlib import Path

from safetensors.torch import save_file

from checkpoint_files import FORMATS, write
from tiny import tiny_stylegan2
from zplus.generators import save_generator

CODES = [ord(x.code) for x in pickletools.opcodes]
EXTREME = (b"\xff" * 4, b"\xff" * 8, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\0\0\0\0\x7f", b"\x01\0\0\0\0\x01\0\0")


def originals(folder: Path) -> dict[str, bytes]:
    """A file of some kB in every format that is read."""
    generator = tiny_stylegan2(resolution=8, channels=2, z_dim=2, w_dim=2)
    found = {kind: write(folder / kind, kind, generator).read_bytes() for kind in FORMATS}
    save_generator(generator, folder / "a")
    save_file({name: x.clone() for name, x in generator.state_dict().items()}, folder / "b")
    return found | {"zplus": (folder / "a").read_bytes(), "safetensors": (folder / "b").read_bytes()}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to three changes; in a zip, half of the time inside its pickle, with the sums made right again."""
    if data.startswith(b"PK") and chance.random() < 0.5:
        return _inside(data, chance)
    for _ in range(chance.randint(1, 3)):
        data = chance.choice(CHANGES)(data, chance) if data else data
    return data


def _inside(data: bytes, chance: random.Random) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(written, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, mutated(content, chance) if info.filename.endswith("data.pkl") else content)
    return written.getvalue()


def _flip(data: bytes, chance: random.Random) -> bytes:
    return _put(data, _place(data, chance), bytes([chance.randrange(256)]))


def _instruction(data: bytes, chance: random.Random) -> bytes:
    """An instruction becomes another: letters and marks of pickles are the likely places."""
    places = [k for k in (_place(data, chance) for _ in range(20)) if data[k] in CODES]
    return _put(data, places[0], bytes([chance.choice(CODES)])) if places else data


def _size(data: bytes, chance: random.Random) -> bytes:
    return _put(data, _place(data, chance), chance.choice(EXTREME))


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _splice(data: bytes, chance: random.Random) -> bytes:
    """A piece is inserted elsewhere, or takes the place of what is there, or is left out."""
    start, at, length = _place(data, chance), _place(data, chance), chance.choice((1, 2, 4, 8, 30, 300))
    piece = data[start : start + length]
    return chance.choice((data[:at] + piece + data[at:], _put(data, at, piece), data[:start] + data[start + length :]))


def _place(data: bytes, chance: random.Random) -> int:
    near = min(len(data), 100)
    return chance.choice((chance.randrange(len(data)), chance.randrange(near), len(data) - 1 - chance.randrange(near)))


def _put(data: bytes, at: int, piece: bytes) -> bytes:
    return data[:at] + piece + data[at + len(piece) :]


CHANGES = (_flip, _flip, _instruction, _instruction, _size, _splice, _cut)
