"""What counts as a photo, and the smallest generators that one can be inverted with."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from points import generator_of, latent_at, photos_of
from tiny import tiny_stylegan2
from zplus.errors import ImageError, UnknownNameError, ZplusError
from zplus.execution import EAGER
from zplus.images import as_batch, to_pixels
from zplus.inversion import invert, methods
from zplus.spaces import make_space, render

BRIEF = {"steps": 2, "lpips_size": 32, "candidates": 1, "execution": EAGER}


@pytest.fixture(autouse=True)
def _random_lpips(lpips, monkeypatch):
    monkeypatch.setattr(methods, "shared_lpips", lambda device: lpips)


def pixels_of(photos: torch.Tensor) -> np.ndarray:
    """uint8 [N,H,W,3]."""
    return np.stack([to_pixels(photo) for photo in photos])


GIVEN = {
    "tensor": lambda x: x,
    "half": lambda x: x.half(),
    "double": lambda x: x.double(),
    "array": lambda x: x.numpy(),
    "array of float16": lambda x: x.numpy().astype(np.float16),
    "array of float64": lambda x: x.numpy().astype(np.float64),
    "pixels": pixels_of,
    "tensor of pixels": lambda x: torch.from_numpy(pixels_of(x)),
    "list of tensors": list,
    "tuple of pixels": lambda x: tuple(pixels_of(x)),
    "list of Pillow images": lambda x: [Image.fromarray(one) for one in pixels_of(x)],
    "list of all kinds": lambda x: [x[0].numpy(), Image.fromarray(pixels_of(x)[1])],
}
ONE = {
    "tensor": lambda x: x,
    "array": lambda x: x.numpy(),
    "pixels": to_pixels,
    "Pillow image": lambda x: Image.fromarray(to_pixels(x)),
    "with transparency": lambda x: Image.fromarray(to_pixels(x)).convert("RGBA"),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_photos_of_every_kind_are_the_same_photos(kind):
    """The loss at the first step is that of the tensors, up to an 8-bit level and half precision."""
    generator, losses = generator_of("skip"), []
    photos = photos_of(generator)
    for given in (photos, GIVEN[kind](photos)):
        latent = invert(generator, given, "w+", callback=lambda p: losses.append(p.loss), **BRIEF)
        assert len(latent) == 2
    torch.testing.assert_close(losses[2], losses[0], rtol=0.02, atol=0)


@pytest.mark.parametrize("kind", ONE)
def test_a_photo_of_every_kind_is_one_row(kind):
    generator, losses = generator_of("skip"), []
    photos = photos_of(generator)
    for given in (photos[:1], ONE[kind](photos[0])):
        latent = invert(generator, given, "w+", callback=lambda p: losses.append(p.loss), **BRIEF)
        assert len(latent) == 1
    torch.testing.assert_close(losses[2], losses[0], rtol=0.02, atol=0)


def test_a_photo_of_one_colour_in_grey_is_in_three():
    generator, grey = generator_of("skip"), Image.new("L", (32, 32), 77)
    first = []
    for given in (grey, grey.convert("RGB")):
        invert(generator, given, "w+", callback=lambda p: first.append(p.loss), **BRIEF)
    assert torch.equal(first[0], first[2])


REFUSED = {
    "floats [N,H,W,3]": np.zeros((2, 32, 32, 3), np.float32),
    "floats [H,W,3]": torch.zeros(32, 32, 3),
    "floats [H,W]": torch.zeros(32, 32),
    "floats [N,4,H,W]": torch.zeros(1, 4, 32, 32),
    "pixels [3,H,W]": np.zeros((3, 32, 32), np.uint8),
    "pixels [H,W,4]": np.zeros((32, 32, 4), np.uint8),
    "integers": np.zeros((1, 3, 32, 32), np.int64),
    "integers [H,W,3]": np.zeros((32, 32, 3), np.int32),
    "truth": np.zeros((1, 3, 32, 32), bool),
    "a name": "photo.png",
    "names": ["photo.png"],
    "nothing": [],
    "several sizes": [torch.zeros(3, 32, 32), torch.zeros(3, 16, 16)],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_photo_is_refused(kind):
    with pytest.raises(ImageError, match=r"^Images (are .*: give floats \[N,3,H,W\]|of one size are needed)"):
        invert(generator_of("skip"), REFUSED[kind], "w+", **BRIEF)


TRY_EACH = """
from zplus.errors import ImageError
from zplus.images import as_batch

