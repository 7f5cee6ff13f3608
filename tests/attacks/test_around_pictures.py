"""Pictures and films that are made to take much more memory or time than their size."""

import io
import os
import struct
import tracemalloc
import zlib
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from zplus.errors import ImageError
from zplus.image_limits import MAX_BYTES, MAX_EXIF, Patient, is_plain_profile
from zplus.images import _profiled, read_image
from zplus.video import film_frames

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def picture(kind, **options):
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, kind, **options)
    return content.getvalue()


def entries(count, block, first=1000):
    """A TIFF's directory whose entries all name the same block, and an orientation of 6."""
    turned = struct.pack("<HHLHH", 0x0112, 3, 1, 6, 0)
    at = 8 + 2 + 12 * (count + 1) + 4
    many = b"".join(struct.pack("<HHLL", first + i, 7, block, at) for i in range(count))
    return b"II*\0" + struct.pack("<LH", 8, count + 1) + turned + many + b"\0" * (4 + block)


def tiled(side):
    """A TIFF of one tile."""
    tags = {
        256: 64,
        257: 64,
        258: 8,
        259: 1,
        262: 2,
        277: 3,
        322: side,
        323: side,
        324: 8 + 2 + 10 * 12 + 4,
        325: 3 * 64 * 64,
    }
    many = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<LH", 8, len(tags)) + many + b"\0" * 4 + PIXELS.tobytes()


def with_exif(kind, exif):
    if kind == "PNG":
        plain = picture("PNG")
        chunk = b"eXIf" + exif
        return plain[:33] + struct.pack(">L", len(exif)) + chunk + struct.pack(">L", zlib.crc32(chunk)) + plain[33:]
    return picture(kind, exif=exif)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_that_names_the_same_bytes_again_and_again_turns_nothing(kind, tmp_path):
    for count, block, turned in ((3, 100, True), (50, MAX_EXIF, False)):
        (tmp_path / "a").write_bytes(with_exif(kind, entries(count, block)))
        found = read_image(tmp_path / "a").astype(int)
        right = np.rot90(PIXELS, 3) if turned else PIXELS
        assert np.abs(found - right).mean() < np.abs(found - right[::-1]).mean()


def test_exif_of_a_jpeg_in_many_parts(tmp_path):
    plain, exif = picture("JPEG"), entries(20, 40_000)
    part = b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif
    (tmp_path / "a.jpg").write_bytes(plain[:2] + part + plain[2:])
    read_image(tmp_path / "a.jpg")
    for filled in (part, b"\xff" + part, b"\xff\xd0" + part):
        (tmp_path / "a.jpg").write_bytes(plain[:2] + 4 * filled + plain[2:])
        with pytest.raises(ImageError, match="far too many parts"):
            read_image(tmp_path / "a.jpg")


def test_a_jpeg_of_countless_scans(tmp_path):
    plain = picture("JPEG", progressive=True)
    assert 1 < plain.count(b"\xff\xda") < 20
    end = plain.rindex(b"\xff\xd9")
    empty = b"\xff\xda" + struct.pack(">H", 8) + b"\x01\x01\0\x01\x3f\0" + b"\0"
    for more in (empty, b"garbage" + empty, b"\xff" + empty):
        (tmp_path / "a.jpg").write_bytes(plain[:end] + 300 * more + plain[end:])
        with pytest.raises(ImageError, match="far too many parts"):
            read_image(tmp_path / "a.jpg")


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture("JPEG"))
    os.truncate(tmp_path / "a.jpg", MAX_BYTES + 1)  # zeros that take no room on the disk
    with pytest.raises(ImageError, match=r"a.jpg has 1.1 GB"):
        read_image(tmp_path / "a.jpg")


def test_a_photo_with_a_film_behind_it_is_no_attack(tmp_path):
    film = np.random.default_rng(0).bytes(1_000_000) + 300 * b"\xff\xda\0\x08"
    (tmp_path / "a.jpg").write_bytes(picture("JPEG", exif=entries(2, 1000)) + film)
    assert read_image(tmp_path / "a.jpg").shape == (64, 64, 3)


def test_a_file_is_not_read_many_times_over():
    file = Patient(io.BytesIO(b"\0" * 100_000), 100_000)
    for _ in range(10):
        file.seek(0)
        assert len(file.read()) == 100_000
    with pytest.raises(ValueError, match="parts"):
        for _ in range(10):
            file.seek(0)
            file.read()


def test_tiles_larger_than_the_picture(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiled(64))
    assert (read_image(path) == PIXELS).all()
    path.write_bytes(tiled(16_000))
    with pytest.raises(ImageError, match="tiles"):
        read_image(path)


def test_a_tile_whose_width_is_a_text(tmp_path):
    """The product of a text and a number is the text so many times."""
    path, content, place = tmp_path / "a.tif", tiled(64), 8 + 2 + 10 * 12 + 4
    for old, new in (
        ((322, 4, 1, 64), (322, 2, 999, place)),  # 999 letters
        ((323, 4, 1, 64), (323, 4, 1, 60_000)),
        ((324, 4, 1, place), (273, 4, 1, place)),  # strips instead of tiles
        ((325, 4, 1, 3 * 64 * 64), (279, 4, 1, 3 * 64 * 64)),
    ):
        content = content.replace(struct.pack("<HHLL", *old), struct.pack("<HHLL", *new))
    path.write_bytes(content)
    tracemalloc.start()
    assert (read_image(path) == PIXELS).all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_profile_of_countless_matrices_is_passed_over(monkeypatch):
    head = b"\0" * 200 + b"mpet" + b"\0" * 8
    assert is_plain_profile(head + struct.pack(">L", 3)) and not is_plain_profile(head + struct.pack(">L", 500))
    rgb = _profiled(head + struct.pack(">L", 500))(Image.new("RGB", (4, 4), "red"))
    assert rgb.getpixel((0, 0)) == (255, 0, 0)


def test_a_film_with_one_huge_frame(tmp_path):
    av = pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    packets = []
    for side in (64, 64, 9000):
        with av.open(str(tmp_path / f"{side}.avi"), "w", format="avi") as container:
            stream = container.add_stream("mjpeg", rate=Fraction(5))
            stream.width, stream.height, stream.pix_fmt = side, side, "yuvj420p"
            frame = av.VideoFrame.from_ndarray(np.zeros((side, side, 3), np.uint8), format="rgb24")
            packets += [bytes(packet) for packet in [*stream.encode(frame), *stream.encode()]]
    path = tmp_path / "film.avi"
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(5))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for i, content in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, Fraction(1, 5)
            container.mux(packet)
    shown = []
    with pytest.raises(ImageError, match=r"damaged|changes its size"):
        shown.extend(film_frames(path))
    assert all(frame.pixels.shape == (64, 64, 3) for frame in shown)
