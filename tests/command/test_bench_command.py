"""`zplus bench` and `zplus report` from a file of a generator to a page."""

import pytest

from command_line import assert_refused, needs_lpips
from zplus.command import benchmarking


@needs_lpips
def test_a_bench_is_run_and_reported(zplus, model, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarking, "SAMPLES", 100)
    out = tmp_path / "run"
    options = ("--model", model, "--count", 1, "--seeds", 1, "--steps", 2, "--space", "w", "-o", out)
    found = zplus("bench", "spaces", *options, "--json")
    assert found.code == 0 and found.json["finished"]
    again = zplus("bench", "spaces", *options, "--json")
    assert again.json["trials"] == found.json["trials"]
    made = zplus("report", out, "--json").json
    assert "w" in (out / "report.md").read_text(encoding="utf-8") and made["report"].endswith("report.html")
    assert_refused(zplus("bench", "spaces", *options, "--seeds", 2))


@needs_lpips
def test_speed_is_measured(zplus, model, tmp_path):
    assert zplus("bench", "speed", "--model", model, "--repeats", 2, "-o", tmp_path / "run").code == 0
    zplus("report", tmp_path / "run")
    assert "steps of inversion" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", [("--space", "q"), ("--count", 0), ("--photos", "none"), ("-d", "none")])
def test_wrong_wishes_are_refused_at_once(zplus, model, tmp_path, wrong):
    assert_refused(zplus("bench", "spaces", "--model", model, "-o", tmp_path / "run", *wrong))
    assert not (tmp_path / "run").exists()


def test_a_report_of_nothing_is_refused(zplus, tmp_path):
    assert_refused(zplus("report", tmp_path))
    assert_refused(zplus("report", tmp_path / "none"))
