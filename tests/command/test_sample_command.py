"""`zplus sample` and `zplus directions`."""

import pytest
from PIL import Image

from command_line import assert_refused, needs_faces
from zplus.command import sample as sampling
from zplus.command.sample import parse_seeds
from zplus.errors import ZplusError
from zplus.images import read_image


def test_a_seed_is_a_picture(zplus, model, tmp_path):
    out = tmp_path / "out"
    result = zplus("sample", "--seeds", "0-3,9", "--model", model, "-o", out, "--json")
    assert result.code == 0
    assert [r["seed"] for r in result.json["results"]] == [0, 1, 2, 3, 9]
    assert sorted(p.name for p in out.iterdir())[-1] == "sheet.png" and len(list(out.iterdir())) == 6
    again = zplus("sample", "--seeds", "9", "--model", model, "-o", tmp_path / "again", "--json").json["results"][0]
    assert (read_image(again["picture"]) == read_image(out / "seed000009.png")).all()
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.width > 3 * 192


def test_no_more_thumbnails_are_kept_than_shown(zplus, model, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(sampling, "SHEET", 2)
    monkeypatch.setattr("zplus.images.fitted", lambda pixels, side: made.append(side) or pixels)
    assert zplus("sample", "--seeds", "0-4", "--model", model, "-o", tmp_path).code == 0 and len(made) == 2


def test_psi_0_is_the_mean_face(zplus, model, tmp_path):
    zplus("sample", "--seeds", "0-1", "--psi", "0", "--model", model, "-o", tmp_path)
    a, b = (read_image(tmp_path / f"seed00000{i}.png") for i in range(2))
    assert (a == b).all()


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "1,,2", "0-99999999", "1.5", "0-5000,0-5000", str(2**70)])
def test_lists_that_are_none(text):
    with pytest.raises(ZplusError):
        parse_seeds(text)


def test_seeds_are_listed_once():
    assert parse_seeds("5,0-2,1") == [5, 0, 1, 2]


def test_directions_of_a_model_without_any(zplus, model):
    result = zplus("directions", "list", "--model", model, "--json")
    assert result.code == 0 and result.json["results"] == []


def test_a_direction_from_a_file(zplus, model, direction):
    record = zplus("directions", "show", direction, "--model", model, "--json").json
    assert (record["name"], record["space"]) == ("bend", "w") and record["unit"] > 0
    assert "bend" in zplus("directions", "show", direction, "--model", model).out


def test_an_unknown_direction(zplus, model):
    result = zplus("directions", "show", "smile", "--model", model)
    assert_refused(result)
    assert result.err == "zplus: Unknown direction 'smile': there is none here.\n"


def test_an_unknown_attribute(zplus, model, tmp_path):
    result = zplus("directions", "learn", "--attribute", "agee", "-o", tmp_path / "a.safetensors", "--model", model)
    assert_refused(result)
    assert "did you mean 'age'?" in result.err


@needs_faces
def test_samples_without_faces_teach_nothing(zplus, model, tmp_path):
    arguments = ["--attribute", "yaw", "--samples", "3", "-o", tmp_path / "a.safetensors", "--model", model]
    result = zplus("directions", "learn", *arguments)
    assert_refused(result)
    assert "Only 0 samples have a score" in result.err and not (tmp_path / "a.safetensors").exists()
