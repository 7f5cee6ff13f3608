"""Fetching package archives: everything that can go wrong on the way, and that nothing half-written stays."""

import getpass
import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from zplus import archives
from zplus import cache as cache_module
from zplus.archives import Archive, fetch, folder, require
from zplus.cache import cache_folder, cached
from zplus.errors import DownloadError

CONTENT = {"pkg/data/a.bin": b"first" * 1000, "pkg/b.txt": b"second", "pkg/c.txt": b"not wanted"}
WANTED = ("pkg/data/a.bin", "pkg/b.txt")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZPLUS_ARCHIVES", raising=False)
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_pip(monkeypatch) -> None:
    """No test uses the network: pip finds nothing, in pip's own words."""

    def run(command, **_):
        words = "WARNING: Retrying\nERROR: No matching distribution found for pkg==1.0\n"
        return subprocess.CompletedProcess(command, 1, "", words)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(archives, "_has_pip", lambda: True)


def entry(content: bytes, filename: str, files: tuple[str, ...] = WANTED) -> Archive:
    return Archive("pkg", "1.0", hashlib.sha256(content).hexdigest(), filename, 1, "MIT", files)


def wheel(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def source(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            file.addfile(link)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def placed(folder: Path, content: bytes, name: str = "pkg-1.0-py3-none-any.whl", **options) -> Archive:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return entry(content, name, **options)


def nothing_left(cache: Path) -> bool:
    return not [path for path in cache.rglob("*") if path.is_file() or path.name.startswith(".pull")]


def test_takes_the_named_files_of_a_wheel(tmp_path):
    archive = placed(tmp_path / "offline", wheel(CONTENT))
    assert folder(archive) is None
    place = fetch(archive, offline=tmp_path / "offline")
    assert place == folder(archive) == require(archive)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        "a.bin": CONTENT["pkg/data/a.bin"],
        "b.txt": b"second",
    }


def test_takes_the_named_files_of_a_source_archive(tmp_path, monkeypatch):
    members = {f"pkg-1.0/{name}": content for name, content in CONTENT.items()}
    archive = placed(tmp_path / "offline", source(members), "pkg-1.0.tar.gz")
    monkeypatch.setenv("ZPLUS_ARCHIVES", str(tmp_path / "offline"))
    assert sorted(path.name for path in fetch(archive).iterdir()) == ["a.bin", "b.txt"]


def test_a_second_fetch_reads_nothing(tmp_path):
    archive = placed(tmp_path / "offline", wheel(CONTENT))
    fetch(archive, offline=tmp_path / "offline")
    lines: list[str] = []
    fetch(archive, lines.append)
    assert lines == []


def test_a_damaged_folder_is_replaced(tmp_path):
    archive = placed(tmp_path / "offline", wheel(CONTENT))
    place = fetch(archive, offline=tmp_path / "offline")
    (place / "a.bin").unlink()
    assert folder(archive) is None
    assert (fetch(archive, offline=tmp_path / "offline") / "a.bin").is_file()


def test_pulls_of_the_same_archive_at_a_time_do_no_harm(tmp_path, cache):
    archive = placed(tmp_path / "offline", wheel(CONTENT))
    with ThreadPoolExecutor(8) as pool:
        places = set(pool.map(lambda _: fetch(archive, offline=tmp_path / "offline"), range(16)))
    assert places == {folder(archive)}
    assert len(list((cache / "archives").iterdir())) == 1


def test_wrong_hash(tmp_path, cache):
    archive = replace(placed(tmp_path / "offline", wheel(CONTENT)), sha256="0" * 64)
    with pytest.raises(DownloadError, match=r"damaged, cut short or another file .* expected 000000000000"):
        fetch(archive, offline=tmp_path / "offline")
    assert nothing_left(cache)


def test_cut_short(tmp_path, cache):
    archive = placed(tmp_path / "offline", wheel(CONTENT))
    (tmp_path / "offline" / archive.filename).write_bytes(wheel(CONTENT)[:-200])
    with pytest.raises(DownloadError, match="cut short"):
        fetch(archive, offline=tmp_path / "offline")
    assert nothing_left(cache)


@pytest.mark.parametrize("name", ["pkg-1.0-py3-none-any.whl", "pkg-1.0.tar.gz"])
@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100, wheel(CONTENT)[:-200], source(CONTENT)[:-50]])
def test_not_an_archive_though_the_hash_is_right(tmp_path, cache, name, content):
    archive = placed(tmp_path / "offline", content, name)
    with pytest.raises(DownloadError):
        fetch(archive, offline=tmp_path / "offline")
    assert nothing_left(cache)


