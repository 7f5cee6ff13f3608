"""Training by several processes: they learn one network from different pictures, and one of them speaks."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from command_line import picture
from networks import random_lpips
from tiny import tiny_stylegan2
from zplus.execution import EAGER
from zplus.generators import save_generator
from zplus.inversion.encoder import config_for
from zplus.training import encoder as training
from zplus.training import pairs as pairing
from zplus.training.data import Pictures
from zplus.training.encoder import EncoderSettings, train_encoder
from zplus.training.pairs import Pairs

TESTS = Path(__file__).parents[1]
ENCODER = ("--pairs", "24", "--batch", "4", "--images", "2", "--channels", "8", "--hidden", "8")
GENERATOR = ("--cpu", "--resolution", "8", "--z-dim", "8", "--channel-max", "4", "--batch", "4", "--path-length", "2")


def trained(folder, *arguments):
    """What two processes of a command say: the one JSON object, and the standard error of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ZPLUS_EAGER": "1"}
    path = os.pathsep.join(["src", str(TESTS), *sys.path])
    line = [sys.executable, TESTS / "training_program.py", folder, "train", *arguments, "-o", folder / "run", "--json"]
    processes = [
        subprocess.Popen(
            [str(x) for x in line],
            env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in "01"
    ]  # fmt: skip
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    out, errors = zip(*said, strict=True)
    return json.loads("".join(out)), errors


@pytest.fixture
def photos(tmp_path):
    for i in range(6):
        picture(tmp_path / "photos" / f"{i}.png", seed=i, height=32, width=32)
    return tmp_path / "photos"


def test_two_processes_train_one_generator(photos, tmp_path):
    """Also its running means, which a run that goes on takes from the snapshot of the first process."""
    assert_trained_together(tmp_path, "generator", photos, *GENERATOR, "--kimg", 0.036)
    assert load_file(tmp_path / "run" / "snapshot.safetensors")["path_length.mean"] > 0


def test_two_processes_train_one_encoder(photos, tmp_path):
    save_generator(tiny_stylegan2(), tmp_path / "g.safetensors")
    model = ("--model", tmp_path / "g.safetensors", "--photos", photos)
    assert_trained_together(tmp_path, "encoder", *model, *ENCODER, "--steps", 8)


def assert_trained_together(folder, kind, *arguments):
    found, (first, second) = trained(folder, kind, *arguments)
    assert Path(found[kind]).is_file() and found["kimg"] > 0
    assert "Training" in first and second == ""
    assert (folder / "rank0").read_text() == (folder / "rank1").read_text()


class Process(Accelerator):
    """One of two processes, alone: nothing is exchanged."""

    num_processes = 2
    process_index = 0
    is_main_process = False
    device = torch.device("cpu")

    def __init__(self, **options):
        pass

    def reduce(self, tensor, reduction="sum", scale=1.0):
        return tensor

    def wait_for_everyone(self):
        pass


def test_processes_see_different_pairs_photos_and_codes(tmp_path, monkeypatch):
    for module in (training, pairing):
        monkeypatch.setattr(module, "CHUNK", 8)
        monkeypatch.setattr(module, "best_execution", lambda generator: EAGER)
    monkeypatch.setattr(training, "LPIPS", random_lpips)
    monkeypatch.setattr(training, "Accelerator", Process)
    generator = tiny_stylegan2()
    Pairs(generator, tmp_path / "pairs", 24, 32, 0).make(random_lpips("vgg"))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    seen = {}

    def judge(real, fake):
        seen["scores"].append(real.detach().clone())
        return (fake - real).mean()

    def learn(self, batch, step, really=training.EncoderTrainer.step):
        seen.setdefault("batch", batch)
        return really(self, batch, step)

    monkeypatch.setattr(training, "discriminator_loss", judge)
    monkeypatch.setattr(training.EncoderTrainer, "step", learn)
    found = []
    for rank in (0, 1):
        monkeypatch.setattr(Process, "process_index", rank)
        seen = {"scores": []}
        settings = EncoderSettings(pairs=24, steps=1, batch=4, images=2)
        config = config_for(generator, channels=8, hidden=8)
        train_encoder(settings, generator, config, tmp_path, Pictures(pixels, pixels[:0]))
        found.append(seen)
    (one, two) = (x["batch"] for x in found)
    assert len(one.pairs.codes) == 2 and len(one.photos) == 1
    assert not torch.equal(one.pairs.codes, two.pairs.codes) and not torch.equal(one.photos, two.photos)
    assert all(not torch.equal(a, b) for a, b in zip(*(x["scores"] for x in found), strict=True))
