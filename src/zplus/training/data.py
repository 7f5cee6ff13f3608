"""The pictures that a generator learns from: a folder or a zip of them, all brought to one square size."""

import hashlib
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from zplus.errors import ImageError, ZplusError
from zplus.images import read_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SIDES = tuple(2**i for i in range(3, 11))  # 8 to 1024
IN_MEMORY = 2**31  # bytes of pixels that are held in memory; more lie in a temporary file that is mapped
LARGEST = 2**28  # bytes of one file in a zip, so that a small zip cannot fill the disk
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, LookupError, ValueError, RuntimeError)

Pixels = UInt8[np.ndarray, "_ r r 3"]


@dataclass(frozen=True)
class Pictures:
    """Square pictures, uint8 [N,R,R,3] RGB in [0,255]: those to learn from, and those held out to compare with."""

    train: Pixels
    held_out: Pixels

    @property
    def resolution(self) -> int:
        """The side R in pixels."""
        return self.train.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """The hash that names what is learnt from."""
        return hashlib.sha256(np.ascontiguousarray(self.train).data).hexdigest()[:16]

    def batch(self, seed: int, step: int, size: int) -> Pixels:
        """The pictures of a step [size,R,R,3]: every epoch shows each picture once, in an order of its own."""
        return self.train[chosen_rows(seed, step, size, len(self.train))]


def read_pictures(
    source: str | Path,
    resolution: int | None = None,
    holdout: int = 0,
    tick: Callable[[int, int], None] = lambda done, total: None,
    broken: Callable[[ImageError], None] | None = None,
) -> Pictures:
    """The pictures of a folder or zip in the order of their names, the last `holdout` of them held out.

    Each is cut to its central square and resized (Lanczos) to `resolution`, by default the shorter side of the first.
    Raises ImageError where there are none, or one is damaged, unless `broken` wants to hear of those, which are then
    left out; `tick` hears how many of how many are read.
    """
    source = Path(source)
    names = picture_names(source)
    side, count, pixels = 0, 0, np.empty(0, np.uint8)
    for i, (name, file) in enumerate(_files(source, names)):
        tick(i + 1, len(names))
        try:
            picture = _read(name, file())
        except ImageError as error:
            if broken is None:
                raise
            broken(error)
            continue
        if not side:
            side = _checked(resolution or min(picture.size), name)
            pixels = _room((len(names), side, side, 3))
        pixels[count] = np.asarray(_square(picture, side))
        count += 1
    if not count:
        raise ImageError(f"None of the {len(names)} pictures of {source} can be read: give others.")
    if not 0 <= holdout < count:
        raise ZplusError(f"{holdout} of {count} pictures cannot be held out: leave some to learn from.")
    return Pictures(pixels[: count - holdout], pixels[count - holdout : count])


def to_batch(pixels: Pixels) -> Float[Tensor, "n 3 r r"]:
    """Pixels as pictures for networks: float32 [N,3,R,R] in [-1,1], RGB, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def chosen_rows(seed: int, step: int, size: int, count: int) -> list[int]:
    """The rows of a step among `count`: every epoch takes each once, in an order of its own."""
    return [int(_order(seed, i // count, count)[i % count]) for i in range(step * size, (step + 1) * size)]


@lru_cache(maxsize=4)  # a batch touches two epochs at most, unless it is larger than the data, of pairs and photos
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)


def picture_names(source: Path) -> list[str]:
    """The names of the pictures in a folder or zip, sorted; hidden ones are passed over."""
    if not source.exists():
        raise ImageError(f"There is no {source}: give a folder or a zip of pictures.")
    if source.is_dir():
        found = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
    else:
        with _opened(source) as archive:
            found = archive.namelist()
    names = sorted(name for name in found if name.lower().endswith(SUFFIXES) and not _hidden(name))
    if not names:
        raise ImageError(f"{source} holds no pictures: they must end in {', '.join(SUFFIXES)}.")
    return names


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _files(source: Path, names: list[str]) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Each picture's full name, and what gives its file: what is in a zip passes through one temporary file."""
    if source.is_dir():
        yield from ((str(source / name), partial(source.joinpath, name)) for name in names)
        return
    with _opened(source) as archive, tempfile.TemporaryDirectory() as folder:
        for name in names:
            yield f"{source}/{name}", partial(_unpacked_to, Path(folder), archive, name, f"{source}/{name}")


def _unpacked_to(folder: Path, archive: zipfile.ZipFile, name: str, full_name: str) -> Path:
    path = folder / f"picture{PurePosixPath(name).suffix}"
    path.write_bytes(unpacked(archive, name, full_name))
    return path


def _opened(source: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except DAMAGE as error:
        raise ImageError(f"{source} is neither a folder nor a zip that can be read ({error}).") from error


def unpacked(archive: zipfile.ZipFile, name: str, full_name: str) -> bytes:
    """A file of a zip. Raises ImageError where it is damaged, or larger than any picture or list of them should be."""
    if archive.getinfo(name).file_size > LARGEST:
        raise ImageError(f"{full_name} has more than {LARGEST >> 20} MB: make it smaller first.")
    try:
        return archive.read(name)
    except DAMAGE as error:
        raise ImageError(f"{full_name} cannot be unpacked ({error}): make the zip again.") from error


def _read(name: str, path: Path) -> Image.Image:
    try:
        return Image.fromarray(read_image(path))
    except ImageError as error:
        raise ImageError(str(error).replace(str(path), name)) from error  # not the name of a temporary file


def _checked(side: int, name: str) -> int:
    if side not in SIDES:
        raise ZplusError(f"Pictures of {side} px cannot be learnt ({name}): set a resolution of {SIDES}.")
    return side


def _square(picture: Image.Image, side: int) -> Image.Image:
    """Cut before the resizing, so that nothing from beyond the square bleeds in."""
    width, height = picture.size
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    return picture.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.LANCZOS)


def _room(shape: tuple[int, ...]) -> np.ndarray:
    """Memory for that many bytes, or a mapped temporary file that goes with the process."""
    if np.prod(shape) <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, shape=shape)