@pytest.mark.parametrize(
    ("name", "content"),
    [("pkg-1.0-py3-none-any.whl", wheel({"pkg/b.txt": b""})), ("pkg-1.0.tar.gz", source({"pkg-1.0/pkg/b.txt": b""}))],
)
def test_missing_member(tmp_path, cache, name, content):
    archive = placed(tmp_path / "offline", content, name)
    with pytest.raises(DownloadError, match=r"lacks pkg/data/a\.bin"):
        fetch(archive, offline=tmp_path / "offline")
    assert nothing_left(cache)


@pytest.mark.parametrize("evil", ["../../evil.txt", "/evil.txt", "pkg/../../../evil.txt"])
@pytest.mark.parametrize("kind", ["wheel", "source"])
def test_no_path_of_an_archive_is_followed(tmp_path, cache, evil, kind):
    if kind == "wheel":
        archive = placed(tmp_path / "offline", wheel({evil: b"evil", **CONTENT}), files=(evil, *WANTED))
    else:
        members = {f"pkg-1.0/{name}": content for name, content in {evil: b"evil", **CONTENT}.items()}
        archive = placed(tmp_path / "offline", source(members), "pkg-1.0.tar.gz", files=(evil, *WANTED))
    place = fetch(archive, offline=tmp_path / "offline")
    assert [path.parent for path in tmp_path.rglob("evil.txt")] == [place]
    assert not Path("/evil.txt").exists()


def test_links_in_an_archive_are_not_taken(tmp_path, cache):
    members = {"pkg-1.0/pkg/b.txt": b""}
    archive = placed(tmp_path / "offline", source(members, {"pkg-1.0/pkg/data/a.bin": "/etc/passwd"}), "pkg-1.0.tar.gz")
    with pytest.raises(DownloadError, match="lacks"):
        fetch(archive, offline=tmp_path / "offline")
    assert nothing_left(cache)


def test_a_member_too_large_is_refused(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 100)
    archive = placed(tmp_path / "offline", wheel(CONTENT))
    with pytest.raises(DownloadError, match="5000 bytes"):
        fetch(archive, offline=tmp_path / "offline")
    assert nothing_left(cache)


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_extraction_leaves_nothing(tmp_path, cache, monkeypatch, problem):
    archive = placed(tmp_path / "offline", wheel(CONTENT))

    def stop(source, target, size):
        target.write(b"half")
        raise problem

    monkeypatch.setattr(archives, "_copy", stop)
    expected = DownloadError if isinstance(problem, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as error:
        fetch(archive, offline=tmp_path / "offline")
    assert nothing_left(cache)
    if expected is DownloadError:
        assert "No space left on device" in str(error.value)


def test_a_cache_that_cannot_be_made_is_replaced_aloud_and_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.warns(UserWarning, match=r"file cannot be written, so .*zplus-.* is used: set ZPLUS_CACHE") as told:
        archive = placed(tmp_path / "offline", wheel(CONTENT))
        place = fetch(archive, offline=tmp_path / "offline")
    assert place.is_relative_to(tmp_path) and folder(archive) == place and len(told) == 1
    assert (place.parents[1].stat().st_mode & 0o077) == 0


def test_a_folder_that_others_can_write_is_no_replacement(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prepared = tmp_path / f"zplus-{os.getuid() if hasattr(os, 'getuid') else getpass.getuser()}"
    prepared.mkdir()
    prepared.chmod(0o777)
    with pytest.warns(UserWarning, match="cannot be written"):
        assert cache_folder() != prepared


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="users have numbers on POSIX alone")
def test_a_user_without_a_name_has_a_cache_too(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(getpass, "getuser", lambda: {}["uid not found"])  # as in a container
    with pytest.warns(UserWarning, match="cannot be written"):
        assert cache_folder() == tmp_path / f"zplus-{os.getuid()}"


def test_what_lies_in_a_cache_that_can_only_be_read_is_found(tmp_path, monkeypatch):
    (tmp_path / "cache" / "models").mkdir(parents=True)
    (tmp_path / "cache" / "models" / "a").write_text("")
    monkeypatch.setattr(cache_module, "writable", lambda folder: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cached("models", "a") == tmp_path / "cache" / "models" / "a"
    with pytest.warns(UserWarning, match="cannot be written"):
        assert not cached("models", "b").is_relative_to(tmp_path / "cache")


def test_no_network(cache):
    with pytest.raises(DownloadError, match=r"No matching distribution found .* set ZPLUS_ARCHIVES"):
        fetch(entry(b"", "pkg-1.0-py3-none-any.whl"))
    assert nothing_left(cache)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "expected SHA-256"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "disk is full"),
        ("error: Failed to fetch\n  Caused by: no route", "could not be fetched .Failed to fetch"),
        ("", "pip gave no reason"),
    ],
)
def test_what_pip_says(cache, monkeypatch, words, expected):
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", words))
    with pytest.raises(DownloadError, match=expected):
        fetch(entry(b"", "pkg-1.0-py3-none-any.whl"))
    assert nothing_left(cache)


