"""Our checkpoint file and the zoo: round trips, and what is refused in one sentence."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from points import direction_of, generator_of
from tiny import tiny_stylegan2
from zplus.direction import save_direction
from zplus.errors import CheckpointError, UnknownNameError, ZplusError
from zplus.generators import load_generator, pull, save_generator
from zplus.generators.prior import statistics
from zplus.generators.store import read_generator


@pytest.fixture
def path(tmp_path):
    save_generator(generator_of("mobile"), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def header_of(path):
    size = int.from_bytes(path.read_bytes()[:8], "little")
    return json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]


def rewrite(path, tensors=(), sizes=(), **header):
    """The same file with some tensors, sizes or entries of the header replaced; None takes one out."""
    held, old = load_file(path), header_of(path)
    old["config"] = json.dumps({**json.loads(old["config"]), **dict(sizes)})
    header = {key: value for key, value in {**old, **header}.items() if value is not None}
    save_file({key: value for key, value in {**held, **dict(tensors)}.items() if value is not None}, path, header)
    return path


def refused(path):
    with pytest.raises(ZplusError) as caught:
        read_generator(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["const", "mapping.fc.0.weight", "convolutions.2.noise"])
def test_weights_that_are_not_numbers_are_refused(path, name, value):
    tensor = load_file(path)[name]
    tensor.view(-1)[0] = value
    with pytest.raises(ZplusError, match=f"not numbers.*{name}"):
        read_generator(rewrite(path, {name: tensor}))


def test_files_that_are_no_generator(path, tmp_path):
    text, other, direction = tmp_path / "a.txt", tmp_path / "b.safetensors", tmp_path / "c.safetensors"
    text.write_text("version https://git-lfs.github.com/spec/v1", encoding="utf-8")
    save_file({"x": torch.zeros(3)}, other)
    save_direction(direction_of(generator_of("mobile")), direction)
    assert "There is no file" in refused(tmp_path / "nowhere.safetensors")
    for one in (text, tmp_path):
        assert "not a readable generator" in refused(one)
    for one in (other, direction):
        assert "convert it first" in refused(one)
    path.write_bytes(path.read_bytes()[:-5])
    assert "not a readable generator" in refused(path)


def test_an_unknown_architecture_is_named(path):
    with pytest.raises(UnknownNameError, match="'stylegan22': did you mean 'stylegan2'"):
        read_generator(rewrite(path, architecture="stylegan22"))


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": None}, {"name": None}, {"config": None}, {"config": "[]"}, {"config": "{"}, {"config": "null"},
        {"config": "{}"}, {"config": '{"channels": [4, 8]}'}, {"architecture": "stylegan2"},
    ],
)  # fmt: skip
def test_a_header_of_wrong_types(path, change):
    refused(rewrite(path, **change))


@pytest.mark.parametrize(
    "sizes",
    [
        {"w_dim": 32}, {"z_dim": "many"}, {"z_dim": None}, {"surprise": 1}, {"mapping_layers": 3},
        {"mapping_layers": -1}, {"mapping_layers": 10**12}, {"w_dim": 10**12}, {"w_dim": 10**400},
        {"channels": {"4": 0, "8": 0, "16": 0}}, {"channels": {"a": 4}},
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_sizes_that_do_not_fit_are_refused_without_taking_memory(path, sizes):
    assert "not a readable generator" in refused(rewrite(path, sizes=sizes))


@pytest.mark.parametrize("tensors", [{"const": None}, {"stray": torch.zeros(1)}, {"const": torch.zeros(1, 3, 4, 4)}])
def test_tensors_that_do_not_fit_are_named(path, tensors):
    assert next(iter(tensors)) in refused(rewrite(path, tensors))


# The zoo


def test_a_model_by_name_or_file(path, monkeypatch, tmp_path):
    assert load_generator(path).name == load_generator(str(path)).name == "tiny-mobile-0"
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError, match="run 'zplus pull ffhq-mobile' first"):
        load_generator("ffhq-mobile")
    with pytest.raises(UnknownNameError, match="did you mean 'ffhq-mobile'"):
        load_generator("ffhq-mobil")
    with pytest.raises(UnknownNameError, match="model"):
        pull("nothing-like-it")
    with pytest.raises(CheckpointError, match="There is no file"):
        load_generator(tmp_path / "nowhere.safetensors")
    assert not (tmp_path / "cache").exists()


# Statistics


def test_statistics_are_kept_and_made_again_where_the_file_is_damaged(statistics_folder):
    generator = tiny_stylegan2(77)
    first = statistics(generator)
    file = statistics_folder / "statistics" / f"{generator.fingerprint}.safetensors"
    stamp = file.stat().st_mtime_ns
    assert torch.equal(statistics(generator).w_cov, first.w_cov)
    assert file.stat().st_mtime_ns == stamp
    for damage in (b"smile", file.read_bytes()[:-4], b""):
        file.write_bytes(damage)
        assert torch.equal(statistics(generator).w_cov, first.w_cov)
    save_file({"stray": torch.zeros(1)}, file)
    assert torch.equal(statistics(generator).w_cov, first.w_cov)


def test_each_label_has_statistics_of_its_own():
    generator = tiny_stylegan2(resolution=8, c_dim=3, w_mean=False)
    means = [statistics(generator.with_label(label)).w_mean for label in (0, 1, 0)]
    assert torch.equal(means[0], means[2])
    assert not torch.allclose(means[0], means[1], atol=1e-2)
