"""Sets too large for memory: the same pictures in the same order as in memory, whatever process reads them."""

import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from command_line import picture
from zplus.errors import ImageError, ZplusError
from zplus.training import stream
from zplus.training.data import Pictures, read_pictures
from zplus.training.stream import StreamedPictures, batches, open_pictures


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path):
    for i in range(9):
        picture(tmp_path / "set" / f"{i}.png", seed=i, height=16, width=20)
    (tmp_path / "set" / "4.png").write_bytes((tmp_path / "set" / "4.png").read_bytes()[:200])
    if request.param == "folder":
        return tmp_path / "set"
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in (tmp_path / "set").iterdir():
            archive.write(file, file.name)
    return tmp_path / "set.zip"


@pytest.fixture
def streamed(monkeypatch):
    """Sets of more than five pictures stay in their files, which this process reads."""
    monkeypatch.setattr(stream, "MAX_HELD", 5)
    monkeypatch.setattr(stream, "WORKERS", 0)


def opened(source, **options):
    told = []
    found = open_pictures(source, warn=told.append, **options)
    return found, told


def test_a_large_set_stays_in_its_files(source, streamed):
    found, told = opened(source)
    assert isinstance(found, StreamedPictures) and (len(found), found.resolution) == (8, 16)
    assert len(pickle.dumps(found)) < found[0].nbytes * len(found)
    assert len(told) == 1 and told[0].startswith("1 left out:") and "4.png" in told[0]


@pytest.mark.parametrize(("name", "value"), [("MAX_HELD", 5), ("IN_MEMORY", 9 * 16 * 16 * 3 - 1)])
def test_what_is_large(source, monkeypatch, name, value):
    assert isinstance(opened(source)[0], Pictures)
    monkeypatch.setattr(stream, name, value)
    assert isinstance(opened(source)[0], StreamedPictures)


def test_it_gives_the_batches_that_it_would_from_memory(source, streamed):
    found = replace(opened(source, holdout=1)[0], workers=2)
    held = read_pictures(source, holdout=1, warn=lambda line: None)
    assert len(found) == len(held) == 7
    expected = list(batches(held, 3, 4, range(6)))
    assert np.array_equal(list(batches(found, 3, 4, range(6))), expected)
    assert np.array_equal(list(batches(found, 3, 4, range(4, 6))), expected[4:])
    parts = [list(batches(found, 3, 4, range(6), rank, 2)) for rank in (0, 1)]
    assert np.array_equal(np.stack(parts, 2).reshape(6, 4, 16, 16, 3), expected)


def test_reading_draws_no_random_numbers(source, streamed):
    before = torch.get_rng_state()
    list(batches(opened(source)[0], 0, 4, range(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_fingerprint_is_of_the_pictures(source, streamed):
    found = [opened(source, **options)[0].fingerprint for options in ({}, {}, {"holdout": 1}, {"resolution": 8})]
    assert found[0] == found[1] and len(set(found)) == 3


def test_what_is_damaged_is_named(source, streamed):
    with pytest.raises(ImageError, match=r"4\.png is damaged"):
        open_pictures(source)
    with pytest.raises(ZplusError, match="8 of 8 pictures cannot be held out"):
        opened(source, holdout=8)


def test_a_file_that_is_gone_is_named_without_a_traceback(source, streamed):
    found, _ = opened(source)
    if source.suffix == ".zip":
        source.unlink()
    else:
        (source / "7.png").unlink()
    with pytest.raises(ImageError, match=r"set") as caught:
        list(batches(found, 0, 8, range(1)))
    assert "Traceback" not in str(caught.value) and "worker" not in str(caught.value)
