"""`zplus invert`: what it writes, what it says, and that it can be stopped and run again."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from command_line import assert_refused, cache_with_networks, leftovers, needs_lpips, picture
from networks import random_encoder
from tiny import tiny_stylegan2
from zplus.execution import compiler, mode
from zplus.images import read_image
from zplus.inversion.encoder import save_encoder
from zplus.inversion.settings import PRESETS
from zplus.latent import load_latent
from zplus.workflow import inverting, judging
from zplus.workflow.inverting import Inverter
from zplus.workflow.json_files import read_json

pytestmark = needs_lpips
KEYS = [
    "space",
    "model",
    "method",
    "steps",
    "seconds",
    "seconds_per_step",
    "mse",
    "psnr",
    "ssim",
    "ms_ssim",
    "lpips_vgg",
    "lpips_alex",
    "identity_distance",
    "latent",
    "reconstruction",
    "warnings",
]
ENDS = (".aligned.png", ".json", ".latent.safetensors", ".reconstruction.png")


@pytest.fixture
def invert(zplus, model, tmp_path):
    """Runs `zplus invert --no-align` into tmp_path/out."""

    def call(*arguments):
        return zplus("invert", *arguments, "--model", model, "-o", tmp_path / "out", "--no-align")

    return call


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_photo_gives_one_object(invert, photo, tmp_path):
    result = invert(photo, "--json", "--steps", "3")
    assert result.code == 0
    record = result.json
    assert set(KEYS) <= set(record)
    assert (record["space"], record["method"], record["steps"]) == ("f/z+", "default", 3)
    assert record["seconds_per_step"] == pytest.approx(record["seconds"] / 3, rel=0.01)
    assert record["psnr"] == pytest.approx(10 * math.log10(4 / record["mse"]), abs=1e-6)
    assert record["ms_ssim"] is None and record["identity_distance"] is None  # of 32 px, without a face
    assert names(tmp_path / "out") == sorted(f"me{end}" for end in ENDS)
    latent = load_latent(record["latent"])
    assert latent.figures["mse"] == [record["mse"]] and latent.settings["steps"] == 3
    assert read_image(record["reconstruction"]).shape == (32, 32, 3)
    assert len(record["quad"]) == 4 and record["warnings"] == []


def test_a_person_reads_what_the_identity_distance_means(invert, photo, monkeypatch):
    monkeypatch.setattr(inverting, "measure_quality", lambda *images: dict.fromkeys(KEYS[6:13], 0.7))
    result = invert(photo)
    assert "LPIPS 0.700, PSNR 0.7, identity distance 0.70 (the same person below 0.6)" in result.out
    assert "The reconstruction may show somebody else: identity distance 0.70" in result.err


def test_alias_and_options_reach_the_latent(zplus, model, photo, tmp_path):
    options = ["--space", "w+", "--psi", "0.7", "--seed", "5", "--start", "mean", "--no-align"]
    assert zplus("project", photo, "--model", model, "-o", tmp_path / "a", *options).code == 0
    latent = load_latent(tmp_path / "a" / "me.latent.safetensors")
    assert (latent.space, latent.decoding.psi, latent.settings["seed"]) == ("w+", 0.7, 5)
    assert latent.settings["init"] == "mean"
    again = ["--start", tmp_path / "a" / "me.latent.safetensors", "--space", "f/w+", "--layer", "16", "--no-align"]
    assert zplus("invert", photo, "--model", model, "-o", tmp_path / "b", *again).code == 0
    assert load_latent(tmp_path / "b" / "me.latent.safetensors").layer == "b16.conv1"


def test_a_batch_goes_on_where_it_ended(invert, tmp_path, monkeypatch):
    photos = [picture(tmp_path / f"{i}.png", i) for i in range(2)]
    first = invert(*photos, "--json").json
    assert [r["photo"] for r in first["results"]] == [str(p) for p in photos] and first["failed"] == []
    assert (tmp_path / "out" / "summary.json").is_file() and first["medians"]["mse"] > 0
    photos.append(picture(tmp_path / "2.png", 2))
    done = []
    whole = Inverter.invert_all
    monkeypatch.setattr(Inverter, "invert_all", lambda self, *a: done.append((len(a[0]), *a[1:2])) or whole(self, *a))
    second = invert(*photos, "--json")
    assert done == [(1, 1)] and second.err.count("is skipped") == 2  # a row for the one that is left
    assert second.json["results"][:2] == first["results"]
    third = invert(photos[0], "--seed", "1")
    assert len(done) == 2  # other settings, so it is done again
    assert "0.png was inverted into this folder with other settings before: that is replaced." in third.err


def test_a_changed_encoder_or_start_is_another_one(invert, photo, encoder, tmp_path):
    begun, command = tmp_path / "begun.safetensors", (photo, "--encoder", encoder, "--start")
    for seed in "12":
        latent = invert(photo, "--seed", seed, "--json").json["latent"]
        shutil.copy(latent, begun)
        assert "is skipped" not in invert(*command, begun).err
    assert "is skipped" in invert(*command, begun).err
    save_encoder(random_encoder(tiny_stylegan2(), seed=1), encoder)
    assert "is skipped" not in invert(*command, begun).err


@pytest.mark.parametrize(("part", "known"), [("zplus_version", "0.0.1"), ("encoder_fingerprint", "another")])
def test_another_version_is_another_key_and_records_of_before_had_none(invert, photo, tmp_path, part, known):
    invert(photo)
    path = tmp_path / "out" / "me.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["zplus_version"], record["encoder_fingerprint"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert "is skipped" in invert(photo).err
    path.write_text(json.dumps(record | {part: known}), encoding="utf-8")
    assert "is skipped" not in invert(photo).err and "is skipped" in invert(photo).err


def test_a_changed_photo_is_done_again_beside(invert, photo, tmp_path):
    invert(photo)
    picture(photo, 9)
    assert invert(photo).code == 0
    assert len(names(tmp_path / "out")) == 8


def test_photos_of_one_name_do_not_meet(invert, tmp_path):
    photos = [picture(tmp_path / folder / "me.png", i) for i, folder in enumerate("ab")]
    first = invert(*photos, "--json").json["results"]
    assert len({r["latent"] for r in first}) == 2
    turned = invert(*reversed(photos), "--json")
    assert turned.json["results"] == first[::-1] and turned.err.count("is skipped") == 2


def test_a_photo_named_summary(invert, tmp_path):
    photos = [picture(tmp_path / "summary.png"), picture(tmp_path / "b.png", 1)]
    assert invert(*photos).code == 0
    assert "results" in (tmp_path / "out" / "summary.json").read_text(encoding="utf-8")


def test_one_bad_photo_does_not_keep_the_others(invert, photo, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture", encoding="utf-8")
    result = invert(bad, tmp_path / "none.jpg", photo, "--json")
    assert result.code == 1
    assert [r["photo"] for r in result.json["results"]] == [str(photo)]
    assert [f["photo"] for f in result.json["failed"]] == [str(bad), str(tmp_path / "none.jpg")]
    lines = [line for line in result.err.splitlines() if line.startswith("zplus: ")]
    assert [line.count(str(path)) for line, path in zip(lines, (bad, tmp_path / "none.jpg"), strict=True)] == [1, 1]
    assert "Traceback" not in result.err
    assert names(tmp_path / "out") == sorted([*(f"me{end}" for end in ENDS), "manifest.jsonl", "summary.json"])


def test_all_bad_is_bad_input(invert, tmp_path):
    assert invert(tmp_path / "a.png", tmp_path / "b.png").code == 2


def test_what_was_finished_is_kept_upon_interruption(invert, tmp_path, monkeypatch):
    photos = [picture(tmp_path / f"{i}.png", i) for i in range(3)]
    whole = Inverter.invert_all

    def interrupted(self, crops, size, callbacks, title=""):
        if "1.png" in title:
            raise KeyboardInterrupt
        return whole(self, crops, size, callbacks, title)

    monkeypatch.setattr(Inverter, "invert_all", interrupted)
    result = invert(*photos, "--json", "--batch", "1")
    assert result.code == 130 and "1 of 3 photos are finished" in result.err
    assert [r["photo"] for r in result.json["results"]] == [str(photos[0])]
    assert result.json["error"] == "Interrupted."
    assert not leftovers(tmp_path)


@pytest.fixture
def hearing():
    """A shell lets what it starts in the background ignore SIGINT, and programs hand that down to those they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.usefixtures("hearing")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_the_program(model, photo, tmp_path, number):
    arguments = ["invert", photo, "--model", model, "-o", tmp_path / "out", "--no-align", "--steps", "100000", "--json"]
    command = [sys.executable, "-m", "zplus", *map(str, arguments)]
    environment = cache_with_networks(tmp_path / "cache")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        for line in process.stderr:
            if line.startswith("Inverting"):
                break
        time.sleep(0.5)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == (143 if number == signal.SIGTERM else 130) and "Traceback" not in err
    assert [line for line in err.splitlines() if line.startswith("zplus: ")] in ([], ["zplus: Interrupted."])
    assert out.count("\n") == 1 and json.loads(out)["error"] == "Interrupted."
    assert list((tmp_path / "out").iterdir()) == []


