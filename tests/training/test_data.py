"""Reading pictures to learn from, their order, and what is refused."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import picture
from zplus.errors import ImageError, ZplusError
from zplus.training import data
from zplus.training.data import Pictures, read_pictures, to_batch
from zplus.training.stream import batches


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        picture(tmp_path / "set" / f"{i}.png", seed=i, height=32, width=32)
    return tmp_path / "set"


def zipped(folder):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, f"deep/{file.name}")
    return path


def test_a_zip_is_read_as_its_folder(folder):
    (folder / "notes.txt").write_text("none")
    (folder / ".hidden.png").write_bytes(b"none")
    found, other = read_pictures(folder), read_pictures(zipped(folder))
    assert found.train.shape == (6, 32, 32, 3) and found.resolution == 32
    assert np.array_equal(found.train, other.train) and found.fingerprint == other.fingerprint
    assert np.array_equal(found.train[2], np.asarray(Image.open(folder / "2.png")))


def test_the_last_are_held_out(folder):
    whole, parted = read_pictures(folder), read_pictures(folder, holdout=2)
    assert np.array_equal(parted.train, whole.train[:4]) and np.array_equal(parted.held_out, whole.train[4:])
    with pytest.raises(ZplusError, match="6 of 6 pictures cannot be held out"):
        read_pictures(folder, holdout=6)


def test_pictures_are_cut_to_their_centre(tmp_path):
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, 16:48] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    found = read_pictures(tmp_path, 8)
    assert found.train.shape == (1, 8, 8, 3) and (found.train == 200).all()


def test_every_epoch_shows_each_picture_once_in_its_own_order():
    pictures = Pictures(np.arange(10, dtype=np.uint8).repeat(3 * 16).reshape(10, 4, 4, 3), np.empty((0, 4, 4, 3), "u1"))
    shown = np.concatenate([batch[:, 0, 0, 0] for batch in batches(pictures, 3, 4, range(10))])
    epochs = shown.reshape(4, 10)
    assert (np.sort(epochs) == np.arange(10)).all()
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 4
    assert (next(batches(pictures, 3, 4, range(7, 10)))[:, 0, 0, 0] == shown[28:32]).all()
    assert (next(batches(pictures, 4, 10, range(1)))[:, 0, 0, 0] != shown[:10]).any()


def test_a_batch_is_in_range_and_channels_last():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    batch = to_batch(pixels)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert float(to_batch(np.full((1, 8, 8, 3), 255, np.uint8)).min()) == 1.0
    assert torch.equal(((batch + 1) * 127.5).round().byte().permute(0, 2, 3, 1), torch.from_numpy(pixels))


def test_a_damaged_picture_is_named(folder):
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    for source, name in ((folder, "3.png"), (zipped(folder), "set.zip/deep/3.png")):
        with pytest.raises(ImageError, match="damaged") as caught:
            read_pictures(source)
        assert name in str(caught.value) and "picture.png" not in str(caught.value)


def test_a_damaged_zip_is_named(folder):
    path = zipped(folder)
    whole = bytearray(path.read_bytes())
    whole[60:90] = bytes(30)
    path.write_bytes(whole)
    with pytest.raises(ImageError, match=r"set\.zip/deep/\d\.png cannot be unpacked"):
        read_pictures(path)
    path.write_bytes(whole[:-30])
    with pytest.raises(ImageError, match=r"set\.zip is neither a folder nor a zip"):
        read_pictures(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_unpacks_more_than_one_asks_for_is_refused(method, folder):
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w", method) as archive:
        archive.write(folder / "0.png", "0.png")
    with pytest.raises(ImageError, match="packed in a rare way"):
        read_pictures(folder.with_suffix(".zip"))


def test_a_zip_of_countless_files_is_not_listed_and_one_with_a_comment_is(folder, monkeypatch):
    path = zipped(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"made by hand"
    assert read_pictures(path).train.shape == (6, 32, 32, 3)
    monkeypatch.setattr(data, "MAX_LIST", 6 * 50)
    with pytest.raises(ImageError, match="lists more files"):
        read_pictures(path)


def test_a_damaged_picture_of_a_zip_is_left_out_and_named(folder):
    path = zipped(folder)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("deep/2.png")
    content[place.header_offset + 60] ^= 255  # in its data, so that the checksum is wrong
    path.write_bytes(content)
    told = []
    found = read_pictures(path, warn=told.append)
    assert len(found.train) == 5 and len(told) == 1 and "deep/2.png" in told[0]
    with pytest.raises(ImageError, match=r"deep/2\.png"):
        read_pictures(path)


def test_where_no_picture_can_be_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(ImageError, match="None of the 1 pictures"):
        read_pictures(tmp_path, warn=lambda line: None)


def test_what_would_unpack_to_too_much_is_refused(folder, monkeypatch):
    monkeypatch.setattr(data, "LARGEST", 100)
    with pytest.raises(ImageError, match=r"set\.zip/deep/0\.png has more than"):
        read_pictures(zipped(folder))


def test_each_reason_is_told_once_with_the_first_names(folder):
    for i in range(7):
        (folder / f"cut{i}.png").write_bytes((folder / "1.png").read_bytes()[: 100 + 20 * i])
    for i in range(2):
        picture(folder / f"small{i}.png", height=5 + i, width=64)
    told = []
    assert len(read_pictures(folder, warn=told.append).train) == 6
    cut, small = told
    assert cut.startswith(f"7 left out: {folder / 'cut0.png'} is damaged or cut short")
    assert all(f"cut{i}.png" in cut for i in range(4)) and cut.endswith("cut3.png and 3 more.")
    assert small.startswith("2 left out:") and "only 64 x 5 pixels" in small and small.endswith("small1.png.")


@pytest.mark.parametrize("side", [8, 16])
def test_small_pictures_are_learnt_from(tmp_path, side):
    picture(tmp_path / "a.png", height=side, width=side)
    assert read_pictures(tmp_path).train.shape == (1, side, side, 3)
    picture(tmp_path / "b.png", height=7, width=7)
    with pytest.raises(ImageError, match=r"b\.png is only 7 x 7 pixels: use a picture of 8 a side"):
        read_pictures(tmp_path)


def test_where_there_are_no_pictures(tmp_path):
    with pytest.raises(ImageError, match="holds no pictures"):
        read_pictures(tmp_path)
    with pytest.raises(ImageError, match="There is no"):
        read_pictures(tmp_path / "none")


def test_a_size_that_no_generator_has_is_refused(tmp_path):
    picture(tmp_path / "odd.png", height=48, width=64)
    with pytest.raises(ZplusError, match=r"Pictures of 48 px cannot be learnt \(.*odd\.png\)"):
        read_pictures(tmp_path)
    assert read_pictures(tmp_path, 16).resolution == 16
