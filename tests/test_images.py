"""Pictures of every kind come in as 8-bit sRGB or are refused in one sentence; what goes out is marked and whole."""

import errno
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin

from zplus import images
from zplus.errors import ImageError, ZplusError
from zplus.files import atomic
from zplus.images import SOURCE_TYPE, read_image, to_pixels, to_tensor, write_image
from zplus.workflow.callbacks import Callbacks, python_warnings

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".PNG")


def gradient(height: int = 48, width: int = 64) -> np.ndarray:
    """Smooth, asymmetric, colourful: survives JPEG, and shows when it is turned."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([40 + 2 * x, 60 + 3 * y, 200 - x - y], axis=-1).clip(0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str = "RGB", **options) -> Path:
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".ppm"])
def test_plain_pictures_are_read_as_they_are(tmp_path, suffix):
    assert (read_image(save(tmp_path / f"a{suffix}", gradient())) == gradient()).all()


def test_names_need_not_be_ascii_and_suffixes_may_lie(tmp_path):
    path = save(tmp_path / "Зоя ñ 顔.jpg", gradient(), format="PNG")
    assert (read_image(str(path)) == gradient()).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p.transpose(1, 0, 2), 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation](gradient())
    path = save(tmp_path / "a.png", np.ascontiguousarray(stored), exif=exif)
    assert (read_image(path) == gradient()).all()


def test_damaged_exif_is_passed_over(tmp_path):
    path = save(tmp_path / "a.jpg", gradient(), exif=b"Exif\x00\x00nonsense that is no TIFF header", quality=95)
    assert difference(read_image(path), gradient()) < 16


def test_grey_and_bilevel(tmp_path):
    assert (
        read_image(save(tmp_path / "a.png", gradient(), "L"))[..., 0] == read_image(tmp_path / "a.png")[..., 2]
    ).all()
    assert set(np.unique(read_image(save(tmp_path / "b.png", gradient(), "1")))) == {0, 255}


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_are_scaled_not_clipped(tmp_path, suffix):
    grey = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / f"a{suffix}")
    assert difference(read_image(tmp_path / f"a{suffix}")[..., 1], (grey / 257).round()) == 0


def test_floating_point_is_refused(tmp_path):
    Image.fromarray(np.zeros((48, 64), np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ImageError, match="floating-point"):
        read_image(tmp_path / "a.tiff")


def test_cmyk_becomes_rgb(tmp_path):
    assert difference(read_image(save(tmp_path / "a.jpg", gradient(), "CMYK", quality=95)), gradient()) < 24


def test_what_is_transparent_shows_white(tmp_path):
    alpha = np.zeros((48, 64, 4), np.uint8)
    alpha[:, 32:] = (200, 10, 20, 255)
    Image.fromarray(alpha).save(tmp_path / "a.png")
    Image.fromarray(alpha).quantize(8).save(tmp_path / "palette.png")
    for name in ("a.png", "palette.png"):
        pixels = read_image(tmp_path / name)
        assert pixels[0, 0].tolist() == [255, 255, 255]
        assert pixels[0, 40].tolist() == [200, 10, 20]


def test_palette_with_a_transparent_colour_and_without(tmp_path):
    image = Image.fromarray(
        np.where(np.arange(64)[None, :, None] < 32, 255, [[[9, 99, 199]]]).repeat(48, 0).astype("u1")
    )
    palette = image.quantize(4)
    palette.save(tmp_path / "a.gif")
    assert read_image(tmp_path / "a.gif")[0, 40].tolist() == [9, 99, 199]
    palette.save(tmp_path / "b.gif", transparency=palette.getpixel((40, 0)))
    assert read_image(tmp_path / "b.gif")[0, 40].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_of_an_animation_the_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **options)
    assert read_image(tmp_path / f"a{suffix}")[5, 5].tolist() == [255, 0, 0]


def test_an_embedded_profile_is_applied(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # meant for other channels
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (lab, srgb, b"nonsense"):
        assert (read_image(save(tmp_path / "a.png", gradient(), icc_profile=profile)) == gradient()).all()


def test_a_profile_with_red_and_blue_exchanged_is_honoured(tmp_path):
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile = bytes(profile).replace(b"sRGB", b"test").replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    red, blue = profile.find(b"rXYZ"), profile.find(b"bXYZ")
    swapped = bytearray(profile)
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    seen = read_image(save(tmp_path / "a.png", gradient(), icc_profile=bytes(swapped)))
    assert difference(seen, gradient()[..., ::-1]) < 4


def broken(path: Path, kind: str) -> Path:
    whole = save(path / "whole.jpg", np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).read_bytes()
    png = save(path / "whole.png", gradient()).read_bytes()
    content = {
        "text": b"dear diary, this is no picture",
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "damaged": png[:60] + bytes(40) + png[100:],
        "header only": whole[:4],
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n",
    }
    (path / "a.jpg").write_bytes(content[kind])
    return path / "a.jpg"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("text", "not a picture"),
        ("empty", "is empty"),
        ("truncated", "damaged or cut short"),
        ("damaged", "damaged or cut short"),
        ("header only", "damaged|not a picture"),
        ("postscript", "not a picture"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path, kind, says):
    with pytest.raises(ImageError, match=says) as caught:
        read_image(broken(tmp_path, kind))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"), [("none.jpg", "does not exist"), ("", "folder"), ("a\0b", "name"), ("x" * 300, "name")]
)
def test_what_is_no_file_is_refused(tmp_path, name, says):
    with pytest.raises(ImageError, match=says):
        read_image(tmp_path / name)


def test_a_tiny_picture_is_refused(tmp_path):
    with pytest.raises(ImageError, match="only 31 x 100 pixels"):
        read_image(save(tmp_path / "a.png", gradient(100, 31)))
    assert read_image(tmp_path / "a.png", min_side=31).shape == (100, 31, 3)


def bomb(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(10_000, 10_000), (100_000, 100_000), (20_000, 40)])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, size, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    (tmp_path / "a.png").write_bytes(bomb(*size))
    with pytest.raises(ImageError, match="make it smaller"):
        read_image(tmp_path / "a.png")


def blank(path, size, mode="RGB", **options):
    Image.new(mode, size, (200,) * len(mode) if len(mode) > 1 else 0).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [("a.webp", "RGB", {"lossless": True}), ("a.webp", "RGBA", {"lossless": True}), ("a.png", "1", {}),
     ("a.png", "P", {"transparency": 0}), ("a.gif", "P", {})],
)  # fmt: skip
def test_a_large_picture_in_a_few_bytes_is_refused_before_it_is_decoded(name, mode, options, tmp_path, monkeypatch):
    path = blank(tmp_path / name, (5000, 4000), mode, **options)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(images.Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ImageError, match="5000 x 4000 pixels in few bytes"):
        read_image(path)


def test_large_pictures_of_one_colour_from_cameras_are_read(tmp_path):
    assert read_image(blank(tmp_path / "a.jpg", (4000, 2500))).shape == (2500, 4000, 3)
    assert read_image(blank(tmp_path / "a.webp", (2000, 2000), lossless=True)).shape == (2000, 2000, 3)


MEASURE = """
import resource, sys
from pathlib import Path
from zplus.images import read_image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pixels = read_image(sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (pixels.size / 3))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize(("name", "mode"), [("a.jpg", "RGB"), ("a.png", "RGBA"), ("a.png", "I;16")])
def test_a_large_picture_takes_eight_bytes_a_pixel(name, mode, tmp_path):
    """As it is stored by Pillow, up to four, and as pixels, three."""
    channels, kind = {"RGB": (3, np.uint8), "RGBA": (4, np.uint8), "I;16": (1, np.uint16)}[mode]
    coarse = np.random.default_rng(0).integers(0, 256, (100, 125, channels), kind)
    Image.fromarray(coarse.repeat(40, 0).repeat(40, 1).squeeze()).save(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / name)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 9


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    paths = [blank(tmp_path / f"{i}.jpg", (4000, 2500)) for i in range(3)]
    inside, most, load = [], [], JpegImagePlugin.JpegImageFile.load

    def counted(self, *arguments):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        found = load(self, *arguments)
        inside.pop()
        return found

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", counted)
    with ThreadPoolExecutor(3) as pool:
        assert [x.shape for x in pool.map(read_image, paths)] == [(2500, 4000, 3)] * 3
    assert max(most) == 1


@pytest.mark.parametrize("orientation", range(1, 10))
@pytest.mark.parametrize("size", [(300, 700), (700, 300)])
def test_orientation_of_pictures_in_several_bands(orientation, size, tmp_path):
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(read_image(tmp_path / "a.png"), expected)


def test_the_limit_can_be_set(tmp_path):
    with pytest.raises(ImageError, match=r"0\.001 million"):
        read_image(save(tmp_path / "a.png", gradient()), max_pixels=1000)


def test_pixels_to_tensor_and_back_is_exact():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    tensor = to_tensor(pixels)
    assert tensor.shape == (1, 3, 16, 16) and tensor.dtype == torch.float32
    assert (tensor.min(), tensor.max()) == (-1, 1)
    assert (to_pixels(tensor[0]) == pixels).all()
    assert (to_pixels(tensor[0] + 0.49 / 127.5) == pixels).all()
    assert to_pixels(torch.tensor([-9.0, 9.0, 0.0]).reshape(3, 1, 1)).tolist() == [[[0, 255, 128]]]


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 3, 4, 4), (4, 4, 3), (3, 4)])
def test_what_is_not_one_image_is_no_pixels(shape):
    with pytest.raises(ImageError, match=r"takes one image \[3,H,W\], got \["):
        to_pixels(torch.zeros(shape))


