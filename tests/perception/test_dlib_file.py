"""dlib's file of its network: read to the last number, and whatever else such a file may hold is refused in a sentence.

The files are written here, by another hand than the reader's: the format's facts, once more.
"""

import numpy as np
import pytest
import torch

from zplus.errors import CheckpointError
from zplus.perception import dlib_file
from zplus.perception.dlib_file import read_identity
from zplus.perception.residual import IDENTITY, convolutions

EMPTY = b"\1\2" + b"\1\0" * 4
TRAINING = b"110" + 3 * EMPTY


def integer(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (128 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def integers(*values: int) -> bytes:
    return b"".join(map(integer, values))


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def real(value: float) -> bytes:
    return integers(round(value * 2**17), -17)


def numbers(values: np.ndarray) -> bytes:
    return integers(2, values.size, 1, 1, 1) + values.astype("<f4").tobytes()


def convolution(weight: np.ndarray, bias: np.ndarray, stride: int, padding: int) -> bytes:
    out, side = len(weight), weight.shape[-1]
    sizes = integers(out, side, side, stride, stride, padding, padding, 1, *weight.shape, 1, 1, out, 1, 1)
    held = numbers(np.concatenate([weight.ravel(), bias]))
    return text("con_4") + held + sizes + real(1) * 4 + TRAINING


def affine(scale: np.ndarray, offset: np.ndarray) -> bytes:
    shape = (1, 1, len(scale), 1, 1)
    return text("affine_") + numbers(np.concatenate([scale, offset])) + integers(*shape, *shape, 0) + TRAINING


def pool(name: str, *settings: int) -> bytes:
    return text(name) + integers(*settings) + TRAINING


def parts() -> tuple[list[bytes], dict[str, np.ndarray]]:
    """The parts of a file of the network, and what is expected to be read from it."""
    random, expected = np.random.default_rng(0), {}
    strides = {"stem": (2, 0)} | {f"block.{k}.0": (b.stride, 2 - b.stride) for k, b in enumerate(IDENTITY)}
    head = b"\1\1" + text("loss_metric_2") + real(0.04) + real(0.6) + integers(2, 2, 1, 2, 3)
    file = [
        head + text("input_rgb_image_sized") + b"".join(map(real, (122.782, 117.001, 104.298))) + integers(150, 150)
    ]
    for name, shape in convolutions(IDENTITY).items():
        weight = random.standard_normal(shape, np.float32)
        bias, scale, offset = random.standard_normal((3, len(weight)), np.float32)
        file.append(convolution(weight, bias, *strides.get(name, (1, 1))) + (b"\1\1" if name == "stem" else b""))
        file.append(affine(scale, offset))
        expected[f"{name}.weight"] = weight * scale[:, None, None, None]
        expected[f"{name}.bias"] = bias * scale + offset
        block = name.split(".")[1:]
        if block[1:] == ["1"]:
            file += [pool("avg_pool_2", 2, 2, 2, 2, 0, 0)] * (IDENTITY[int(block[0])].stride == 2) + [pool("add_prev_")]
        file.append(pool("relu_"))
        if name == "stem":
            file.append(pool("max_pool_2", 3, 3, 2, 2, 0, 0))
    last = random.standard_normal((256, 128), np.float32)
    sizes = integers(1, 256, 128, 1, 1, 1, 0, 0, 0, 0, 1)
    held = integers(2, 256, 128, 1, 1) + last.tobytes()
    file += [pool("avg_pool_2", 0, 0, 1, 1, 0, 0), text("fc_2") + integers(128, 256) + held + sizes]
    file[-1] += real(1) * 4 + TRAINING
    return file, expected | {"last.weight": last.T}


FILE, EXPECTED = parts()
WHOLE = b"".join(FILE)


def test_reads_every_number(tmp_path):
    path = tmp_path / "network.dat"
    path.write_bytes(WHOLE)
    found = read_identity(path)
    assert sorted(found) == sorted(EXPECTED)
    for name, expected in EXPECTED.items():
        torch.testing.assert_close(found[name], torch.from_numpy(np.ascontiguousarray(expected)))


HUGE = integers(2, 2**62, 2**62, 1, 1)
HOSTILE = {
    "empty": b"",
    "a byte": b"\1",
    "another format": b"PK\3\4" + b"\0" * 99,
    "another loss": WHOLE.replace(b"loss_metric_2", b"loss_binary_1", 1),
    "another input": WHOLE.replace(b"image_sized", b"image_other", 1),
    "another layer": WHOLE.replace(b"affine_", b"dropout", 1),
    "a longer name": FILE[0] + integer(2**60),
    "a number of 15 bytes": b"\x0f" + b"\1" * 15,
    "versions for ever": FILE[0][:30] + b"\1\2" * 10_000,
    "a real beyond all": b"\1\1" + text("loss_metric_2") + integers(2**60, 2**60),
    "a huge tensor": FILE[0] + text("con_4") + HUGE,
    "a negative tensor": FILE[0] + text("con_4") + integers(2, -1, -4, 1, 1),
    "a negative length": FILE[0] + integer(-5),
    "a layer less": b"".join(FILE[:4] + FILE[5:]),
    "a layer more": WHOLE + FILE[3],
    "bytes more": WHOLE + b"\0" * 9,
    "other paddings": WHOLE.replace(FILE[5], convolution(np.ones((32, 32, 3, 3)), np.ones(32), 1, 0), 1),
    "other sizes": WHOLE.replace(FILE[2], affine(np.ones(16), np.ones(16)), 1),
    "no number": WHOLE.replace(FILE[2], affine(np.full(32, np.nan), np.ones(32)), 1),
    "numbers of training": WHOLE.replace(FILE[3], FILE[3][: -len(EMPTY)] + numbers(np.ones(3)), 1),
} | {f"cut after {n}": WHOLE[:n] for n in (30, len(FILE[0]), 500, 20_000, len(WHOLE) // 2, len(WHOLE) - 1)}


@pytest.mark.parametrize("attack", HOSTILE)
def test_anything_else_is_refused_in_a_sentence(tmp_path, attack):
    path = tmp_path / "network.dat"
    path.write_bytes(HOSTILE[attack])
    assert HOSTILE[attack] != WHOLE
    with pytest.raises(CheckpointError, match=r"is not dlib's network of identity \(.{5,80}\): pull again\.$"):
        read_identity(path)


def test_a_missing_and_a_large_file_are_refused(tmp_path, monkeypatch):
    with pytest.raises(CheckpointError):
        read_identity(tmp_path / "nothing.dat")
    path = tmp_path / "large.dat"
    with path.open("wb") as file:
        file.truncate(dlib_file.LARGEST + 1)  # a hole: takes no room
    with pytest.raises(CheckpointError, match="too large"):
        read_identity(path)
