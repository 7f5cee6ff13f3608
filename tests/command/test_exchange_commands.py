"""`zplus convert` and `zplus latent`: what comes from other programs and goes to them."""

import numpy as np
import pytest
import torch

from checkpoint_files import write
from command_line import assert_refused
from points import direction_of
from tiny import tiny_stylegan2, tiny_stylegan3
from zplus.direction import load_direction, save_direction
from zplus.editing import edit
from zplus.generators import load_generator, save_generator
from zplus.latent import Point, load_latent, save_latent
from zplus.spaces import latent_of, make_space, render, sample


def test_a_checkpoint_is_converted_and_described(zplus, tmp_path):
    source, out = write(tmp_path / "faces.pkl", "nvidia_torch", tiny_stylegan2()), tmp_path / "faces.safetensors"
    result = zplus("convert", source, "-o", out, "--json")
    assert result.code == 0
    assert (result.json["resolution"], result.json["codes"], result.json["labels"]) == (32, 8, 0)
    assert load_generator(out).fingerprint == tiny_stylegan2().fingerprint == result.json["fingerprint"]


def test_a_stylegan3_is_converted_too(zplus, tmp_path):
    source, out = write(tmp_path / "faces.pkl", "nvidia_torch", tiny_stylegan3()), tmp_path / "faces.safetensors"
    result = zplus("convert", source, "-o", out, "--json")
    assert result.code == 0 and result.json["channels"].startswith("0:")
    assert load_generator(out).fingerprint == tiny_stylegan3().fingerprint == result.json["fingerprint"]


def test_codes_are_not_written_over_what_is_read(zplus, model, tmp_path):
    source, checkpoint = tmp_path / "a.safetensors", write(tmp_path / "g.pt", "rosinality", tiny_stylegan2())
    save_latent(sample(tiny_stylegan2()), source)
    before = checkpoint.read_bytes()
    assert_refused(zplus("latent", "export", source, "--model", checkpoint, "-o", checkpoint))
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("unread", [("--layer", "8"), ("--opset", 18)])
def test_options_of_onnx_are_refused_elsewhere(zplus, model, tmp_path, unread):
    assert_refused(zplus("export", model, "--format", "nvidia", "-o", tmp_path / "a.pt", *unread))


def test_a_direction_under_a_label_is_shown(zplus, tmp_path):
    path, one = tmp_path / "cond.safetensors", tmp_path / "one.safetensors"
    save_generator(tiny_stylegan2(c_dim=3), path)
    save_direction(direction_of(tiny_stylegan2(c_dim=3).with_label(1)), one)
    assert zplus("directions", "show", one, "--model", path, "--label", 1).code == 0
    assert_refused(zplus("directions", "show", one, "--model", path, "--label", 2))


def test_what_was_left_out_is_said(zplus, tmp_path):
    source = write(tmp_path / "e4e.pt", "e4e", tiny_stylegan2())
    result = zplus("convert", source, "-o", tmp_path / "a.safetensors", "--json")
    assert "encoder" in result.json["warnings"][0] and "encoder" in result.err


def test_a_model_is_used_as_it_was_downloaded(zplus, tmp_path):
    source = write(tmp_path / "rosinality.pt", "rosinality", tiny_stylegan2())
    assert zplus("sample", "--seeds", "0", "--model", source, "-o", tmp_path / "out").code == 0


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1", b""])
def test_no_checkpoint(zplus, content, tmp_path):
    (tmp_path / "a.pkl").write_bytes(content)
    assert_refused(zplus("convert", tmp_path / "a.pkl", "-o", tmp_path / "a.safetensors"))
    assert not (tmp_path / "a.safetensors").exists()


def test_labels_change_the_picture(zplus, tmp_path):
    path = tmp_path / "cond.safetensors"
    save_generator(tiny_stylegan2(c_dim=3), path)
    pictures = []
    for label in (0, 2):
        out = tmp_path / str(label)
        assert zplus("sample", "--seeds", "1", "--model", path, "--label", label, "-o", out).code == 0
        pictures.append((out / "seed000001.png").read_bytes())
    assert pictures[0] != pictures[1]
    for wrong in (("--label", 3), ()):
        assert_refused(zplus("sample", "--model", path, *wrong, "-o", tmp_path / "out"))


@pytest.mark.parametrize(("rows", "space"), [(1, "w"), (8, "w+"), (10, "w+")])
def test_codes_are_taken_over_and_handed_on(zplus, model, tmp_path, rows, space):
    codes = torch.randn(2, rows, 16)
    np.save(tmp_path / "codes.npy", codes.numpy())
    latent = tmp_path / "a.safetensors"
    result = zplus("latent", "import", tmp_path / "codes.npy", "-o", latent, "--model", model, "--json")
    assert (result.json["space"], result.json["rows"]) == (space, 2)
    assert bool(result.json["warnings"]) == (rows == 10)
    generator = load_generator(model)
    assert render(generator, load_latent(latent)).shape == (2, 3, 32, 32)
    for suffix in (".npy", ".npz", ".pt"):
        out = tmp_path / f"out{suffix}"
        assert zplus("latent", "export", latent, "-o", out, "--model", model).code == 0
    found = torch.from_numpy(np.load(tmp_path / "out.npy"))
    assert found.equal(codes[:, :8].expand(-1, 8, -1))


@pytest.mark.parametrize("move", ["straight", "sphere"])
@pytest.mark.parametrize("name", ["z", "z+", "w+"])
def test_the_codes_of_an_edit_show_its_picture(zplus, model, direction, tmp_path, name, move):
    generator = load_generator(model)
    space = make_space(name, generator)
    latent = latent_of(space, Point(space.sample(2, 3)))
    edited = edit(generator, latent, {load_direction(direction): 1.0}, move=move)
    save_latent(edited, tmp_path / "a.safetensors")
    assert zplus("latent", "export", tmp_path / "a.safetensors", "-o", tmp_path / "a.npy", "--model", model).code == 0
    codes = latent_of(make_space("w+", generator), Point(torch.from_numpy(np.load(tmp_path / "a.npy"))))
    assert torch.allclose(render(generator, codes), render(generator, edited), atol=1e-5)
    assert not torch.allclose(render(generator, codes), render(generator, latent), atol=1e-2)


@pytest.mark.parametrize("shape", [(3, 16), (8, 15), (1, 1, 1, 16)])
def test_codes_that_do_not_fit(zplus, model, tmp_path, shape):
    np.save(tmp_path / "codes.npy", np.zeros(shape, "f4"))
    assert_refused(
        zplus("latent", "import", tmp_path / "codes.npy", "-o", tmp_path / "a.safetensors", "--model", model)
    )


def test_codes_that_would_fill_the_memory(zplus, model, tmp_path, monkeypatch):
    monkeypatch.setattr("zplus.generators.checkpoints.codes.SMALL", 10_000)
    np.savez_compressed(tmp_path / "codes.npz", np.zeros((1000, 8, 16), "f4"))
    result = zplus("latent", "import", tmp_path / "codes.npz", "-o", tmp_path / "a.safetensors", "--model", model)
    assert_refused(result)
    assert "would unpack to 1 MB" in result.err


def test_codes_have_three_formats(zplus, model, tmp_path):
    np.save(tmp_path / "codes.npy", np.zeros((8, 16), "f4"))
    zplus("latent", "import", tmp_path / "codes.npy", "-o", tmp_path / "a.safetensors", "--model", model)
    assert_refused(zplus("latent", "export", tmp_path / "a.safetensors", "-o", tmp_path / "a.txt", "--model", model))
