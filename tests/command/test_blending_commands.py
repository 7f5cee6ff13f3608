"""`zplus mix` and `zplus interpolate`."""

from dataclasses import replace

import pytest
from PIL import Image

from command_line import assert_refused
from tiny import tiny_stylegan2
from zplus.images import read_image
from zplus.latent import Point, load_latent, save_latent
from zplus.spaces import latent_of, make_space


@pytest.fixture
def two(tmp_path):
    space, paths = make_space("f/z+", tiny_stylegan2()), []
    for seed in (1, 2):
        code = space.sample(1, seed)
        paths.append(tmp_path / f"{seed}.safetensors")
        save_latent(latent_of(space, Point(code, space.head(code))), paths[-1])
    return paths


def test_a_mixture_has_a_picture_and_a_latent(zplus, model, two, tmp_path):
    out, latent = tmp_path / "out.png", tmp_path / "mixed.safetensors"
    result = zplus("mix", *two, "--layers", "0:3", "--model", model, "-o", out, "--latent", latent, "--json")
    assert result.code == 0 and result.json["space"] == "f/z+"
    codes = [load_latent(x).point.code for x in (*two, latent)]
    assert codes[2][:, :3].equal(codes[1][:, :3]) and codes[2][:, 3:].equal(codes[0][:, 3:])
    assert read_image(out).shape == (32, 32, 3)


def test_of_several_rows_the_first_is_taken_aloud(zplus, model, two, tmp_path):
    first = load_latent(two[0])
    save_latent(replace(first, inverted=first.inverted.map(lambda x: x.repeat(3, *[1] * (x.ndim - 1)))), two[0])
    out, latent = tmp_path / "out.png", tmp_path / "mixed.safetensors"
    result = zplus("mix", *two, "--layers", "0:3", "--model", model, "-o", out, "--latent", latent)
    assert "holds 3 latents: the first is taken" in result.err and len(load_latent(latent)) == 1


def test_an_animation_and_its_frames(zplus, model, two, tmp_path):
    film, folder = tmp_path / "way.webp", tmp_path / "frames"
    for out in (film, folder):
        assert zplus("interpolate", *two, "--frames", "5", "--model", model, "-o", out).code == 0
    with Image.open(film) as found:
        found.load()
        assert found.n_frames == 5 and found.info["duration"] == 67
        assert b"compositeWithTrainedAlgorithmicMedia" in found.info["xmp"]
    assert len(list(folder.glob("*.png"))) == 5


def test_animations_are_mp4_as_well(zplus, model, two, direction, tmp_path):
    pytest.importorskip("av")
    film, sweep = tmp_path / "way.mp4", tmp_path / "sweep.mp4"
    assert zplus("interpolate", *two, "--frames", "3", "--model", model, "-o", film).code == 0
    assert zplus("edit", two[0], "--sweep", f"{direction}=-1:1:3", "--model", model, "-o", sweep).code == 0
    assert all(path.read_bytes()[4:8] == b"ftyp" for path in (film, sweep))
    assert_refused(zplus("edit", two[0], "-d", direction, "--model", model, "-o", tmp_path / "one.mp4"))


def test_frames_are_written_one_by_one_into_a_folder(zplus, model, two, tmp_path, monkeypatch):
    for name in ("way.mov", "way.png"):
        assert_refused(zplus("interpolate", *two, "--model", model, "-o", tmp_path / name))
    (tmp_path / "file").touch()
    monkeypatch.setattr("zplus.spaces.render", lambda *a: pytest.fail("the work had begun"))
    assert_refused(zplus("interpolate", *two, "--model", model, "-o", tmp_path / "file"))
    assert sorted(x.name for x in tmp_path.iterdir()) == ["1.safetensors", "2.safetensors", "file"]
    monkeypatch.undo()
    kept = []
    monkeypatch.setattr("zplus.images.write_image", lambda path, *a: kept.append(path) or 1 / (len(kept) < 2))
    assert zplus("interpolate", *two, "--model", model, "-o", tmp_path / "way").code == 2 and len(kept) == 2


@pytest.mark.parametrize("layers", ["", "3", "4:2", "0:99", "a:b", "0:" + "9" * 5000])
def test_layers_that_are_none(zplus, model, two, tmp_path, layers):
    assert_refused(zplus("mix", *two, "--layers", layers, "--model", model, "-o", tmp_path / "out.png"))


def test_the_model_must_be_known(zplus, two, tmp_path):
    assert_refused(zplus("interpolate", *two, "-o", tmp_path / "out.webp"))
