"""The pictures that a generator learns from: a folder or a zip of them, all brought to one square size."""

import hashlib
import lzma
import os
import re
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from zplus.errors import CheckpointError, ImageError, ZplusError
from zplus.generators.checkpoints.storages import PLAIN_METHODS, check_directory
from zplus.images import read_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SIDES = tuple(2**i for i in range(3, 11))  # 8 to 1024
LARGEST = 2**28  # bytes of one file in a zip, so that a small zip cannot fill the disk
MAX_LIST = 1 << 24  # bytes of a zip's list of files: of 200,000 pictures
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, LookupError, ValueError, RuntimeError)
NAMED = 3  # pictures that are named beside the first of those left out for one reason

Pixels = UInt8[np.ndarray, "_ r r 3"]
Picture = UInt8[np.ndarray, "r r 3"]
Tick = Callable[[int, int], None]  # how many of how many are read
Warn = Callable[[str], None]  # a sentence for a person
Found = TypeVar("Found")


@dataclass(frozen=True)
class Pictures(Dataset[Picture]):
    """Square pictures, uint8 [N,R,R,3] RGB in [0,255]: those to learn from, and those held out to compare with."""

    train: Pixels
    held_out: Pixels
    workers: ClassVar[int] = 0  # processes that read what is held in memory

    def __len__(self) -> int:
        return len(self.train)

    def __getitem__(self, row: int) -> Picture:
        return self.train[row]

    @property
    def resolution(self) -> int:
        """The side R in pixels."""
        return self.train.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """The hash that names what is learnt from."""
        return hashlib.sha256(np.ascontiguousarray(self.train).data).hexdigest()[:16]


@dataclass(frozen=True)
class PictureFiles(Dataset[Picture]):
    """The pictures of a folder or zip, each read, cut to its central square and resized (Lanczos) when asked for."""

    source: Path
    names: Sequence[str]
    side: int
    _archives: dict[int, zipfile.ZipFile] = field(default_factory=dict, init=False, repr=False)  # by process

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> Picture:
        """A picture uint8 [side,side,3]. Raises ImageError."""
        return np.asarray(_square(self.picture(row), self.side))

    def read(self, row: int) -> Picture | ImageError:
        """The same, or what is wrong with it."""
        try:
            return self[row]
        except ImageError as error:
            return error

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_archives": {}}  # no open file goes to another process

    def picture(self, row: int) -> Image.Image:
        """A picture at its own size. Raises ImageError, which names it."""
        if self.source.is_dir():
            return Image.fromarray(read_image(self.source / self.names[row], min_side=SIDES[0]))
        full_name = self.full_name(row)
        handle, path = tempfile.mkstemp(PurePosixPath(full_name).suffix)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(unpacked(self._archive(), self.names[row], full_name))
            return Image.fromarray(read_image(path, min_side=SIDES[0]))
        except ImageError as error:
            raise ImageError(str(error).replace(path, full_name)) from error
        finally:
            os.unlink(path)

    def full_name(self, row: int) -> str:
        """The picture's name for a person."""
        return str(self.source / self.names[row]) if self.source.is_dir() else f"{self.source}/{self.names[row]}"

    def _archive(self) -> zipfile.ZipFile:
        """The zip, opened once in every process: a file that two processes share has one place to read at."""
        if os.getpid() not in self._archives:
            self._archives.clear()
            self._archives[os.getpid()] = opened_zip(self.source)
        return self._archives[os.getpid()]


def read_pictures(
    source: str | Path,
    resolution: int | None = None,
    holdout: int = 0,
    tick: Tick = lambda done, total: None,
    warn: Warn | None = None,
) -> Pictures:
    """The pictures of a folder or zip in the order of their names, the last `holdout` of them held out, in memory.

    Each is cut to its central square and resized (Lanczos) to `resolution`, by default the shorter side of the first.
    Raises ImageError where there are none, or one is damaged, unless `warn` wants to hear of those, which are then left
    out; `tick` hears how many of how many are read.
    """
    files = picture_files(source, resolution)
    pixels, count = np.empty((len(files), files.side, files.side, 3), np.uint8), 0
    for _, picture in readable(files, map(files.read, range(len(files))), tick, warn):
        pixels[count] = picture
        count += 1
    last = count_to_learn(files, count, holdout)
    return Pictures(pixels[:last], pixels[last:count])


