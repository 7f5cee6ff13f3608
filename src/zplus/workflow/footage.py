"""The frames to edit: a film file, or a folder of pictures."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from zplus.errors import ImageError
from zplus.images import READABLE, read_image
from zplus.video import Frame, Timing, film_frames, film_timing, fits_mp4, sound_of


@dataclass(frozen=True)
class Footage:
    """The frames of a film file, or of a folder, in the order of the numbers in their names.

    Attributes:
        path: The file or folder.
        timing: When its frames are shown.
        pictures: The frames of a folder; empty for a file.
    """

    path: Path
    timing: Timing
    pictures: tuple[Path, ...] = ()

    def frames(self) -> Iterator[Frame]:
        """The frames, read one by one. Raises ImageError where one cannot be read or has another size."""
        if not self.pictures:
            yield from film_frames(self.path)
            return
        first = None
        for i, path in enumerate(self.pictures):
            pixels = read_image(path)
            first = first or pixels.shape
            if pixels.shape != first:
                raise ImageError(f"{path} has another size than {self.pictures[0]}: frames of a film have one size.")
            yield Frame(i, pixels)

    @property
    def sound(self) -> Path | None:
        """The file whose sound is copied."""
        return None if self.pictures else self.path

    def lost_sound(self) -> list[str]:
        """Warnings about sound that an MP4 cannot hold, one sentence each."""
        lost = [] if self.pictures else [codec for codec in sound_of(self.path) if not fits_mp4(codec)]
        return [f"Sound as {codec} does not fit into an MP4, so it is left out." for codec in lost]

    def digest(self) -> str:
        """The SHA-256 of the content."""
        files, total = self.pictures or (self.path,), hashlib.sha256()
        for path in files:
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()


def open_footage(path: Path, rate: float) -> Footage:
    """The footage of a file or folder.

    Args:
        path: A film, or a folder of pictures of one size.
        rate: Frames a second of a folder.

    Raises:
        ImageError: There is neither.
        MissingExtraError: PyAV is not installed.
    """
    if not path.exists():
        raise ImageError(f"{path} does not exist: check the name.")
    if not path.is_dir():
        return Footage(path, film_timing(path))
    names = [one for one in path.iterdir() if one.suffix.lower() in READABLE and not one.name.startswith(".")]
    pictures = [one for one in names if one.is_file()]
    if not pictures:
        raise ImageError(f"{path} holds no pictures: give a film, or a folder of frames as PNG or JPEG.")
    fraction = Fraction(rate).limit_denominator(1001)
    return Footage(path, Timing(fraction, 1 / fraction), tuple(sorted(pictures, key=_by_number)))


def _by_number(path: Path) -> tuple[list[tuple[int, str]], str]:
    """An order in which frame10 comes after frame9."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(x), "") if x.isdecimal() else (-1, x) for x in parts], path.name
