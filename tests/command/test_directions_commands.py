"""`zplus directions learn` and `import` on a tiny generator."""

import numpy as np
import pytest

from command_line import assert_refused, picture
from zplus.direction import load_direction
from zplus.generators import load_generator

SCORER = """
def red(pixels):
    assert pixels.dtype == "uint8" and pixels.shape == (32, 32, 3)
    return pixels[..., 0].mean()



"""


@pytest.fixture
def learn(zplus, model, tmp_path, monkeypatch):
    """`zplus directions learn` in a folder that holds the module myscores."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "myscores.py").write_text(SCORER)
    return lambda *more: zplus("directions", "learn", "--model", model, *more)


@pytest.mark.parametrize(("method", "space"), [("boundary", "w"), ("boundary", "s"), ("channel", "s")])
def test_a_scorer_of_ones_own(learn, tmp_path, method, space):
    out = tmp_path / "red.safetensors"
    arguments = ["--scorer", "myscores:red", "--samples", "300", "--method", method, "--space", space, "-o", out]
    result = learn(*arguments, "--json")
    assert result.code == 0, result.err
    assert result.json["attribute"] == "red" and result.json["method"] == method
    found = load_direction(out)
    assert found.name == "red" and found.space == space


def test_components_by_both_methods(learn, tmp_path):
    for method, folder in (("principal", tmp_path / "p"), ("factorize", tmp_path / "f")):
        result = learn("--components", "3", "--method", method, "-o", folder, "--layers", "0:4", "--json")
        assert len(result.json["results"]) == 3 and result.json["results"][0]["method"] == method
        assert sorted(x.name for x in folder.iterdir()) == [f"{method}-{i:02d}.safetensors" for i in range(3)]


def test_pictures_that_were_sorted(learn, model, tmp_path):
    for kind in ("with", "lacking"):
        for i in range(2):
            picture(tmp_path / kind / f"{i}.png", seed=i + 10 * (kind == "with"), height=32, width=32)
    (tmp_path / "with" / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "mine.safetensors"
    arguments = ["--positive", tmp_path / "with", "--negative", tmp_path / "lacking", "--no-align", "-o", out]
    result = learn(*arguments, "--layers", "0:4", "--json")
    assert result.code == 0, result.err
    assert (result.json["positive"], result.json["negative"], result.json["name"]) == (2, 2, "mine")
    assert len(result.json["warnings"]) == 1 and "broken.png" in result.json["warnings"][0]
    assert load_direction(out).belongs_to == load_generator(model).mapping_fingerprint


def test_one_sided_and_empty_folders(learn, tmp_path):
    for i in range(2):
        picture(tmp_path / "with" / f"{i}.png", seed=i, height=32, width=32)
    (tmp_path / "empty").mkdir()
    for negative in (["--negative", tmp_path / "empty"], ["--negative", tmp_path / "none"], []):
        result = learn("--positive", tmp_path / "with", *negative, "--no-align", "-o", tmp_path / "a.safetensors")
        assert_refused(result)
        assert "no pictures for --negative" in result.err


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "Say what to learn"),
        (["--components", "3", "--attribute", "age"], "Say what to learn"),
        (["--attribute", "agee"], "did you mean 'age'"),
        (["--scorer", "myscores:blue"], "cannot be had"),
        (["--scorer", "nosuchmodule:red"], "cannot be had"),
        (["--scorer", ".relative:red"], "cannot be had"),
        (["--scorer", "myscores:red", "--method", "principal"], "boundary"),
        (["--components", "3", "--method", "boundary"], "principal"),
        (["--components", "99"], "1 to 16"),
        (["--scorer", "myscores:red", "--space", "z", "--without", "BEND"], "bend is no direction of z"),
        (["--scorer", "myscores:red", "--method", "channel", "--layers", "0:4"], "Leave out --layers"),
        (["--components", "3", "--without", "BEND"], "Leave out --without"),
        (["--components", "3", "--method", "factorize", "--space", "z"], "Leave out --space"),
        (["--positive", "a", "--method", "channel", "--space", "s"], "Leave out --method, --space"),
        (["--scorer", "myscores:red", "--without", "nothing"], "nothing"),
        (["--scorer", "myscores:red", "--samples", "20"], "raise the number of samples"),
    ],
)
def test_what_cannot_be_learnt(learn, direction, tmp_path, wrong, words):
    wrong = [direction if x == "BEND" else x for x in wrong]
    out = tmp_path / ("folder" if "--components" in wrong else "a.safetensors")
    result = learn(*wrong, "-o", out)
    assert_refused(result)
    assert words in result.err


def test_a_wrong_space_is_told_before_the_samples(learn, direction, tmp_path):
    common = ["--scorer", "myscores:red", "--samples", "300", "-o", tmp_path / "a.safetensors"]
    for wrong in (["--space", "p"], ["--space", "z", "--without", direction]):
        result = learn(*common, *wrong)
        assert result.code == 2 and "Scoring" not in result.err


def test_a_direction_is_taken_over_and_used(zplus, model, tmp_path):
    source, out = tmp_path / "boundary.npy", tmp_path / "mine.safetensors"
    np.save(source, np.random.RandomState(0).standard_normal((1, 16)))
    result = zplus(
        "directions", "import", source, "--space", "w", "--name", "bend", "--model", model, "-o", out, "--json"
    )
    assert result.code == 0 and result.json["results"][0]["name"] == "bend" and not result.json["warnings"]
    photo = picture(tmp_path / "me.png", height=32, width=32)
    arguments = ["--no-align", "--model", model, "-d", f"{out}=1", "-o", tmp_path / "out.png"]
    assert zplus("edit", photo, *arguments).code == 0


def test_what_shows_nothing_is_warned_of(zplus, model, tmp_path, monkeypatch):
    monkeypatch.setattr("zplus.workflow.learning.visible_effect", lambda generator, direction: 0.001)
    np.save(tmp_path / "a.npy", np.ones((1, 16)))
    out = tmp_path / "a.safetensors"
    result = zplus("directions", "import", tmp_path / "a.npy", "--space", "z", "--model", model, "-o", out)
    assert result.code == 0 and "hardly anything that can be seen" in result.err


def test_components_of_another_program_fill_a_folder(zplus, model, tmp_path):
    np.savez(tmp_path / "pca.npz", lat_comp=np.eye(16)[:2, None], lat_stdev=np.ones(2))
    out = tmp_path / "folder"
    result = zplus("directions", "import", tmp_path / "pca.npz", "--space", "w", "--model", model, "-o", out, "--json")
    assert len(result.json["results"]) == 2 and (out / "pca-01.safetensors").exists()


def test_a_file_that_is_no_direction(zplus, model, tmp_path):
    (tmp_path / "a.npy").write_bytes(b"<!DOCTYPE html>")
    out = tmp_path / "a.safetensors"
    assert_refused(zplus("directions", "import", tmp_path / "a.npy", "--space", "w", "--model", model, "-o", out))
