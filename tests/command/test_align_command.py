"""`zplus align`, and what it says to pictures that are none or show no face."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from command_line import ASTRONAUT, assert_refused, leftovers, needs_faces, picture
from zplus.images import read_image


def header_only(path, side):
    """A PNG that claims to be side x side pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")]
    path.write_bytes(b"".join(content))


def make_text(path):
    path.write_text("I am no picture", encoding="utf-8")


def make_cut(path):
    picture(path.with_suffix(".png"), height=300, width=300)
    path.write_bytes(path.with_suffix(".png").read_bytes()[:3000])


BAD = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "text": make_text,
    "cut short": make_cut,
    "tiny": lambda path: picture(path, height=8, width=8),
    "bomb": lambda path: header_only(path, 60_000),
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_pictures_are_refused_in_a_sentence(zplus, tmp_path, kind):
    path = tmp_path / "photo.png"
    BAD[kind](path)
    result = zplus("align", path, "-o", tmp_path / "out.png")
    assert_refused(result)
    assert str(path) in result.err and not (tmp_path / "out.png").exists() and not leftovers(tmp_path)


@needs_faces
def test_no_face(zplus, tmp_path):
    result = zplus("align", picture(tmp_path / "sky.png", height=200, width=200), "-o", tmp_path / "out.png")
    assert_refused(result)
    assert "sky.png: No face was found" in result.err and not (tmp_path / "out.png").exists()


@pytest.fixture
def two_faces(tmp_path):
    """The astronaut twice, once smaller."""
    with Image.open(ASTRONAUT) as image:
        large = image.convert("RGB")
    small = large.resize((400, 400))
    both = Image.new("RGB", (912, 512), "white")
    both.paste(large, (0, 0))
    both.paste(small, (512, 60))
    both.save(tmp_path / "two.png")
    return tmp_path / "two.png"


@needs_faces
def test_several_faces(zplus, two_faces, tmp_path):
    quads = []
    for face in (0, 1):
        result = zplus("align", two_faces, "-o", tmp_path / f"{face}.jpg", "--face", face, "--size", 256, "--json")
        assert result.code == 0 and "2 faces were found" in result.err
        assert read_image(tmp_path / f"{face}.jpg").shape == (256, 256, 3)
        quads.append(np.array(result.json["quad"]))
    assert np.ptp(quads[0][:, 0]) > np.ptp(quads[1][:, 0]) and quads[1][:, 0].min() > 500
    refused = zplus("align", two_faces, "-o", tmp_path / "none.png", "--face", "2")
    assert_refused(refused)
    assert "There is no face 2" in refused.err


@needs_faces
def test_what_is_written_says_what_it_is(zplus, tmp_path):
    assert zplus("align", ASTRONAUT, "-o", tmp_path / "a.png", "--size", "128").code == 0
    with Image.open(tmp_path / "a.png") as image:
        assert "compositeWithTrainedAlgorithmicMedia" in image.info["XML:com.adobe.xmp"]
