"""The one reader and the one writer of safetensors files."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from points import generator_of, latent_at
from zplus.errors import ZplusError
from zplus.latent import save_latent
from zplus.spaces import make_space
from zplus.tensor_files import DAMAGE, DTYPES, MAX_KEYS, MAX_TENSORS, read_tensors, read_texts, write_tensors

WRITE = """
import sys, torch
from zplus.errors import sentence
from zplus.tensor_files import write_tensors
try:
    write_tensors(sys.argv[1], {"x": torch.ones(1_000_000)}, {"a": "b"})
except Exception as error:
    sys.exit(sentence(error))
"""


def write(path, header, size=0):
    content = json.dumps(header).encode() if not isinstance(header, bytes) else header
    path.write_bytes(len(content).to_bytes(8, "little") + content + b"\0" * size)
    return path


def part(shape=(0,), size=0):
    return {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_written_is_read_by_the_library_and_by_us(dtype, tmp_path):
    tensors = {
        "a": torch.arange(6).view(2, 3).to(dtype), "empty": torch.zeros(0, 3, dtype=dtype),
        "one": torch.ones((), dtype=dtype),
        "turned": torch.arange(6).view(2, 3).to(dtype).T, "wide": torch.ones(3, dtype=torch.float64),
    }  # fmt: skip
    write_tensors(tmp_path / "x", tensors, {"ü": "\n"})
    for found in (load_file(tmp_path / "x"), read_tensors(tmp_path / "x")):
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[name], x) and found[name].dtype == x.dtype for name, x in tensors.items())
    assert read_texts(tmp_path / "x") == {"ü": "\n"}


def test_equal_contents_give_equal_bytes(tmp_path):
    a, b = torch.zeros(2), torch.ones(3)
    write_tensors(tmp_path / "x", {"a": a, "b": b}, {f"k{i}": str(i) for i in range(20)})
    write_tensors(tmp_path / "y", {"b": b, "a": a}, {f"k{i}": str(i) for i in reversed(range(20))})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


@pytest.mark.parametrize(
    "header",
    [
        {f"t{i}": part() for i in range(MAX_TENSORS + 1)},
        {"__metadata__": {f"t{i}": "" for i in range(MAX_KEYS + 1)}},
        {"a": part([0] * 9)}, {"a" * 201: part()}, {"\x1b[2J": part()}, {"a\nb": part()}, {"a": part([1], 4)},
        {"a": {"shape": [0]}}, {"a": 3}, {"a": {"shape": 3}}, [], 3, None, {"__metadata__": 3},
        {"__metadata__": {"a": 1}},
        b'{"a":1,"a":1}', b"{" * 1000, b'{"__metadata__":{"k":"","k":""}}', b"",
    ],
    ids=lambda header: repr(header)[:30],
)  # fmt: skip
@pytest.mark.parametrize("read", [read_tensors, read_texts])
def test_headers_of_countless_or_odd_parts(header, read, tmp_path):
    path = write(tmp_path / "x", header)
    with pytest.raises(DAMAGE) as caught:
        read(path)
    assert len(str(caught.value)) < 400


def test_what_could_not_be_read_is_not_written(tmp_path):
    for tensors, texts in (
        ({f"t{i}": torch.zeros(0) for i in range(MAX_TENSORS + 1)}, {}), ({"a\n": torch.zeros(1)}, {}),
        ({}, {f"t{i}": "" for i in range(MAX_KEYS + 1)}), ({}, {"a": "x" * (5 << 20)}), ({}, {"a": "\ud800"}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"tensor|text|longer|surrogates"):
            write_tensors(tmp_path / "x", tensors, texts)
    assert list(tmp_path.iterdir()) == []


# Disks that are full


def assert_left_as_it_was(folder, words, told):
    assert words in told and "\n" not in told.strip() and "Traceback" not in told
    assert [path.name for path in folder.iterdir()] == ["x"] and (folder / "x").read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="POSIX limits")
def test_a_file_that_may_not_grow(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    limit = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + WRITE, tmp_path / "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert_left_as_it_was(tmp_path, "File too large", done.stderr)


@pytest.mark.skipif(sys.platform != "linux", reason="a file system of its own is Linux's")
def test_a_full_disk_is_said_as_a_full_disk(tmp_path):
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=100k none "$1" && printf old > "$1/x" && "$2" -c "$3" "$1/x" 2>&1; '
    script += 'ls -A "$1"; cat "$1/x"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path / "disk"), sys.executable, WRITE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip("mounting is not permitted")
    told, *left = done.stdout.splitlines()
    assert "the disk is full: free some space" in told
    assert left == ["x", "old"]


@pytest.mark.parametrize(
    ("number", "words"), [(28, "the disk is full"), (122, "the disk is full"), (30, "not permitted")]
)
def test_a_latent_that_a_disk_refuses(number, words, tmp_path, monkeypatch):
    latent = latent_at(make_space("w", generator_of("skip")))

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("zplus.files.os.replace", refuse)
    with pytest.raises(ZplusError, match=words):
        save_latent(latent, tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []
