"""The attacker sends a record (a direction, a generator, an encoder) of countless or strange parts."""

import json
import struct
import time
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import save_file

from networks import random_encoder
from points import direction_of, generator_of
from zplus.direction import load_direction, save_direction
from zplus.errors import CheckpointError, LatentError, ZplusError
from zplus.generators.checkpoints.read import read_checkpoint
from zplus.generators.store import read_generator, save_generator
from zplus.inversion.encoder import load_encoder, save_encoder
from zplus.records import Kind, read_record, write_record
from zplus.tensor_files import MAX_KEYS, MAX_TENSORS

SECONDS = 3.0  # of the processor; each takes less than one
KIND = Kind("note", LatentError, damaged="is damaged", version="1")
LOADERS: dict[str, Callable] = {
    "direction": load_direction,
    "generator": read_generator,
    "encoder": lambda path: load_encoder(path, generator_of("skip")),
}


@pytest.fixture(params=LOADERS)
def kind(request):
    return request.param


def tensor(shape=(0,), dtype: str = "F32", size: int = 0) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}


def write(path, kind: str, tensors=(), size: int = 0, **texts: str):
    """A file of a kind, made by hand."""
    header = json.dumps({"__metadata__": {"zplus": kind, **texts}, **dict(tensors)}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * size)
    return path


def refused(read: Callable, path, words: str) -> None:
    began = time.process_time()
    with pytest.raises(ZplusError, match=words) as caught:
        read(path)
    assert time.process_time() - began < SECONDS
    assert isinstance(caught.value, LatentError | CheckpointError)
    words = str(caught.value).replace(str(path), "")
    assert len(words) < 400 and words.isprintable()


@pytest.mark.parametrize(
    "header",
    [
        lambda: {f"t{i}": tensor() for i in range(400_000)},
        lambda: {"__metadata__": {f"k{i}": "" for i in range(1_000_000)}},
    ],
    ids=["tensors", "texts"],
)
def test_a_header_of_countless_parts_is_not_parsed(header, tmp_path):
    content = json.dumps(header()).encode()
    (tmp_path / "a").write_bytes(struct.pack("<Q", len(content)) + content)
    for read in (*LOADERS.values(), read_checkpoint):
        refused(read, tmp_path / "a", "header is longer")


def test_a_short_header_of_very_many_parts(kind, tmp_path):
    write(tmp_path / "a", kind, {f"t{i}": tensor() for i in range(20_000)})
    refused(LOADERS[kind], tmp_path / "a", "20000 tensors")
    write(tmp_path / "a", kind, **{f"k{i}": "" for i in range(100_000)})
    refused(LOADERS[kind], tmp_path / "a", "more text")


def test_a_header_of_any_claimed_length(kind, tmp_path):
    for length in (5 << 20, 1 << 62, (1 << 64) - 1):
        (tmp_path / "a").write_bytes(struct.pack("<Q", length) + b"{}")
        refused(LOADERS[kind], tmp_path / "a", "header is longer")


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [("I64", [1], 8), ("U8", [4], 4), ("BOOL", [4], 4), ("F8_E4M3", [4], 4), ("C64", [1], 8), ("F32", [1] * 9, 4),
     ("\x1b[2J", [1], 4),
     ("F32", [0] * 300_000, 0)],
)  # fmt: skip
def test_a_tensor_of_another_form(dtype, shape, size, kind, tmp_path):
    path = write(tmp_path / "a", kind, {"vector": tensor(shape, dtype, size)}, size)
    refused(LOADERS[kind], path, "vector is no tensor|readable")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_values_that_fp32_cannot_hold(value, kind, tmp_path):
    save_file({"vector": torch.full((1, 2), value, dtype=torch.float64)}, tmp_path / "a", {"zplus": kind})
    refused(LOADERS[kind], tmp_path / "a", "not numbers, in vector")


# What is written is read


def test_a_record_comes_back_in_memory_of_its_own(tmp_path):
    for dtype in (torch.float32, torch.float16):
        write_record(tmp_path / "a", KIND, {"text": "ü"}, {"x": torch.arange(4.0).view(2, 2).T}, dtype)
        with read_record(tmp_path / "a", KIND) as (header, tensors):
            assert header == {"zplus": "note", "version": "1", "text": "ü"}
            assert tensors["x"].dtype == torch.float32 and torch.equal(tensors["x"], torch.arange(4.0).view(2, 2).T)
        (tmp_path / "a").write_bytes(b"")
        assert tensors["x"].sum() == 6


def test_another_version_is_named(tmp_path):
    write(tmp_path / "a", "note", {"x": tensor(dtype="I64")}, version="2")
    with pytest.raises(LatentError, match="another version"), read_record(tmp_path / "a", KIND):
        pass


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("a\nb"), ZeroDivisionError("0"), RecursionError("deep")])
def test_what_the_block_finds_wrong_is_damage(error, tmp_path):
    write_record(tmp_path / "a", KIND, {}, {})
    with pytest.raises(LatentError, match="a is damaged") as caught, read_record(tmp_path / "a", KIND):
        raise error
    assert "\n" not in str(caught.value)


def test_nothing_is_written_that_could_not_be_read(tmp_path):
    for texts, tensors, dtype in (
        ({}, {"x": torch.tensor([float("nan")])}, torch.float32),
        ({}, {"x": torch.tensor([1e5])}, torch.float16),
        ({str(i): "" for i in range(MAX_KEYS)}, {}, torch.float32),
        ({"long": "x" * (5 << 20)}, {}, torch.float32),
        ({"quotes": '"' * (3 << 20)}, {}, torch.float32),
        ({}, {str(i): torch.zeros(0) for i in range(MAX_TENSORS + 1)}, torch.float32),
    ):
        with pytest.raises(LatentError, match="cannot be written"):
            write_record(tmp_path / "a", KIND, texts, tensors, dtype)
    assert list(tmp_path.iterdir()) == []


def test_files_of_one_kind_are_none_of_another(tmp_path):
    generator = generator_of("skip")
    save_direction(direction_of(generator), tmp_path / "direction")
    save_generator(generator, tmp_path / "generator")
    save_encoder(random_encoder(generator), tmp_path / "encoder")
    for kind, load in LOADERS.items():
        for other in set(LOADERS) - {kind}:
            refused(load, tmp_path / other, f"but not an? {kind} of zplus")
