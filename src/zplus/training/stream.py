"""Batches of pictures, step by step; sets that are too large for memory are read by worker processes when needed."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from zplus.errors import ImageError
from zplus.training.data import (
    Picture,
    PictureFiles,
    Pictures,
    Pixels,
    Tick,
    Warn,
    chosen_rows,
    count_to_learn,
    picture_files,
    read_pictures,
    readable,
)

MAX_HELD, IN_MEMORY = 10_000, 2**31  # pictures, and bytes of pixels, that are held in memory at most
WORKERS = min(8, os.cpu_count() or 1)  # processes that read what is not


@dataclass(frozen=True)
class StreamedPictures(Dataset[Picture]):
    """Pictures to learn from that stay in their files; `fingerprint` is the hash that names them."""

    files: PictureFiles
    fingerprint: str
    workers: int  # processes that read them

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Picture:
        return self.files[row]

    @property
    def resolution(self) -> int:
        """The side in pixels."""
        return self.files.side


def open_pictures(
    source: str | Path,
    resolution: int | None = None,
    holdout: int = 0,
    tick: Tick = lambda done, total: None,
    warn: Warn | None = None,
) -> Pictures | StreamedPictures:
    """The pictures of a folder or zip: as `read_pictures` has them, or in their files where there are many.

    Those that stay in their files are read once now, by worker processes, to know which of them are damaged. Raises
    ImageError and ZplusError as `read_pictures`.
    """
    files = picture_files(source, resolution)
    if len(files) <= MAX_HELD and len(files) * files.side**2 * 3 <= IN_MEMORY:
        return read_pictures(source, resolution, holdout, tick, warn)
    found = DataLoader(_Digests(files), batch_size=None, num_workers=WORKERS, generator=torch.Generator())
    names, digests = [], []
    for row, digest in readable(files, found, tick, warn):
        names.append(files.names[row])
        digests.append(digest)
    last = count_to_learn(files, len(names), holdout)
    fingerprint = hashlib.sha256(b"".join(digests[:last])).hexdigest()[:16]
    return StreamedPictures(replace(files, names=names[:last]), fingerprint, WORKERS)


def batches(
    data: Pictures | StreamedPictures, seed: int, size: int, steps: range, rank: int = 0, processes: int = 1
) -> Iterator[Pixels]:
    """The pictures of each step [size / processes,R,R,3]: those of process `rank`, in the order of `chosen_rows`."""
    rows = (chosen_rows(seed, step, size, len(data))[rank::processes] for step in steps)
    own = torch.Generator()  # so that nothing is drawn from the one that all share
    loader = DataLoader(data, batch_sampler=rows, num_workers=data.workers, collate_fn=np.stack, generator=own)
    try:
        yield from loader
    except ImageError as error:  # a worker's comes with its traceback as text
        raise ImageError(str(error).rpartition("ImageError: ")[2].strip()) from None


@dataclass(frozen=True)
class _Digests(Dataset[bytes | ImageError]):
    """The hash of each picture, or what is wrong with it."""

    files: PictureFiles

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> bytes | ImageError:
        picture = self.files.read(row)
        return picture if isinstance(picture, ImageError) else hashlib.sha256(picture.data).digest()