def test_standard_output_of_the_program_is_pure(model, photo, tmp_path):
    arguments = ["invert", photo, "--model", model, "-o", tmp_path / "out", "--no-align", "--steps", "1", "--json"]
    command = [sys.executable, "-m", "zplus", *map(str, arguments)]
    environment = cache_with_networks(tmp_path / "cache")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.count("\n") == 1 and done.stdout.startswith('{"space": "f/z+"')
    assert "Inverting" in done.stderr


def test_without_a_compiler_it_runs_uncompiled_and_says_so(invert, photo, monkeypatch, tmp_path):
    monkeypatch.delenv("ZPLUS_EAGER")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setattr(compiler, "_trouble", None)
    monkeypatch.setattr(compiler, "_probed", lambda: "fatal error: Python.h: No such file or directory")
    monkeypatch.setattr(mode, "PAYS_AFTER", {"bfloat16": 2, "float32": 2})
    result = invert(photo)
    assert result.code == 0 and result.err.count("install them (python3-dev on Debian") == 1
    latent = load_latent(tmp_path / "out" / "me.latent.safetensors")
    assert latent.mode["compiled"] is False


def test_without_the_face_models_there_is_a_warning(invert, photo, monkeypatch):
    monkeypatch.setattr(judging, "Identity", _no_models)
    record = invert(photo, "--json").json
    assert record["identity_distance"] is None and "There is no identity distance" in record["warnings"][0]


