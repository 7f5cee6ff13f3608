"""What the file of a picture may ask of this machine, checked before its pixels are decoded or while they are."""

import re
import struct
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ImageFile

from zplus.errors import ImageError

LARGE = 8_000_000  # pixels; of larger pictures one at a time is decoded, and none that is packed too tightly
MAX_PER_BYTE = 1000  # pixels of a large picture for each byte of its file; a JPEG of one colour has 64
MAX_BYTES = 1 << 30  # of a file; 64 million pixels take half of it even with 16 bits, unpacked
MAX_SIDE = 16_383  # what WebP can hold
MAX_SCANS = 200  # of a JPEG, each of which may be over the whole picture; a progressive one has about ten
MAX_EXIF = 1 << 17  # bytes; its entries may all name the same ones, and Pillow copies them for each
MAX_ELEMENTS = 16  # in a row, of a transform in an ICC profile
SCAN, END = 0xDA, 0xD9  # marks of a JPEG
MARK = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")  # of those that a part follows, and the end
TILE = (322, 323)  # TIFF's tags of a tile's width and height


def quiet_decoders() -> None:
    """Drop what a decoder merely wonders at, for all threads: suspending warnings for a while is not safe in them."""
    warnings.filterwarnings("ignore", module=r"PIL\b")


quiet_decoders()


class Patient:
    """A file with a limit on reads and on bytes: Pillow reads many small parts slowly, and the same part many times."""

    def __init__(self, file: BinaryIO | BytesIO, size: int) -> None:
        self._file, self._left = file, 4_000 + size // 2048  # three for each part of a PNG, which has 8 KB or more
        self._bytes = 4 * size + 1_000_000

    def read(self, count: int = -1) -> bytes:
        """Bytes of the file. Raises ValueError where the limit is passed."""
        found: bytes = self._file.read(count)
        self._left, self._bytes = self._left - 1, self._bytes - len(found)
        if min(self._left, self._bytes) < 0:
            raise ValueError("it is in far too many parts")
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def check_jpeg(path: Path, file: BinaryIO) -> None:
    """Raise ImageError for a JPEG of countless scans or of much EXIF; other files pass."""
    is_jpeg = file.read(3) == b"\xff\xd8\xff"
    file.seek(0)
    content = file.read() if is_jpeg else b""
    file.seek(0)
    scans, exif = 0, 0
    for mark, part in _parts(content):
        scans, exif = scans + (mark == SCAN), exif + len(part) * part.startswith(b"Exif\0\0")
        if scans > MAX_SCANS or exif > MAX_EXIF:
            raise ImageError(f"{path} is a JPEG in far too many parts, as no photo is: save it anew.")


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The parts of a JPEG, each by its mark, up to the end of its first picture; what is coded lies between them."""
    at = 2
    while found := MARK.search(content, at):
        at, mark = found.end(), content[found.end() - 1]
        if mark == END or at + 2 > len(content):
            return
        (length,) = struct.unpack_from(">H", content, at)
        yield mark, content[at + 2 : at + length]
        at += length


def check_size(path: Path, image: ImageFile.ImageFile, max_pixels: int, min_side: int) -> None:
    """Raise ImageError for a picture that was opened, but not decoded, and is too small, too large, or only text."""
    tags, (width, height) = getattr(image, "tag_v2", {}), image.size
    tile = [x if isinstance(x := tags.get(tag), int) else 0 for tag in TILE]  # a text many times would fill the memory
    if image.tile and image.tile[0][0] == "ppm_plain":
        raise ImageError(f"{path} is a picture as text, which is not read: save it as PNG.")
    if min(width, height) < min_side:
        raise ImageError(f"{path} is only {width} x {height} pixels: use a picture of {min_side} a side or more.")
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise ImageError(too_large(path, max_pixels))
    if width * height > max(LARGE, MAX_PER_BYTE * path.stat().st_size):
        raise ImageError(f"{path} has {width} x {height} pixels in few bytes, as no photo has: make it smaller.")
    if tile[0] * tile[1] > max(LARGE, 4 * width * height):
        raise ImageError(f"{path} has tiles that are larger than the picture: save it anew.")


def too_large(path: Path, max_pixels: int) -> str:
    """What is said of a picture that is too large."""
    return f"{path} has more than {max_pixels / 1e6:g} million pixels or {MAX_SIDE} a side: make it smaller first."


def is_plain_profile(profile: bytes) -> bool:
    """Whether no transform of an ICC profile has more elements, one after another, than a profile needs."""
    heads = re.finditer(rb"mpet.{8}(.{4})", profile, re.DOTALL)
    return all(struct.unpack(">L", head[1])[0] <= MAX_ELEMENTS for head in heads)
