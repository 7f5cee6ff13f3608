"""The file of a direction: what goes in comes out, and damage is told in one sentence."""

import math

import pytest
import torch
from safetensors.torch import save_file

from points import generator_of, latent_at, normal
from zplus.direction import Direction, load_direction, save_direction
from zplus.errors import LatentError
from zplus.latent import save_latent
from zplus.spaces import make_space


@pytest.fixture
def direction():
    return Direction("smile ☺", "w+", normal(8, 16), "abc", {"accuracy": 0.97, "method": "boundary"})


def write(path, vector=None, **header):
    plain = {"zplus": "direction", "name": "a", "space": "w", "belongs_to": "abc", "card": "{}"}
    header = {key: value for key, value in {**plain, **header}.items() if value is not None}
    save_file({"vector": torch.ones(1, 16) if vector is None else vector}, path, header)
    return path


def refused(path):
    with pytest.raises(LatentError) as caught:
        load_direction(path)
    return str(caught.value)


def test_everything_comes_back(direction, tmp_path):
    save_direction(direction, tmp_path / "d.safetensors")
    loaded = load_direction(tmp_path / "d.safetensors")
    assert torch.equal(loaded.vector, direction.vector)
    assert {**vars(loaded), "vector": None} == {**vars(direction), "vector": None}


def test_a_unit_is_the_length_of_the_vector():
    assert Direction("a", "w", torch.tensor([[3.0, 4.0]]), "abc").unit == 5.0


def test_files_that_are_no_direction(tmp_path):
    text, other, latent = tmp_path / "a.txt", tmp_path / "b.safetensors", tmp_path / "c.safetensors"
    text.write_text("smile", encoding="utf-8")
    save_file({"vector": torch.zeros(1, 16)}, other)
    save_latent(latent_at(make_space("w", generator_of("skip"))), latent)
    assert "There is no file" in refused(tmp_path / "nowhere.safetensors")
    assert "not a readable direction" in refused(text)
    assert "not a readable direction" in refused(tmp_path)
    for one in (other, latent):
        assert "not a direction of zplus" in refused(one)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_a_file_cut_short(direction, tmp_path, share):
    path = tmp_path / "d.safetensors"
    save_direction(direction, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "not a readable direction" in refused(path)


@pytest.mark.parametrize(
    "change",
    [
        {"name": None}, {"space": None}, {"belongs_to": None}, {"card": None}, {"card": "{"}, {"card": "[]"},
        {"card": "1"}, {"card": "[" * 100_000}, {"space": "f/z+"}, {"space": "../q"},
        {"space": "w+\x1b"}, {"vector": torch.zeros(16)},
        {"vector": torch.zeros(1, 1, 16)}, {"vector": torch.ones(1, 16, dtype=torch.int64)},
        {"vector": torch.full((1, 16), float("nan"))}, {"vector": torch.full((1, 16), float("inf"))},
    ],
)  # fmt: skip
def test_a_record_that_no_direction_has(tmp_path, change):
    assert "direction" in refused(write(tmp_path / "d.safetensors", **change))


def test_a_direction_made_in_a_program_is_checked_too():
    with pytest.raises(LatentError, match="damaged"):
        Direction("smile", "f/w", torch.zeros(1, 16), "abc")
    with pytest.raises(LatentError, match="damaged"):
        Direction("smile", "w", torch.zeros(16), "abc")


def test_the_range_is_what_the_card_says():
    def told(**card):
        return Direction("a", "w", torch.ones(1, 4), "abc", card).range

    assert told() is None
    assert told(range=[-1, 2.5]) == told(range=(-1, 2.5)) == (-1.0, 2.5)  # a card made in Python has tuples


@pytest.mark.parametrize(
    "wrong",
    [
        [1, 2],
        [-(10**400), 1],
        {"-1": 0, "1": 0},
        [-1, 0],
        [2, -2],
        [-1],
        [-1, 1, 2],
        "ab",
        3,
        [None, 1],
        [-1, 11],
        [-1e9, 1],
    ],
)
def test_a_range_that_makes_no_sense_is_refused_where_it_is_asked_for(wrong, tmp_path):
    save_direction(Direction("smile", "w", torch.ones(1, 4), "abc", {"range": wrong}), tmp_path / "d.safetensors")
    loaded = load_direction(tmp_path / "d.safetensors")
    with pytest.raises(LatentError, match="The card of smile tells a range that makes no sense"):
        _ = loaded.range


def test_the_region_is_what_the_card_says(tmp_path):
    def told(**card):
        return Direction("a", "w", torch.ones(1, 4), "abc", card).region  # the first of both refuses what is wrong

    assert told() is None
    assert told(region=[0.5, 0.25, 0.5, 1]) == (0.5, 0.25, 0.5, 1.0)
    for wrong in (
        "eyes",
        [0.5, 0.5, 0.5],
        [0.5, 0.5, 0, 0.1],
        [0.5, 1.5, 0.1, 0.1],
        [math.nan, 0, 1, 1],
        [{}, 0, 1, 1],
    ):
        with pytest.raises(LatentError, match="The card of a tells a region that makes no sense"):
            told(region=wrong)
    assert "a region that makes no sense" in refused(
        write(tmp_path / "d.safetensors", card='{"method": "drag", "region": [5, 5, 5, 5]}')
    )
