"""Training: a killed run ends as one that was not, a colour is learnt, and the files that come out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from zplus.errors import CheckpointError, DivergedError, ZplusError
from zplus.generators import SynthesisInputs, load_generator
from zplus.generators.checkpoints.read import read_checkpoint
from zplus.images import read_image
from zplus.training.data import Pictures
from zplus.training.discriminator import read_discriminator
from zplus.training.generator import train
from zplus.training.publish import sample_sheet
from zplus.training.settings import TrainSettings
from zplus.training.trainer import Trainer, fresh_noise

SMALL = {"resolution": 8, "z_dim": 8, "mapping_layers": 2, "channel_base": 64, "channel_max": 4, "batch": 4}
TINY = TrainSettings(**SMALL, kimg=0.02 * 4, path_length=2.0, augment=True, flip=True)  # 20 steps: all that there is


def pictures(n=10, side=8):
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return Pictures(pixels, pixels[:0])


def run(folder, settings=TINY, data=None, report=lambda done, note: None, start=None):
    folder.mkdir(exist_ok=True)
    return train(settings, data or pictures(), folder, report, cpu=True, start=start)


def killed_at(step):
    def report(done, note):
        if done == step:
            raise KeyboardInterrupt

    return report


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(folder)
    return folder


def assert_same_run(a, b):
    one, two = (load_file(folder / "snapshot.safetensors") for folder in (a, b))
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    for name in ("generator.safetensors", "discriminator.safetensors"):
        assert all(torch.equal(x, y) for x, y in zip(*(load_file(f / name).values() for f in (a, b)), strict=True))
    assert np.array_equal(*(read_image(folder / "samples.png") for folder in (a, b)))


def test_a_killed_run_ends_as_one_that_was_not(finished, tmp_path):
    run(tmp_path, replace(TINY, kimg=0.007 * 4))  # the last snapshot is after step 7
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, report=killed_at(18))  # past R1 at step 16; lost
    seen = []
    last = run(tmp_path, report=lambda done, note: seen.append(done))
    assert seen == list(range(8, 21))
    assert last["kimg"] == 0.08
    assert_same_run(finished, tmp_path)


def test_a_run_killed_before_its_first_snapshot_begins_anew(finished, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, report=killed_at(3))
    assert list(tmp_path.iterdir()) == []
    run(tmp_path, replace(TINY, snapshot_minutes=0.0))  # a snapshot at every step
    assert_same_run(finished, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["kimg"] for line in lines] == pytest.approx([0.004 * i for i in range(1, 21)])
    assert [i for i, line in enumerate(lines) if "r1" in line] == [0, 16]


def test_a_finished_run_is_left_as_it_is(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    assert run(finished)["kimg"] == 0.08
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_rates_and_lengths_may_change_on_the_way(finished, tmp_path):
    run(tmp_path, replace(TINY, kimg=0.01 * 4))
    changed = replace(TINY, r1_gamma=50.0, learning_rate=1e-4)
    assert run(tmp_path, changed)["kimg"] == 0.08
    one, two = (load_file(folder / "snapshot.safetensors") for folder in (finished, tmp_path))
    assert not torch.equal(one["discriminator.b8.conv0.weight"], two["discriminator.b8.conv0.weight"])


def test_a_run_begins_with_the_networks_of_another(finished, tmp_path):
    still = replace(TINY, kimg=0.001 * 4, learning_rate=1e-12)
    run(tmp_path, still, start=finished)
    for name in ("generator.safetensors", "discriminator.safetensors"):
        one, two = (load_file(folder / name) for folder in (finished, tmp_path))
        for key in one.keys() - {"mapping.w_avg"}:
            torch.testing.assert_close(one[key], two[key])


def test_networks_of_another_size_are_refused(finished, tmp_path):
    with pytest.raises(ZplusError, match="other sizes"):
        run(tmp_path, replace(TINY, z_dim=9), start=finished)
    with pytest.raises(CheckpointError, match="no file"):
        run(tmp_path, TINY, start=tmp_path)


def test_another_seed_gives_another_run(finished, tmp_path):
    run(tmp_path, replace(TINY, seed=1))
    one, two = (load_file(folder / "snapshot.safetensors") for folder in (finished, tmp_path))
    assert not torch.equal(one["generator.synthesis.b8.conv1.weight"], two["generator.synthesis.b8.conv1.weight"])


def test_what_comes_out_can_be_used(finished):
    generator, trained = (
        load_generator(finished / "generator.safetensors"),
        load_file(finished / "snapshot.safetensors"),
    )
    assert (generator.resolution, generator.z_dim, generator.config.channels) == (8, 8, {4: 4, 8: 4})
    assert torch.equal(generator.state_dict()["mapping.w_avg"], trained["average.mapping.w_avg"])
    image = generator.synthesize(
        SynthesisInputs(generator.styles(generator.map(torch.randn(2, generator.num_codes, 8))))
    )
    assert read_discriminator(finished / "discriminator.safetensors")(image).shape == (2,)
    assert read_image(finished / "samples.png").shape == (64, 64, 3)
    assert (finished / "samples-000000.png").is_file()
    line = json.loads((finished / "log.jsonl").read_text())
    assert line.keys() >= {"kimg", "seconds", "images_per_second", "generator_loss", "discriminator_loss"}
    assert line.keys() >= {"r1", "path_length", "real_score", "fake_score"}
    assert all(np.isfinite(list(line.values())))


def test_a_run_goes_on_only_with_its_own_settings_and_data(finished):
    with pytest.raises(ZplusError, match="another batch, seed"):
        run(finished, replace(TINY, seed=1, batch=8))
    with pytest.raises(ZplusError, match="another data"):
        run(finished, data=pictures(9))
    with pytest.raises(ZplusError, match="The pictures have 16 px, expected 8"):
        run(finished, data=pictures(side=16))


@pytest.mark.parametrize("change", ["bytes", "facts", "missing"])
def test_a_damaged_snapshot_is_refused(finished, tmp_path, change):
    path, held = tmp_path / "snapshot.safetensors", load_file(finished / "snapshot.safetensors")
    with safe_open(finished / "snapshot.safetensors", "pt") as file:
        header = file.metadata()
    if change == "bytes":
        path.write_bytes((finished / "snapshot.safetensors").read_bytes()[:-100])
    elif change == "facts":
        save_file(held, path, {"facts": "{"})
    else:
        del held["optimizer.generator.mapping.fc0.bias.exp_avg"]
        save_file(held, path, header)
    with pytest.raises(CheckpointError, match="no snapshot that training can go on from"):
        run(tmp_path, replace(TINY, kimg=1.0))


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"kimg": float("inf")}, {"kimg": float("nan")}])
def test_numbers_that_no_training_can_have(wrong):
    with pytest.raises(ZplusError, match="which no training can have"):
        replace(TINY, **wrong)


def test_a_run_in_this_folder_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(Path(), replace(TINY, kimg=0.001 * 4))
    assert read_checkpoint(tmp_path / "generator.safetensors")[0].name == tmp_path.name


def test_weights_that_are_no_numbers_end_the_run_and_spare_the_snapshot(finished, tmp_path):
    settings = replace(TINY, learning_rate=1e30)
    with pytest.raises(DivergedError, match="not numbers"):
        run(tmp_path, settings)
    assert not (tmp_path / "snapshot.safetensors").exists()


def test_a_colour_is_learnt(tmp_path):
    colour = np.array([204, 102, 51], np.uint8)
    data = Pictures(np.broadcast_to(colour, (8, 8, 8, 3)).copy(), np.empty((0, 8, 8, 3), np.uint8))
    settings = TrainSettings(**SMALL | {"batch": 8}, kimg=2.4, ema_kimg=0.2, learning_rate=0.005)

    def far(steps):
        run(tmp_path, replace(settings, kimg=steps * 0.008), data)
        generator = load_generator(tmp_path / "generator.safetensors")
        sheet = sample_sheet(generator, torch.randn(16, 1, 8, generator=torch.Generator().manual_seed(0)))
        return np.abs(sheet.astype(float) - colour).mean()

    before, after = far(1), far(300)
    assert after < 20 and after < before / 3


def test_noise_is_fresh_for_every_row_and_teaches_its_strength():
    generator = Trainer(TINY, Accelerator(cpu=True)).generator
    for name in generator.conv_names:
        generator.synthesis.get_submodule(name).noise_strength.data.fill_(2.0)
    noise = fresh_noise(generator, 3, torch.Generator().manual_seed(0))
    assert [tuple(x.shape) for x in noise] == [(3, 1, 4, 4), (3, 1, 8, 8), (3, 1, 8, 8)]
    assert not torch.equal(noise[1][0], noise[1][1])
    assert 1.5 < float(torch.cat([x.detach().flatten() for x in noise]).std()) < 2.5
    sum(x.square().sum() for x in noise).backward()
    assert all(generator.synthesis.get_submodule(name).noise_strength.grad > 0 for name in generator.conv_names)


def test_the_default_sizes():
    settings = TrainSettings()
    assert settings.channels == {4: 128, 8: 128, 16: 128, 32: 64, 64: 32}
    assert settings.gamma == pytest.approx(0.0002 * 64**2 / 16)
    assert settings.steps == 62_500
