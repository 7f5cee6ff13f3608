"""The command line on a tiny generator: quick, without alignment, with few steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from command_line import Result, picture
from tiny import tiny_stylegan2
from zplus.command.app import run
from zplus.direction import Direction, save_direction
from zplus.generators import save_generator
from zplus.inversion.settings import PRESETS
from zplus.perception import quality


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """LPIPS at 32 px, eager, and no debugging."""
    for name in ("default", "hybrid"):
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], steps=2, lpips_size=32, candidates=2))
    monkeypatch.setattr(quality, "LPIPS_SIDE", 32)
    monkeypatch.setenv("ZPLUS_EAGER", "1")
    monkeypatch.delenv("ZPLUS_DEBUG", raising=False)


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_generator(tiny_stylegan2(), path)
    return path


@pytest.fixture(scope="session")
def direction(tmp_path_factory) -> Path:
    """A direction of the tiny generator in W."""
    path = tmp_path_factory.mktemp("direction") / "bend.safetensors"
    vector = torch.from_numpy(np.random.RandomState(0).standard_normal((1, 16))).float()
    save_direction(Direction("bend", "w", vector, tiny_stylegan2().mapping_fingerprint), path)
    return path


@pytest.fixture
def photo(tmp_path) -> Path:
    return picture(tmp_path / "me.png")


@pytest.fixture
def zplus(capsys):
    """Runs a command line in this process."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        return Result(code, *capsys.readouterr())

    return call
