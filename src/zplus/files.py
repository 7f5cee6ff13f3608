"""Where files are written: beside their place, then renamed; files and folders for their owner alone."""

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from zplus.errors import ZplusError

FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
TEMPORARY = ".zplus-"  # how the names of files begin that are being written
ABANDONED = 24 * 60 * 60  # seconds after which nobody is writing one any more


def regular(path: str | Path) -> Path:
    """The path, unless it is a pipe or a device, which could block or never end. Raises OSError."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file but a folder or a device", str(path))
    return path


def unlinked(path: Path) -> Path:
    """The path, unless it is a link, which in a foreign folder could lead to any file. Raises ZplusError.

    For all names that zplus makes up in a folder; `atomic` follows links, because those of a name that was typed are
    meant.
    """
    if path.is_symlink():
        raise ZplusError(f"{path} is a link, and what it leads to would be written over: delete it first.")
    return path


@contextmanager
def atomic(path: str | Path, error: type[ZplusError] = ZplusError) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); on success it replaces `path`.

    On any failure, also an interruption, the temporary file is removed and `path` stays as it was. The folder must
    exist; links are followed. The file is for its owner alone.

    Args:
        path: The file to write.
        error: The class that an OSError is turned into.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f"{TEMPORARY}{secrets.token_hex(6)}{target.suffix}")
    try:
        _check(target, path, error)
        temporary.touch(mode=0o600, exist_ok=False)
        yield temporary
        os.replace(temporary, target)
    except OSError as problem:
        raise error(_sentence(problem, path)) from problem
    finally:
        with suppress(OSError):  # where there is no such folder
            temporary.unlink()


@contextmanager
def appended(path: Path) -> Iterator[TextIO]:
    """A text file to add lines to, for its owner alone. Raises OSError."""
    with open(path, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        yield file


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone.

    One that is there stays as it is, without the temporary files that killed programs left in it a day ago or earlier.

    Raises:
        OSError: It cannot be made.
    """
    if path.parent != path and not path.parent.is_dir():
        make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    with suppress(OSError):  # another program may sweep it too, or it may be another account's
        for left in path.glob(f"{TEMPORARY}*"):
            if not left.is_dir() and time.time() - left.lstat().st_mtime > ABANDONED:
                left.unlink()


def _check(target: Path, path: str | Path, error: type[ZplusError]) -> None:
    if not target.parent.is_dir():
        raise error(f"{path} cannot be written because the folder {target.parent} does not exist: make it first.")
    if target.exists() and not target.is_file():
        raise error(f"{path} is not a file but a folder or a device: give the name of a file.")


def _sentence(problem: OSError, path: str | Path) -> str:
    if problem.errno in FULL:
        return f"{path} cannot be written because the disk is full: free some space or choose another place."
    if problem.errno in REFUSED:
        return f"{path} cannot be written because writing there is not permitted: choose another place."
    return f"{path} cannot be written ({problem.strerror or problem}): choose another name or place."