def _no_models():
    raise judging.DownloadError("The files of face_recognition_models are not on this machine.")


def test_a_full_disk_leaves_nothing_behind(invert, photo, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    result = invert(photo)
    assert_refused(result)
    assert "the disk is full" in result.err and list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--space", "f/z++"], "Unknown space 'f/z++': did you mean 'f/z+'?"),
        (["--method", "defualt"], "did you mean 'default'?"),
        (["--model", "ffhq-mobil"], "did you mean 'ffhq-mobile'?"),
        (["--model", "none.safetensors"], "There is no file none.safetensors"),
        (["--layer", "64"], "Unknown layer '64'"),
        (["--psi", "2"], "must lie between 0 and 1"),
        (["--psi", "nan"], "must lie between 0 and 1"),
        (["--device", "cpux"], "did you mean 'cpu'?"),
        (["--start", "comon"], "did you mean 'common'?"),
        (["--start", "none.safetensors"], "There is no file"),
    ],
)
def test_unknown_names_and_values(zplus, model, photo, tmp_path, options, words):
    result = zplus("invert", photo, "--model", model, "--no-align", "-o", tmp_path / "out", *options)
    assert_refused(result)
    assert words in result.err


def test_places_that_cannot_be_written(zplus, model, photo, tmp_path):
    result = zplus("invert", photo, "--model", model, "--no-align", "-o", photo)
    assert_refused(result)
    assert "is a file" in result.err
    result = zplus("invert", photo, "--model", model, "--no-align", "-o", photo / "deeper")
    assert_refused(result)