for thing in (object(), None, 5, {"photo": 1}, [object()], b"png"):
    try:
        as_batch(thing)
    except ImageError as error:
        print(error)
"""


def test_what_is_no_image_at_all_is_refused():
    """In a process of its own, where nothing else checks types."""
    done = subprocess.run([sys.executable, "-c", TRY_EACH], capture_output=True, text=True, check=True)
    kinds = ["object", "NoneType", "int", "dict", "object", "bytes"]
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [f"Images are {kind}" for kind in kinds]


def test_a_photo_of_another_size_or_range_is_refused():
    generator = generator_of("skip")
    with pytest.raises(ZplusError, match=r"needs \(32, 32\): align it"):
        invert(generator, torch.zeros(1, 3, 16, 16), "w+", **BRIEF)
    with pytest.raises(ZplusError, match=r"divide pixels by 127\.5"):
        invert(generator, 255 * photos_of(generator).abs(), "w+", **BRIEF)


def test_a_setting_that_there_is_not_is_named_and_the_nearest_told():
    generator = generator_of("skip")
    with pytest.raises(UnknownNameError, match="Unknown setting 'stepz': did you mean 'steps'"):
        invert(generator, photos_of(generator), "w+", stepz=1)


@pytest.mark.parametrize(("space", "method"), [("f/z+", "default"), ("w+", "default"), ("w+", "sam"), ("z+", "sam")])
@pytest.mark.parametrize("side", [4, 8, 16])
def test_the_smallest_generators_can_be_inverted_with(side, space, method):
    generator, losses = tiny_stylegan2(resolution=side), []
    photos = photos_of(generator)
    more = {"sam_steps": 3, "sam_threshold": 1e-3} if method == "sam" else {}
    settings = BRIEF | {"steps": 6} | more
    latent = invert(generator, photos, space, method, callback=lambda p: losses.append(p.loss), **settings)
    assert (torch.stack(losses).amin(0) < losses[0]).all()
    assert render(generator, latent).shape == (2, 3, side, side)
    assert bool(latent.added) == (method == "sam")


def test_views_other_byte_orders_and_read_only_arrays_are_photos(recwarn):
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    expected = as_batch(pixels)
    flipped = as_batch(pixels[:, ::-1])
    assert torch.equal(flipped, expected.flip(3))
    assert torch.equal(as_batch(pixels[..., ::-1]), expected.flip(1))
    frozen = pixels.copy()
    frozen.flags.writeable = False
    assert torch.equal(as_batch(frozen), expected)
    assert torch.equal(as_batch(expected.numpy().astype(">f8")), expected)
    assert not recwarn.list


@pytest.mark.parametrize(
    "array", [np.array(["a"]), np.array([{}]), np.zeros((1, 3, 8, 8), complex), np.zeros((0, 3, 8, 8))]
)
def test_arrays_of_anything_else_are_none(array):
    with pytest.raises(ImageError, match="Images are"):
        as_batch(array)


def test_pillow_images_are_read_as_files_are():
    grey = Image.fromarray(np.full((8, 8), 40_000, np.uint16))
    assert as_batch(grey).unique().tolist() == [pytest.approx(round(40_000 / 257) / 127.5 - 1)]
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert (as_batch(clear) == 1).all()


def test_a_latent_of_a_very_long_name_shows_nothing():
    latent = latent_at(make_space("w", generator_of("skip")), 1)
    assert replace(latent, generator="x" * 5000)._repr_png_() is None
