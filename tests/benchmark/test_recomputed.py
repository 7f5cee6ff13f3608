"""What a report says of a run is what its rows say, by a program that shares nothing with it."""

import gzip
from pathlib import Path

import numpy as np
import pytest

import recomputed
from runs import make_photo_rows, make_rows, make_run
from zplus.benchmark.contrasts import Part, others, primaries
from zplus.benchmark.rows import read_run

RUNS = Path(__file__).parents[2] / "benchmarks" / "runs"
EVIDENCE = sorted(
    path.name for path in RUNS.glob("*") if "ablations" not in path.name and "truncation" not in path.name
)
FEW = 99  # resamples: they make intervals and p, which are not recomputed
MEASURES = {"error_lpips", "error_alex", "error_ssim", "reached", "judge_change", "identity_distance", "off_target"}


def compare_all(run, rows):
    checked, rows = 0, [row for row in rows if row["table"] == "edit"]
    for one in (*primaries(run, FEW), *others(run)):
        if one.table != "edit" or one.measure not in MEASURES:
            continue
        found = recomputed.contrast(rows, one.setting, one.measure, one.a, one.b)
        told = {part for part in one.parts if part.reached is False or one.unreached}
        assert told == {Part(*x) for x in found if not x[1] or (one.unreached and one.measure != "reached")}
        for part, said in one.parts.items():
            if np.isfinite(said.mean):
                n, mean, error = found[part]
                sign = -1 if one.measure in ("reached", "judge_change") else 1  # of which more is better
                gains = one.gains[part]
                assert said.n == n and sign * said.mean == pytest.approx(mean, abs=1e-9)
                assert gains.std(ddof=1) / n**0.5 == pytest.approx(error, abs=1e-9)
                checked += 1
    return checked


@pytest.mark.parametrize("rows", [make_rows(20, worse={"f/w+": 0.02}), make_photo_rows(10)], ids=["oracle", "photos"])
def test_made_up_runs_are_recomputed(rows, tmp_path):
    rows = [{**row, "identity_distance": len(row["space"]) / 9} if row["table"] == "edit" else row for row in rows]
    rows = [{**row, "reached": i % 5 > 0} if row["table"] == "edit" else row for i, row in enumerate(rows)]
    folder = make_run(tmp_path, rows)
    assert compare_all(read_run(folder), recomputed.rows_of(folder)) > 4


@pytest.mark.parametrize("name", EVIDENCE)
def test_the_published_runs_are_recomputed(name, tmp_path):
    (tmp_path / "run.json").write_bytes((RUNS / name / "run.json").read_bytes())
    (tmp_path / "rows.jsonl").write_bytes(gzip.decompress((RUNS / name / "rows.jsonl.gz").read_bytes()))
    assert compare_all(read_run(tmp_path), recomputed.rows_of(RUNS / name)) > 10
