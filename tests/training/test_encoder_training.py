"""Training of encoders: the pairs, what is learnt, a killed run, photos, and the files that come out."""

import json
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from command_line import picture
from networks import random_lpips, wide_lpips
from tiny import tiny_stylegan2, tiny_stylegan3
from zplus.command.app import run as run_line
from zplus.errors import DownloadError, ZplusError
from zplus.execution import EAGER
from zplus.generators import save_generator
from zplus.images import read_image
from zplus.inversion import invert
from zplus.inversion.encoder import config_for, load_encoder, vgg_features
from zplus.inversion.encoding import EncoderOutput
from zplus.spaces import make_space, render, sample
from zplus.training import encoder as training
from zplus.training import pairs as pairing
from zplus.training.data import Pictures
from zplus.training.encoder import EncoderSettings, train_encoder
from zplus.training.pairs import Pairs

TINY = EncoderSettings(pairs=24, steps=20, batch=4, images=2, learning_rate=0.01, snapshot_minutes=1e9)


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    """Chunks of few pairs, random perceptual weights, nothing compiled."""
    monkeypatch.setattr(pairing, "CHUNK", 8)
    monkeypatch.setattr(training, "CHUNK", 8)
    monkeypatch.setattr(training, "LPIPS", random_lpips)
    for module in (training, pairing):
        monkeypatch.setattr(module, "best_execution", lambda device: EAGER)


@pytest.fixture
def _wide(monkeypatch):
    """Features in which all is still to be seen, for what is to be learnt from them."""
    monkeypatch.setattr(training, "LPIPS", wide_lpips)


@pytest.fixture(scope="module")
def generator():
    return tiny_stylegan2()


def run(folder, generator, settings=TINY, photos=None, report=lambda done, note: None, start=None, **sizes):
    folder.mkdir(exist_ok=True)
    config = config_for(generator, **{"channels": 8, "hidden": 8, **sizes})

    def stage(title, steps):
        return nullcontext(report if title == "Training" else lambda done, note: None)

    return train_encoder(settings, generator, config, folder, photos, stage, start)


def photos(n=6, side=32):
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return Pictures(pixels, pixels[:0])


def output(encoder, target, lpips=random_lpips):
    return EncoderOutput(encoder, lpips("vgg"), EAGER.autocast(torch.device("cpu")), target)


def test_a_stylegan3_gets_an_encoder_that_inverts_with_it(tmp_path):
    """No noise, no RGB beside F and a padded canvas: what the encoder predicts must fit all the same."""
    generator = tiny_stylegan3()
    run(tmp_path, generator)
    encoder = load_encoder(tmp_path / "encoder.safetensors", generator)
    image = render(generator, sample(generator, 2, seed=5))
    latent = invert(generator, image, "f/z+", method="default", steps=2, encoder=encoder)
    assert torch.isfinite(render(generator, latent)).all() and latent.settings["init"] == "encoder"


# Pairs


def test_pairs_are_pictures_of_their_codes(generator, tmp_path):
    pairs = Pairs(generator, tmp_path, 16, 32, 0)
    done = []
    pairs.make(random_lpips("vgg"), done.append)
    assert done[-1] == 16 and done == sorted(done)
    pictures, seen, codes = pairs.rows([3, 11])
    space = make_space("w+", generator)
    images = generator.synthesize(space.decode(codes)).clamp(-1, 1)
    assert (pictures - images).abs().max() < 0.005
    torch.testing.assert_close(seen, vgg_features(random_lpips("vgg"), pictures), rtol=2e-3, atol=2e-3)
    assert not torch.equal(codes[0], codes[1])


def test_some_pairs_have_two_codes_and_some_one(generator, tmp_path):
    codes = torch.cat([Pairs(generator, tmp_path, 400, 32, 0).codes(chunk) for chunk in range(30)])
    counts = [len(torch.unique(code, dim=0)) for code in codes]
    assert set(counts) == {1, 2} and 0.3 < np.mean([x == 2 for x in counts]) < 0.7


def test_pairs_that_are_there_are_not_made_again(generator, tmp_path):
    pairs = Pairs(generator, tmp_path, 16, 32, 0)
    pairs.make(random_lpips("vgg"))
    paths = [pairs.path(kind, chunk) for kind in ("pictures", "seen") for chunk in range(2)]
    before, kept = [path.stat().st_mtime_ns for path in paths], [np.load(path) for path in paths]
    for path in paths[1:3]:
        path.unlink()
    pairs.make(random_lpips("vgg"))
    after = [path.stat().st_mtime_ns for path in paths]
    assert [x == y for x, y in zip(before, after, strict=True)] == [True, False, False, True]
    assert all(np.array_equal(np.load(path), x) for path, x in zip(paths, kept, strict=True))
    other = Pairs(generator, tmp_path, 16, 32, 1)
    assert not {other.path("seen", 0), other.path("pictures", 1)} & set(paths)