def test_a_record_that_is_no_record_is_written_anew(invert, photo, tmp_path):
    invert(photo)
    (tmp_path / "out" / "me.json").write_text("[]", encoding="utf-8")
    assert invert(photo).code == 0
    assert read_json(tmp_path / "out" / "me.json")["steps"] == 2


def test_photos_are_left_as_they_are(invert, photo, tmp_path):
    copy = shutil.copy(photo, tmp_path / "copy.png")
    invert(photo)
    with Image.open(photo) as image, Image.open(copy) as before:
        assert image.tobytes() == before.tobytes()


# Methods


@pytest.fixture
def encoder(tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_encoder(random_encoder(tiny_stylegan2()), path)
    return path


def test_an_encoder_alone_and_as_a_start(invert, photo, encoder):
    alone = invert(photo, "--json", "--method", "e4e", "--encoder", encoder).json
    assert (alone["method"], alone["steps"], alone["space"]) == ("e4e", 0, "f/z+")
    latent = load_latent(alone["latent"])
    assert latent.figures["strangeness"][0] > 0
    started = invert(photo, "--json", "--encoder", encoder).json
    assert started["steps"] == 2
    assert invert(photo, "--json", "--encoder", encoder, "--start", "common").code == 0


def test_a_photo_unlike_the_domain_is_warned_of(invert, photo, tmp_path):
    encoder = random_encoder(tiny_stylegan2())
    encoder.seen_std.fill_(1e-3)
    save_encoder(encoder, tmp_path / "narrow.safetensors")
    result = invert(photo, "--json", "--method", "e4e", "--encoder", tmp_path / "narrow.safetensors")
    assert result.code == 0
    assert any("deviations from what the encoder learnt from" in line for line in result.json["warnings"])


@pytest.mark.parametrize(("method", "space", "part"), [("sam", "w+", "added"), ("pti", "w", "offsets")])
def test_methods_that_change_more_than_codes(method, space, part, invert, zplus, model, photo, direction, monkeypatch):
    short = replace(PRESETS[method], steps=2, lpips_size=32, candidates=2, sam_steps=2, pti_steps=2)
    monkeypatch.setitem(PRESETS, method, short)
    record = invert(photo, "--json", "--method", method, "--space", space).json
    assert record["steps"] == 4 and getattr(load_latent(record["latent"]), part)
    out = photo.parent / "edited.png"
    options = ["-d", f"{direction}=1", "--no-paste", "-o", out, "--model", model]
    assert zplus("edit", record["latent"], *options).code == 0
    assert not np.array_equal(read_image(out), read_image(record["reconstruction"]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "e4e"], "has no encoder"),
        (["--method", "e4f"], "did you mean 'e4e'"),
        (["--method", "sam"], "SAM adds feature maps to a space of codes"),
        (["--encoder", "none.safetensors"], "no file"),
    ],
)
def test_methods_that_cannot_be(invert, photo, options, words):
    result = invert(photo, *options)
    assert_refused(result)
    assert words in result.err


def test_an_encoder_of_another_generator_is_refused(invert, photo, tmp_path):
    save_encoder(random_encoder(tiny_stylegan2(seed=1)), tmp_path / "other.safetensors")
    result = invert(photo, "--encoder", tmp_path / "other.safetensors")
    assert_refused(result)
    assert "another generator" in result.err
