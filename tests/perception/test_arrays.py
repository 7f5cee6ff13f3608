"""The reader of arrays: what numpy writes is read, everything else is refused by name and nothing runs."""

import os
import pickle

import numpy as np
import pytest

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.arrays import read_arrays

ARRAYS = {
    "net": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "bias": np.array([1, -2], dtype=">i4")},
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), dtype=np.float16),
}


def written(path, value, protocol=4):
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", range(3, 5))
def test_reads_what_numpy_writes(tmp_path, protocol):
    found = read_arrays(written(tmp_path / "x.ckpt", ARRAYS, protocol))
    assert sorted(found) == ["empty", "flags", "fortran", "net/bias", "net/kernel"]
    for name, expected in {**ARRAYS["net"], **{k: v for k, v in ARRAYS.items() if k != "net"}}.items():
        got = found.get(name, found.get(f"net/{name}"))
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


def test_reads_the_older_name_of_numpys_function(tmp_path):
    content = pickle.dumps(ARRAYS, 3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert len(read_arrays(written(tmp_path / "x.ckpt", content))) == 5


class Evil:
    def __reduce__(self):
        return os.system, ("echo evil > evil.txt",)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Evil(), r"(posix|nt)\.system"),
        ({"a": np.ones(2), "b": Evil()}, r"(posix|nt)\.system"),
        ({"a": np.float64(2)}, r"multiarray\.scalar"),
        (b"cbuiltins\neval\n(S'1'\ntR.", r"builtins\.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", r"numpy\.load"),
    ],
)
def test_any_other_global_is_refused_by_name(tmp_path, monkeypatch, value, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=name):
        read_arrays(written(tmp_path / "x.ckpt", value))
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("value", [[np.ones(2)], {"a": "text"}, {"a": 3}, None])
def test_anything_but_arrays_is_refused(tmp_path, value):
    with pytest.raises(CheckpointError, match="refused"):
        read_arrays(written(tmp_path / "x.ckpt", value))


def test_arrays_of_objects_are_refused(tmp_path):
    with pytest.raises(CheckpointError):
        read_arrays(written(tmp_path / "x.ckpt", {"a": np.array([{}], dtype=object)}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04",
        pickle.dumps(ARRAYS)[:-40],
        b"text",
        b"]r\xff\xff\xff\x7f.",  # LONG_BINPUT: a memo of two thousand million places
        b"cnumpy\nndarray\n)R.",  # an array without content
        pickle.dumps(ARRAYS).replace(b"\x4b\x02\x4b\x03\x4b\x04", b"\x4b\x02\x4b\x03\x4b\xff"),  # shape and content
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content):
    with pytest.raises(CheckpointError):
        read_arrays(written(tmp_path / "x.ckpt", content))


def test_a_missing_file(tmp_path):
    with pytest.raises(CheckpointError):
        read_arrays(tmp_path / "nothing.ckpt")