def test_an_odd_number_of_pairs_is_refused(generator, tmp_path):
    for count in (0, 8, 13):
        with pytest.raises(ZplusError, match="a multiple of"):
            Pairs(generator, tmp_path, count, 32, 0).make(random_lpips("vgg"))


# Learning


def log_of(folder, generator, monkeypatch, settings):
    """The lines of a log with one for each step, without the pictures of each."""
    monkeypatch.setattr(training.EncoderTrainer, "publish", lambda self, folder, lines: None)
    run(folder, generator, replace(settings, snapshot_minutes=0.0), channels=16, hidden=32)
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("_wide")
def test_codes_and_f_are_learnt(generator, tmp_path, monkeypatch):
    settings = replace(TINY, pairs=200, steps=100, batch=8, images_from=1.0, critic=0.0)
    lines = log_of(tmp_path, generator, monkeypatch, settings)
    for name in ("styles w+", "styles z+", "feature"):
        early, late = (np.mean([line[name] for line in part]) for part in (lines[:5], lines[-15:]))
        assert late < 0.9 * early, name


@pytest.mark.usefixtures("_wide")
def test_pictures_come_nearer(generator, tmp_path):
    only = {"styles": 0.0, "feature": 0.0, "critic": 0.0, "images_from": 0.0, "lpips": 0.0, "images": 8}
    found = {}
    for steps in (1, 120):
        settings = replace(TINY, pairs=24, steps=steps, batch=8, learning_rate=0.001, progressive=0.0, **only)
        run(tmp_path / str(steps), generator, settings, channels=16, hidden=32)
        encoder = load_encoder(tmp_path / str(steps) / "encoder.safetensors", generator)
        target = Pairs(generator, tmp_path / "1" / "pairs", 24, 32, 0).rows(list(range(16))).pictures
        for name in ("w+", "z+", "f/w+", "f/z+"):
            space = make_space(name, generator)
            seen = output(encoder, target, wide_lpips)
            code = seen.code(space)
            state = None if space.layer is None else seen.state(space, code)
            image = generator.synthesize(space.decode(code, state))
            found.setdefault(name, []).append(float((image - target).square().mean()))
    for name, (before, after) in found.items():
        assert after < 0.95 * before, name


def test_offsets_come_one_layer_after_another(generator, tmp_path):
    run(tmp_path, generator, replace(TINY, steps=10, progressive=1.0, snapshot_minutes=0.0))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    lengths = [line["offsets w+"] for line in lines]
    assert lengths[0] == 0 and lengths[-1] > lengths[2]


def test_a_killed_run_ends_as_one_that_was_not(generator, tmp_path):
    def killed(done, note):
        if done == 15:
            raise KeyboardInterrupt

    run(tmp_path / "whole", generator)
    run(tmp_path / "killed", generator, replace(TINY, steps=20), report=lambda done, note: None)
    (tmp_path / "parts").mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", generator, replace(TINY, snapshot_minutes=0.0), report=killed)
    seen = []
    run(tmp_path / "parts", generator, report=lambda done, note: seen.append(done))
    assert seen == list(range(15, 21))
    for name in ("snapshot", "encoder"):
        one, two = (load_file(tmp_path / f / f"{name}.safetensors") for f in ("whole", "parts"))
        assert [key for key in one if not torch.equal(one[key], two[key])] == []


def test_an_encoder_to_begin_with(generator, tmp_path):
    run(tmp_path / "first", generator)
    first = load_encoder(tmp_path / "first" / "encoder.safetensors", generator)
    still = replace(TINY, steps=1, learning_rate=1e-12, seed=5, progressive=0.0)
    run(tmp_path / "second", generator, still, start=first)
    second = load_encoder(tmp_path / "second" / "encoder.safetensors", generator)
    for (name, old), new in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(new, old, rtol=2e-3, atol=1e-4, msg=name)
    assert second.card["start"] == first.card and first.card["steps"] == 20
    with pytest.raises(ZplusError, match="other sizes"):
        run(tmp_path / "third", generator, still, start=first, hidden=16)


