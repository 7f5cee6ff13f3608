"""`zplus drag`: points go in as text, a picture and a latent come out."""

import numpy as np
import pytest
from PIL import Image

from command_line import assert_refused
from zplus.images import read_image
from zplus.latent import load_latent


@pytest.fixture
def latent(zplus, model, tmp_path):
    np.save(tmp_path / "codes.npy", np.random.RandomState(0).standard_normal((8, 16)).astype("f4"))
    zplus("latent", "import", tmp_path / "codes.npy", "--model", model, "-o", tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def test_points_are_dragged(zplus, model, latent, tmp_path):
    out, kept, mask = tmp_path / "out.png", tmp_path / "b.safetensors", tmp_path / "mask.png"
    Image.new("RGB", (32, 32), "white").save(mask)
    pairs = ["--from", "8,9.5", "--to", "12,9.5", "--from", "20,20", "--to", "20,18"]
    more = ["--mask", mask, "--radius", "2", "--steps", "2", "--latent", kept]
    found = zplus("drag", latent, "--model", model, "-o", out, *pairs, *more, "--json").json
    assert found["points"] == [[8, 9.5, 12, 9.5], [20, 20, 20, 18]] and found["direction"] == "drag"
    assert read_image(out).shape == (32, 32, 3)
    (one,) = load_latent(kept).edits
    assert one.direction.name == "drag" and one.direction.card["distance"] == found["distance"]
    again = zplus("drag", kept, "--model", model, "-o", out, *pairs[:4], "--steps", "1", "--json").json
    assert again["direction"] == "drag-2"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "0 points (--from) and 0 targets"),
        (["--from", "8,9", "--from", "9,9", "--to", "8,8"], "2 points (--from) and 1 targets"),
        (["--from", "8", "--to", "8,8"], "'8' is no point"),
        (["--from", "8,a", "--to", "8,8"], "'8,a' is no point"),
        (["--from", "8,9", "--to", "40,9"], "do not lie in the picture of 32x32"),
        (["--from", "8,9", "--to", "8,9"], "is its own target"),
        (["--from", "8,9", "--to", "9,9", "--mask", "nose"], "region or picture"),
        (["--from", "8,9", "--to", "9,9", "--radius", "0"], "must be positive"),
        (["--from", "8,9", "--to", "9,9", "--paste", "replace"], "no --photo"),
    ],
)
def test_what_makes_no_sense_is_refused(zplus, model, latent, tmp_path, options, words):
    found = zplus("drag", latent, "--model", model, "-o", tmp_path / "out.png", *options)
    assert_refused(found)
    assert words in found.err and not (tmp_path / "out.png").exists()