def source_type(path: Path) -> str:
    with Image.open(path) as image:
        packet = image.info["xmp"]
    root = ElementTree.fromstring(packet if isinstance(packet, str) else packet.decode())
    return root.find(".//{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType").text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_written_picture_is_marked(tmp_path, suffix):
    path = tmp_path / f"лицо{suffix}"
    write_image(path, gradient(), note="smile=1 <b>&\x00")
    assert source_type(path) == SOURCE_TYPE
    assert difference(read_image(path), gradient()) <= (0 if suffix.lower() == ".png" else 12)
    with Image.open(path) as image:
        assert not image.getexif()
        if image.format == "PNG":
            assert image.text["Software"].startswith("zplus ")
            assert image.text["Comment"].startswith("Edited by a generative model: smile=1")
        if image.format == "JPEG":
            assert image.info["comment"].startswith(b"Edited by a generative model")
            assert [component[1:3] for component in image.layer] == [(1, 1)] * 3  # 4:4:4
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_place_where_a_photo_was_taken_is_dropped(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    exif[0x010F] = "SECRETCAMERA"
    path = save(tmp_path / "in.jpg", gradient(), exif=exif)
    assert b"SECRETCAMERA" in path.read_bytes()
    for suffix in SUFFIXES[:4]:
        write_image(tmp_path / f"out{suffix}", read_image(path))
        with Image.open(tmp_path / f"out{suffix}") as image:
            assert not image.getexif().get_ifd(0x8825)
        assert b"SECRETCAMERA" not in (tmp_path / f"out{suffix}").read_bytes()


def test_a_written_picture_is_refused_by_name(tmp_path):
    for name in ("a.bmp", "a", "a.jpg.txt"):
        with pytest.raises(ImageError, match=r"\.png, \.jpg, \.jpeg, \.webp"):
            write_image(tmp_path / name, gradient())


@pytest.mark.parametrize(("name", "most"), [("a.jpg", 65_500), ("a.webp", 16_383)])
def test_a_side_that_a_format_cannot_hold_is_refused(tmp_path, name, most):
    with pytest.raises(ImageError, match=f"holds at most {most} pixels a side, got {most + 1}: take PNG"):
        write_image(tmp_path / name, np.zeros((1, most + 1, 3), np.uint8))


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "not permitted"), (errno.EIO, "cannot be written")],
)
def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path, monkeypatch, number, says):
    write_image(tmp_path / "a.png", gradient())
    before = (tmp_path / "a.png").read_bytes()

    def fail(self, path, **options):
        Path(path).write_bytes(b"half")
        raise OSError(number, "the disk says no")

    monkeypatch.setattr(images.Image.Image, "save", fail)
    with pytest.raises(ImageError, match=says):
        write_image(tmp_path / "a.png", gradient())
    assert (tmp_path / "a.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_folder_and_a_folder_as_target_are_refused(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        write_image(tmp_path / "none" / "a.png", gradient())
    (tmp_path / "b.png").mkdir()
    with pytest.raises(ImageError, match="not a file"):
        write_image(tmp_path / "b.png", gradient())


def test_atomic_keeps_the_old_file_when_interrupted(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), atomic(target) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert target.read_text(encoding="utf-8") == "old"


def test_atomic_speaks_of_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(ZplusError, match="cannot be written"), atomic(tmp_path / ("x" * 300)) as temporary:
        temporary.write_text("text", encoding="utf-8")
    assert not list(tmp_path.iterdir())


def test_atomic_says_that_a_parent_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ZplusError, match="does not exist: make it first"), atomic(tmp_path / "file" / "out.txt"):
        pass


def test_atomic_follows_links(tmp_path):
    (tmp_path / "real").mkdir()
    try:
        (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    except OSError:
        pytest.skip("links cannot be made here")
    with atomic(tmp_path / "link.txt") as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert (tmp_path / "real" / "a.txt").read_text(encoding="utf-8") == "new"
    assert (tmp_path / "link.txt").is_symlink()


def test_no_warning_escapes(tmp_path, monkeypatch):
    def warn(*_):
        warnings.warn_explicit("corrupt EXIF data", UserWarning, "Image.py", 1, module="PIL.Image")
        return {0x0112: 6}

    monkeypatch.setattr(Image.Image, "getexif", warn)
    assert read_image(save(tmp_path / "a.png", gradient())).shape == (64, 48, 3)  # it is not taken for damage


def test_reading_leaves_the_warnings_of_other_threads_alone(monkeypatch):
    decode, seen = images._decode, []
    monkeypatch.setattr(images, "_decode", lambda *given: seen.append(warnings.filters) or decode(*given))
    read_image(images.example_photo())
    assert seen[0] is warnings.filters


def test_what_a_decoder_wonders_at_is_no_warning_for_the_user():
    heard = []
    with python_warnings(Callbacks(warn=heard.append)):
        warnings.warn_explicit(
            "Truncated File Read", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin"
        )
        warnings.warn("the face is small", stacklevel=1)
    assert heard == ["the face is small"]