def test_photos_are_learnt_from_in_turn(generator, tmp_path):
    settings = replace(TINY, steps=8, images_from=0.0, snapshot_minutes=0.0)
    run(tmp_path / "a", generator, settings)
    run(tmp_path / "b", generator, settings, photos())
    one, two = (
        [json.loads(line) for line in (tmp_path / f / "log.jsonl").read_text().splitlines()] for f in ("a", "b")
    )
    assert load_encoder(tmp_path / "b" / "encoder.safetensors", generator).card["photos"] == 6
    assert one[3]["mse f/z+"] == two[3]["mse f/z+"]  # pairs
    assert one[4]["mse w+"] != two[4]["mse w+"]  # photos


def test_a_batch_may_be_larger_than_a_chunk(generator, tmp_path):
    run(tmp_path, generator, replace(TINY, batch=12, steps=2))
    assert (tmp_path / "encoder.safetensors").exists()


def test_what_comes_out_can_be_used(generator, tmp_path):
    last = run(tmp_path, generator)
    encoder = load_encoder(tmp_path / "encoder.safetensors", generator)
    assert encoder.card["steps"] == 20 and encoder.card["held out f/z+"] == last["held out f/z+"]
    assert read_image(tmp_path / "samples.png").shape == (5 * 32, 8 * 32, 3)
    pairs = Pairs(generator, tmp_path / "pairs", 24, 32, 0)

    def strangeness(pictures):
        return output(encoder, pictures).domain_distance()

    assert 0.3 < strangeness(pairs.rows([0, 1, 2, 3, 4]).pictures).mean() < 3
    assert strangeness(torch.ones(1, 3, 32, 32)) > strangeness(pairs.rows([0]).pictures)


def test_an_encoder_of_f_alone(generator, tmp_path):
    last = run(tmp_path, generator, forms=(), layer="16")
    encoder = load_encoder(tmp_path / "encoder.safetensors", generator)
    assert encoder.config.forms == () and encoder.config.feature_side == 16
    assert last.keys() >= {"feature", "held out f"} and not any("w+" in name for name in last)


def test_the_command_names_broken_photos_and_goes_on(generator, tmp_path, capsys):
    save_generator(generator, tmp_path / "g.safetensors")
    for i in range(3):
        picture(tmp_path / "photos" / f"{i}.jpg", seed=i)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    sizes = {"pairs": 24, "steps": 2, "batch": 4, "images": 2, "channels": 8, "hidden": 8}
    command = ["train", "encoder", "--model", tmp_path / "g.safetensors", "--photos", tmp_path / "photos", "--json"]
    command += ["-o", tmp_path / "run", *(word for name, x in sizes.items() for word in (f"--{name}", x))]
    assert run_line([str(x) for x in command]) == 0
    captured = capsys.readouterr()
    assert "bad.jpg" in captured.err and "left out" in captured.err
    assert load_encoder(json.loads(captured.out)["encoder"], generator).config.channels == 8


@pytest.mark.parametrize("kind", ["encoder", "base-code"])
def test_the_command_takes_a_label(kind, tmp_path, monkeypatch):
    save_generator(tiny_stylegan2(c_dim=3), tmp_path / "g.safetensors")
    asked = []
    monkeypatch.setattr(training, "train_encoder", lambda *a: asked.append(a[:2]) or {})
    command = ["train", kind, "-o", tmp_path / "run", "--model", tmp_path / "g.safetensors", "--label", 2, "--steps", 7]
    assert run_line([str(x) for x in command]) == 0
    ((settings, generator),) = asked
    assert settings.steps == 7 and generator.label.tolist() == [0, 0, 1]


def test_one_stage_ends_before_the_next_begins(generator, tmp_path):
    told = []

    @contextmanager
    def stage(title, steps):
        told.append((title, steps))
        yield lambda done, note: told.append(done)
        told.append("end")

    settings, config = replace(TINY, steps=2), config_for(generator, channels=8, hidden=8)
    train_encoder(settings, generator, config, tmp_path, None, stage)
    assert [x for x in told if not isinstance(x, int)] == [("Making pairs", 24), "end", ("Training", 2), "end"]


def test_missing_face_models_are_noticed_before_the_work(generator, tmp_path, monkeypatch):
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(training, "LPIPS", random_lpips)
    with pytest.raises(DownloadError, match="zplus pull"):
        run(tmp_path / "run", generator, replace(TINY, identity=1.0, steps=2))


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"steps": 0}, {"images": 9, "batch": 8}])
def test_settings_that_no_training_can_have(wrong):
    with pytest.raises(ZplusError):
        replace(TINY, **wrong)
