"""Damages a file at random, with a taste for what its readers look at: instructions, sizes and ends."""

import io
import json
import pickletools
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from checkpoint_files import FORMATS, write
from points import direction_of, latent_at
from tiny import tiny_stylegan2
from zplus.direction import load_direction, save_direction
from zplus.editing import edit
from zplus.generators import save_generator
from zplus.generators.checkpoints.codes import read_code_arrays
from zplus.generators.checkpoints.read import read_checkpoint
from zplus.latent import load_latent, save_latent
from zplus.spaces import make_space
from zplus.training.discriminator import Discriminator, read_discriminator, save_discriminator

CODES = [ord(x.code) for x in pickletools.opcodes]
READERS: dict[str, Callable[[Path], object]] = {  # by format; all others are checkpoints
    "latent": load_latent, "direction": load_direction, "discriminator": read_discriminator, "npy": read_code_arrays,
    "npz": read_code_arrays,
}  # fmt: skip
ABSURD = (
    None, True, -1, 0, 1 << 62, 10**400, 0.5, 1e300, float("inf"), float("nan"), "", "../../x", "\x1b[2J", "\ud800",
    "x" * 100_000, "9" * 5000, [], [[]], [0] * 100_000, {}, {"a": {}}, {f"k{i}": i for i in range(20_000)},
    "[" * 100_000, json.loads("[" * 500 + "]" * 500),
)  # fmt: skip
EXTREME = (b"\xff" * 4, b"\xff" * 8, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\0\0\0\0\x7f", b"\x01\0\0\0\0\x01\0\0")


def originals(folder: Path) -> dict[str, bytes]:
    """A file of some kB in every format that is read."""
    generator = tiny_stylegan2(resolution=8, channels=2, z_dim=2, w_dim=2)
    found = {kind: write(folder / kind, kind, generator).read_bytes() for kind in FORMATS}
    save_generator(generator, folder / "a")
    save_file({name: x.clone() for name, x in generator.state_dict().items()}, folder / "b")
    return found | {"zplus": (folder / "a").read_bytes(), "safetensors": (folder / "b").read_bytes()}


def records(folder: Path) -> dict[str, bytes]:
    """A file of some kB of every kind beside the checkpoints."""
    generator, paths = tiny_stylegan2(resolution=8, channels=2, z_dim=2, w_dim=2), {k: folder / k for k in READERS}
    one = direction_of(generator)
    save_latent(edit(generator, latent_at(make_space("f/z+", generator)), {one: 0.5}), paths["latent"])
    save_direction(one, paths["direction"])
    save_discriminator(Discriminator({4: 2, 8: 2}), paths["discriminator"])
    codes = np.random.default_rng(0).standard_normal((2, 4, 16), np.float32)
    with paths["npy"].open("wb") as npy, paths["npz"].open("wb") as npz:
        np.save(npy, codes)
        np.savez(npz, lat_comp=codes, lat_stdev=codes[0])
    return {kind: path.read_bytes() for kind, path in paths.items()}


def reader(kind: str) -> Callable[[Path], object]:
    """What reads a format."""
    return READERS.get(kind, read_checkpoint)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to three changes; half of the time inside the pickle or the JSON, with sums made right again."""
    if data.startswith(b"PK") and chance.random() < 0.5:
        return _inside(data, chance)
    if data[8:9] == b"{" and chance.random() < 0.5:
        return _spoiled(data, chance)
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


def _spoiled(data: bytes, chance: random.Random) -> bytes:
    """A safetensors file whose header, or a JSON text in it, has an absurd part."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    texts = header.get("__metadata__", {})
    inner = [key for key, text in texts.items() if text.startswith('{"')]
    if inner and chance.random() < 0.6:
        key = chance.choice(inner)
        tree = json.loads(texts[key])
        _spoil(tree, chance)
        texts[key] = json.dumps(tree)
    else:
        _spoil(header, chance)
    content = json.dumps(header).encode()
    return len(content).to_bytes(8, "little") + content + data[end:]


def _spoil(tree: dict | list, chance: random.Random) -> None:
    """One part at any depth is replaced, left out, or there twice."""
    key = chance.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
    if isinstance(tree[key], dict | list) and tree[key] and chance.random() < 0.7:
        _spoil(tree[key], chance)
    elif chance.random() < 0.15:
        del tree[key]
    elif isinstance(tree, dict) and chance.random() < 0.15:
        tree[chance.choice((str(key) + "2", "__metadata__", "", "edit.7", "x" * 300))] = tree[key]
    else:
        tree[key] = chance.choice(ABSURD)


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