def test_pip_is_asked_by_name_and_hash_and_its_file_is_checked(cache, monkeypatch):
    content, asked = wheel(CONTENT), []
    archive = entry(content, "pkg-1.0-py3-none-any.whl")

    def run(command, **options):
        asked.append((command, Path(command[-1]).read_text(encoding="utf-8")))
        assert not options.get("shell")
        got = Path(command[command.index("--dest") + 1])
        got.mkdir()
        (got / archive.filename).write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    lines: list[str] = []
    fetch(archive, lines.append)
    command, line = asked[0]
    assert line == f"pkg==1.0 --hash=sha256:{archive.sha256}\n"
    assert {"--no-deps", "--no-cache-dir", "--require-hashes"} < set(command)
    assert lines[0] == "Fetching pkg 1.0 (1 MB; MIT)"
    with pytest.raises(DownloadError, match="another file"):
        fetch(replace(archive, version="1.1", sha256="0" * 64))
    assert len(list((cache / "archives").iterdir())) == 1


def test_neither_pip_nor_uv(cache, monkeypatch):
    monkeypatch.setattr(archives, "_has_pip", lambda: False)
    monkeypatch.setattr(archives.shutil, "which", lambda name, path=None: None)
    with pytest.raises(DownloadError, match="ensurepip"):
        fetch(entry(b"", "pkg-1.0-py3-none-any.whl"))
    monkeypatch.setattr(archives.shutil, "which", lambda name, path=None: "/bin/uv")
    with pytest.raises(DownloadError, match="No matching distribution"):
        fetch(entry(b"", "pkg-1.0-py3-none-any.whl"))
    assert nothing_left(cache)


def test_what_was_not_fetched_is_required_in_vain():
    with pytest.raises(DownloadError, match="zplus pull"):
        require(entry(b"", "pkg-1.0-py3-none-any.whl"))


def test_no_setup_of_a_source_archive_is_run(cache, tmp_path, monkeypatch):
    """With the pip of this Python, which prepares what it downloads."""
    monkeypatch.undo()  # of what keeps tests from pip
    monkeypatch.setenv("ZPLUS_CACHE", str(cache))
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(tmp_path))):
        monkeypatch.setenv(name, value)
    told = f"open({str(tmp_path / 'run')!r}, 'w')\n".encode()
    content = source({f"pkg-1.0/{name}": x for name, x in (CONTENT | {"setup.py": told}).items()})
    archive = entry(content, "pkg-1.0.tar.gz")
    (tmp_path / archive.filename).write_bytes(content)
    assert (fetch(archive) / "b.txt").read_bytes() == CONTENT["pkg/b.txt"]
    assert not (tmp_path / "run").exists()
