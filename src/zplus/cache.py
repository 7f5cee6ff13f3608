"""The cache folder for what can be fetched or computed again."""

import functools
import getpass
import os
import stat
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The cache folder: ZPLUS_CACHE, else the user's cache folder.

    If it cannot be written, a private temporary folder, with a warning.
    """
    wanted = _wanted()
    return wanted if writable(wanted) else _substitute(wanted)


def cached(*parts: str) -> Path:
    """The path of a file or folder in the cache; existing ones are found also in a read-only cache."""
    found = _wanted().joinpath(*parts)
    return found if found.exists() else cache_folder().joinpath(*parts)


def _wanted() -> Path:
    return Path(os.environ.get("ZPLUS_CACHE") or platformdirs.user_cache_dir("zplus", appauthor=False))


def writable(folder: Path) -> bool:
    """Whether files can be created in a folder, or in the first existing folder above it."""
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


@functools.cache
def _substitute(wanted: Path) -> Path:
    """A private temporary folder: the same one each time if only we can write it, else a new one."""
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # in a container a number may have no name
    folder = Path(tempfile.gettempdir()) / f"zplus-{user}"
    with suppress(OSError):
        folder.mkdir(mode=0o700)
    if not _ours_alone(folder):
        folder = Path(tempfile.mkdtemp(prefix="zplus-"))
    warnings.warn(
        f"The cache folder {wanted} cannot be written, so {folder} is used: set ZPLUS_CACHE to a folder of your own.",
        stacklevel=3,
    )
    return folder


def _ours_alone(folder: Path) -> bool:
    """Whether it is a folder, not a link, that no other user can write; always so on Windows."""
    try:
        facts = folder.lstat()
    except OSError:
        return False
    private = not hasattr(os, "getuid") or (facts.st_uid == os.getuid() and not stat.S_IMODE(facts.st_mode) & 0o077)
    return stat.S_ISDIR(facts.st_mode) and private
