"""Between bytes, which the page passes on, and what reads and writes files: by a file that is gone at once."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from zplus.errors import ZplusError, sentence

Read = TypeVar("Read")


def taken_in(content: bytes, read: Callable[[Path], Read]) -> Read:
    """What `read` makes of an uploaded file; its errors name no path of this machine."""
    with tempfile.TemporaryDirectory(prefix="zplus-") as folder:
        path = Path(folder) / "This file"
        path.write_bytes(content)
        try:
            return read(path)
        except ZplusError as error:
            error.args = (str(error).replace(str(path), path.name),)  # a new one might need other arguments
            raise
        except Exception as error:
            raise ZplusError(sentence(error).replace(str(path), path.name)) from None


def given_out(name: str, write: Callable[[Path], None]) -> bytes:
    """The file that `write` writes under a name that ends as it should."""
    with tempfile.TemporaryDirectory(prefix="zplus-") as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def stem(name: str) -> str:
    """What a file was called, without its ending and whatever a file name should not hold.

    >>> stem("../../My photo.of <me>.jpg")
    'My photo'
    """
    found = Path(name.replace("\\", "/")).name.partition(".")[0]
    return "".join(c for c in found if c.isalnum() or c in "-_ ")[:60].strip() or "picture"
