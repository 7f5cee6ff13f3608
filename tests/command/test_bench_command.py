"""`zplus bench` and `zplus report` from a file of a generator to a page."""

import json
from dataclasses import replace

import pytest

from command_line import assert_refused, needs_lpips
from networks import random_encoder
from runs import add_picture, make_run
from zplus.benchmark import bench, prepare
from zplus.benchmark.conditions import BENCHES, EVERY_METHOD
from zplus.benchmark.rows import read_run
from zplus.editing import FINDERS
from zplus.generators import load_generator
from zplus.inversion.encoder import save_encoder


def moved(direction):
    """In the last bits, as on another run of the same computation."""
    return replace(direction, vector=direction.vector * (1 + 2e-7))


@needs_lpips
def test_a_bench_is_run_and_reported(zplus, model, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "SAMPLES", 100)
    out = tmp_path / "run"
    options = ("--model", model, "--count", 1, "--seeds", 1, "--steps", 2, "--space", "w", "-o", out)
    found = zplus("bench", "spaces", *options, "--json")
    assert found.code == 0 and found.json["finished"]
    principal = FINDERS["principal"]
    monkeypatch.setitem(FINDERS, "principal", lambda *asked: [moved(x) for x in principal(*asked)])
    again = zplus("bench", "spaces", *options, "--json")
    assert again.code == 0 and again.json["trials"] == found.json["trials"]
    made = zplus("report", out, "--json").json
    assert "w" in (out / "report.md").read_text(encoding="utf-8") and made["report"].endswith("report.html")
    assert_refused(zplus("bench", "spaces", *options, "--seeds", 2))
    monkeypatch.setattr(prepare, "SAMPLES", 101)  # so that other scorers are learnt
    assert "other scorers" in zplus("bench", "spaces", *options).err


@needs_lpips
def test_what_fails_is_named_once_and_told_by_the_exit_code(zplus, model, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "SAMPLES", 100)
    monkeypatch.setattr(bench, "ORACLES", ("z",))
    monkeypatch.setitem(BENCHES, "methods", lambda: EVERY_METHOD[:1])  # e4e, without an encoder
    found = zplus("bench", "methods", "--model", model, "--count", 2, "--seeds", 1, "-o", tmp_path / "run", "--json")
    assert found.code == 1 and found.json["trials"] == 1
    assert len(found.json["skipped"]) == 1 and found.json["skipped"][0].startswith("e4e in w+ is left out 2 times: ")


@needs_lpips
def test_an_encoder_of_ones_own_starts_the_inversions(zplus, model, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "SAMPLES", 100)
    monkeypatch.setattr(bench, "ORACLES", ("z",))
    monkeypatch.setitem(BENCHES, "methods", lambda: EVERY_METHOD[:1])
    generator, error = load_generator(str(model)), []
    for seed, run in ((0, "run"), (1, "other"), (1, "run")):
        save_encoder(random_encoder(generator, seed), tmp_path / f"{seed}.safetensors")
        options = ("--count", 1, "--seeds", 1, "--encoder", tmp_path / f"{seed}.safetensors", "-o", tmp_path / run)
        found = zplus("bench", "methods", "--model", model, *options)
        error.append(found.err)
    assert "other encoder" in error[2]
    one, other = (read_run(tmp_path / run).table("reconstruction")[0]["mse"] for run in ("run", "other"))
    assert one != other


@needs_lpips
def test_speed_is_measured(zplus, model, tmp_path):
    assert zplus("bench", "speed", "--model", model, "--repeats", 2, "-o", tmp_path / "run").code == 0
    rows = read_run(tmp_path / "run").table("speed")
    seconds = {what: [row["seconds"] for row in rows if row["what"] == what] for what in {x["what"] for x in rows}}
    eager, editor = min(seconds["picture, eager in fp32"]), max(seconds["picture, as the editor renders it"])
    assert all(len(found) == 2 for found in seconds.values())
    assert editor > eager / 20, "a picture is rendered, not remembered"
    zplus("report", tmp_path / "run")
    assert "steps of inversion" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", [("--space", "q"), ("--count", 0), ("--photos", "none"), ("-d", "none")])
def test_wrong_wishes_are_refused_at_once(zplus, model, tmp_path, wrong):
    assert_refused(zplus("bench", "spaces", "--model", model, "-o", tmp_path / "run", *wrong))
    assert not (tmp_path / "run").exists()


def test_rates_of_methods_are_not_chosen(zplus, model, tmp_path):
    assert_refused(zplus("bench", "methods", "--tune", "--model", model, "-o", tmp_path / "run"))


def test_a_report_of_nothing_is_refused(zplus, tmp_path):
    assert_refused(zplus("report", tmp_path))
    assert_refused(zplus("report", tmp_path / "none"))


def test_the_key_of_a_survey_lies_beside_the_run(zplus, tmp_path):
    picture_rows = [
        add_picture(tmp_path / "run", f"{i}.png", 90 + i, what="edit", subject="a", direction="smile", space=space)
        for i, space in enumerate(("f/z+", "f/w+"))
    ]
    made = zplus("report", make_run(tmp_path / "run", picture_rows), "--survey", "f/z+", "f/w+", "--json").json
    key = tmp_path / "run.survey.key.json"
    assert made["key"] == str(key) and key.is_file() and not list((tmp_path / "run").glob("*key*"))
    answers = {"zplus_survey": 1, "survey": json.loads(key.read_text())["survey"], "answers": {"q001": "left"}}
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    assert zplus("report", tmp_path / "answers.json", "--key", key, "--json").json["n"] == 1