def picture_files(source: str | Path, resolution: int | None) -> PictureFiles:
    """The pictures of a folder or zip, by default at the shorter side of the first that can be read."""
    source = Path(source)
    files = PictureFiles(source, picture_names(source), resolution or SIDES[0])
    if resolution:
        return _of_size(files, resolution, str(source))
    for row in range(len(files)):
        with suppress(ImageError):
            return _of_size(files, min(files.picture(row).size), files.full_name(row))
    return files  # of which none can be read, as will be told


def _of_size(files: PictureFiles, side: int, name: str) -> PictureFiles:
    if side not in SIDES:
        raise ZplusError(f"Pictures of {side} px cannot be learnt ({name}): set a resolution of {SIDES}.")
    return replace(files, side=side)


def count_to_learn(files: PictureFiles, count: int, holdout: int) -> int:
    """How many of `count` readable pictures are not held out. Raises ImageError or ZplusError where none is left."""
    if not count:
        raise ImageError(f"None of the {len(files)} pictures of {files.source} can be read: give others.")
    if not 0 <= holdout < count:
        raise ZplusError(f"{holdout} of {count} pictures cannot be held out: leave some to learn from.")
    return count - holdout


def readable(
    files: PictureFiles, found: Iterable[Found | ImageError], tick: Tick, warn: Warn | None
) -> Iterator[tuple[int, Found]]:
    """What was found of each picture, with its row; raises what is wrong with one, or leaves it out and warns."""
    broken: list[tuple[str, ImageError]] = []
    for row, one in enumerate(found):
        tick(row + 1, len(files))
        if not isinstance(one, ImageError):
            yield row, one
        elif warn is None:
            raise one
        else:
            broken.append((files.full_name(row), one))
    if warn is not None:
        for line in left_out(broken):
            warn(line)


def left_out(broken: Iterable[tuple[str, ImageError]]) -> list[str]:
    """A sentence for each reason why pictures are left out, from their names and what is wrong with them."""
    reasons: dict[str, list[tuple[str, ImageError]]] = defaultdict(list)
    for name, error in broken:
        what = re.sub(r"\d+", "N", str(error).removeprefix(name))
        reasons[re.split(r" \(|: ", what)[0]].append((name, error))
    lines = []
    for (_, first), *others in reasons.values():
        names = [name for name, _ in others]
        named = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        lines.append(f"{len(names) + 1} left out: {first}" + (f" So it is with {named}." if names else ""))
    return lines


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
        with opened_zip(source) as archive:
            found = archive.namelist()
    names = sorted(name for name in found if name.lower().endswith(SUFFIXES) and not _hidden(name))
    if not names:
        raise ImageError(f"{source} holds no pictures: they must end in {', '.join(SUFFIXES)}.")
    return names


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def opened_zip(source: Path) -> zipfile.ZipFile:
    """A zip of a limited number of files. Raises ImageError where it is none."""
    try:
        with source.open("rb") as file:
            check_directory(file, MAX_LIST)
        return zipfile.ZipFile(source)
    except (*DAMAGE, CheckpointError) as error:
        raise ImageError(f"{source} is neither a folder nor a zip that can be read ({error}).") from error


def unpacked(archive: zipfile.ZipFile, name: str, full_name: str) -> bytes:
    """A file of a zip. Raises ImageError where it is damaged, or larger than any picture or list of them should be."""
    if archive.getinfo(name).file_size > LARGEST:
        raise ImageError(f"{full_name} has more than {LARGEST >> 20} MB: make it smaller first.")
    try:
        if archive.getinfo(name).compress_type not in PLAIN_METHODS:
            raise zipfile.BadZipFile("it is packed in a rare way")
        return archive.read(name)
    except DAMAGE as error:
        raise ImageError(f"{full_name} cannot be unpacked ({error}): make the zip again.") from error


def _square(picture: Image.Image, side: int) -> Image.Image:
    """Cut before the resizing, so that nothing from beyond the square bleeds in."""
    width, height = picture.size
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    return picture.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.LANCZOS)
