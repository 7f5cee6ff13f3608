"""A planted effect is found, none is found where there is none, and like is compared with like."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from runs import PLAN, make_photo_rows, make_rows, make_run
from zplus.benchmark.arms import by_arm, kind
from zplus.benchmark.contrasts import Part, baselines, others, primaries, within
from zplus.benchmark.findings import findings, sentence
from zplus.benchmark.kernel_distance import with_kernel
from zplus.benchmark.rows import read_run
from zplus.benchmark.statistics import compare
from zplus.errors import ZplusError

FEW = 999  # resamples
WRONG = ({"a": 3}, {"measure": "space"})


def first(run, *resamples):
    return primaries(run, *resamples)[0]


@pytest.fixture
def run_of(tmp_path):
    return lambda rows, **facts: read_run(make_run(tmp_path, rows, **facts))


def test_a_planted_effect_is_found_and_said(run_of):
    found = first(run_of(make_rows(96, worse={"f/w+": 0.012})))
    assert found.verdict == "f/z+"
    for part in found.parts.values():
        assert part.n == 96 and part.low <= 0.012 <= part.high
        assert part.mean == pytest.approx(0.012, abs=0.006)
    text = sentence(found)
    assert text.startswith("In f/z+ the edited image is closer to the truth than in f/w+ (truth straight in W: LPIPS ")
    assert f"lower by .0{round(found.parts[Part('w')].mean * 1000)}" in text and "96 subjects" in text


def test_a_planted_loss_is_said_the_other_way(run_of):
    text = sentence(first(run_of(make_rows(40, worse={"f/z+": 0.05})), FEW))
    assert text.startswith("In f/w+ the edited image is closer to the truth than in f/z+ (")
    assert "lower by .0" in text and "-" not in text


def test_shuffled_labels_give_few_false_alarms(run_of):
    run, random, alarms = run_of(make_rows(24, seeds=1)), np.random.default_rng(5), 0
    other = {"f/z+": "f/w+", "f/w+": "f/z+"}
    for _ in range(200):
        swapped = {f"s{i:03}" for i in np.flatnonzero(random.random(24) < 0.5)}
        rows = (
            {**row, "space": other.get(row["space"], row["space"])} if row["subject"] in swapped else row
            for row in run.rows
        )
        alarms += first(replace(run, rows=tuple(rows)), FEW).verdict != "not significant"
    assert alarms <= binom.ppf(0.975, 200, 0.05**2)  # both truths have to be deceived


def test_a_win_counts_only_under_both_truths(run_of):
    rows = make_rows(40)
    for row in rows:
        if row["space"] == "f/w+" and row.get("truth") == "z":
            row["error_lpips"] += 0.05
    found = first(run_of(rows), FEW)
    assert found.parts[Part("z")].low > 0 and found.verdict == "not significant"
    assert found.p == found.parts[Part("w")].p > found.parts[Part("z")].p
    assert replace(found, p=0.001).verdict == "not significant"  # for one interval includes 0
    one = first(run_of([row for row in rows if row.get("truth") != "w"]), FEW)
    assert one.verdict == "too few" and "straight in W: too few subjects: 0, at least 8 are needed" in sentence(one)


def test_truths_that_point_apart_are_said(run_of):
    rows = make_rows(40)
    for row in rows:
        if row["space"] == "f/w+" and row["table"] == "edit":
            row["error_lpips"] += 0.05 if row["truth"] == "z" else -0.05
    found = first(run_of(rows), FEW)
    assert found.p == 1 and "disagree in sign" in sentence(found)


def test_too_few_subjects_are_said_and_not_computed(run_of):
    found = first(run_of(make_rows(5, worse={"f/w+": 1})))
    assert found.verdict == "too few" and all(math.isnan(part.mean) for part in found.parts.values())
    assert "too few subjects: 5, at least 8 are needed" in sentence(found)


def test_only_what_both_were_asked_is_compared(run_of):
    rows = make_rows(12, noise=0.0)
    hard = {"direction": "age", "error_lpips": 9.0}
    rows += [{**row, **hard} for row in rows if row["table"] == "edit" and row["space"] == "f/z+"]
    assert first(run_of(rows), FEW).parts[Part("w")].mean == pytest.approx(0, abs=1e-9)


def test_moves_that_fell_short_are_counted_and_put_aside_in_one_analysis(run_of):
    rows = make_rows(12, noise=0.0)
    for row in rows:
        if row["table"] == "edit" and row["space"] == "f/w+" and row["subject"] == "s001":
            row.update(reached=False, error_lpips=9.0)
    run = run_of(rows)
    found = first(run, FEW)
    assert found.parts[Part("w")].n == 12 and found.parts[Part("w", reached=True)].n == 11 and found.unreached == 2
    assert any("In 2 of 24 tasks of the primary" in text for _, text in findings(run, [found], []))


def test_spaces_are_compared_within_their_kind(run_of):
    found = others(run_of(make_rows(10)))
    assert found and all(kind(contrast.a) == kind(contrast.b) for contrast in found)
    assert {(c.a, c.b) for c in found if c.measure == "lpips_vgg"} == {
        ("z+", "w+"), ("z+", "w+ norm kept"), ("f/z+", "f/w+")
    }  # fmt: skip
    assert not any(c.measure == "error_lpips" and c.b == "f/w+" for c in found)  # that is the primary one
    mixed = {"primary": {**PLAN["primary"], "b": "w+"}}
    with pytest.raises(ZplusError, match="two spaces of one kind"):
        first(run_of(make_rows(10), plan=mixed))


def test_without_the_planned_space_the_first_is_the_reference(run_of):
    found = others(run_of(make_rows(10, spaces=("w", "w+", "f/w", "f/w+"))))
    assert {(c.a, c.b) for c in found} == {("w", "w+"), ("f/w", "f/w+")}


def test_others_are_corrected_together(run_of):
    run = run_of(make_rows(30, worse={"w+": 0.05}))
    found = {(c.table, c.measure, c.b): c for c in others(run)}
    assert {c.family for c in found.values()} == {len(found)}
    assert found["reconstruction", "lpips_vgg", "w+"].verdict == "z+"
    assert found["edit", "judge_change", "w+"].verdict == "not significant"


def test_corrected_contrasts_have_corrected_intervals(run_of):
    found = [x for x in others(run_of(make_rows(30))) if (x.measure, x.b) == ("lpips_vgg", "w+")]
    part = found[0].parts[Part()]
    plain = compare(found[0].gains[Part()], FEW)
    assert part.high - part.low > 1.2 * (plain.high - plain.low) and part.mean == plain.mean
    told = sentence(others(run_of(make_rows(30, worse={"w+": 0.1})))[0])
    assert "corrected interval" in told and "95 %" not in told


def test_an_exclusion_by_result_is_seen_through(run_of):
    """f/w+ fails where it is hard, and is ahead of f/z+ where it does not: as if those tasks had never been asked."""
    rows = make_rows(60)
    for row in rows:
        if row["table"] == "edit" and row["space"] == "f/w+":
            hard = int(row["subject"][1:]) % 3 == 0
            row.update(reached=not hard, error_lpips=row["error_lpips"] + (0.2 if hard else -0.03))
    run = run_of(rows)
    found = first(run, FEW)
    for truth in ("w", "z"):
        assert found.parts[Part(truth)].low > 0 and found.parts[Part(truth, reached=True)].high < 0
    assert found.verdict == "not significant" and found.p == 1
    assert "what both reached: the interval" in sentence(found)
    reach = next(x for x in others(run) if x.measure == "reached" and x.b == "f/w+")
    assert reach.verdict == "f/z+" and "more of the wanted changes are reached" in sentence(reach)


@pytest.mark.parametrize("reached", [0, 7])
def test_a_space_that_does_not_move_wins_nothing(run_of, reached):
    """It keeps the person better than any other, in all tasks; too few are reached to say more."""
    rows = [{**row, "real": True, "source": "photo", "truth": None} for row in make_rows(30, seeds=1)]
    for row in rows:
        still = row["space"] == "f/w+" and int(row["subject"][1:]) >= reached
        row.update(identity_distance=0.1 if still else 0.3, reached=not still)
    found = first(run_of(rows), FEW)
    assert found.parts[Part()].high < 0 and found.verdict == "too few"
    assert f"what both reached: too few subjects: {reached}" in sentence(found)


def test_faces_that_one_space_loses_are_told(run_of):
    rows = [{**row, "real": True, "source": "photo", "truth": None} for row in make_rows(30, seeds=1)]
    for row in rows:
        lost = row["space"] == "f/w+" and int(row["subject"][1:]) < 5
        row |= {"identity_distance": None if lost else 0.3}
    run = run_of(rows)
    (found,) = primaries(run, FEW)
    assert found.lost == 5 and found.tasks == 25
    assert any("In 5 tasks more" in text and "lost the face" in text for _, text in findings(run, [found], []))


def test_an_edit_without_a_reading_was_not_matched_and_is_none(run_of):
    rows = make_rows(12)
    for row in rows:
        if row["space"] == "f/w+" and row["subject"] == "s001" and row["table"] == "edit":
            row |= {"change": None, "reached": False, "error_lpips": 0.0}
    found = first(run_of(rows), FEW)
    assert found.parts[Part("w")].n == 11 and found.lost == 2


def test_a_strong_effect_stays_significant_in_a_large_family(run_of):
    spaces = ("f/z+", *(f"f/w+ {i}" for i in range(100)))
    found = others(run_of(make_rows(20, worse={"f/w+ 7": 1.0}, spaces=spaces, seeds=1)))
    one = next(x for x in found if (x.b, x.measure) == ("f/w+ 7", "error_lpips"))
    assert one.family > 250 and one.verdict == "f/z+"


def test_an_advantage_at_home_is_no_win(run_of):
    """Each space is ahead where the truth is native to it."""
    rows = make_rows(40)
    own = [{**row, "truth": "z own"} for row in rows if row.get("truth") == "z"]
    for row in (*rows, *own):
        home = {"f/w+": "w", "f/z+": "z own"}.get(row["space"])
        if row["table"] == "edit" and row["truth"] == home:
            row["error_lpips"] -= 0.05
    found = first(run_of([*rows, *own]), FEW)
    assert found.parts[Part("w")].high < 0 < found.parts[Part("z own")].low
    assert found.verdict == "not significant" and found.p == 1


def test_every_way_to_edit_meets_the_planned_rival(run_of):
    spaces = ("f/z+ own directions", "f/z+", "f/z+ moved in W", "f/w+", "f/s", "z+ own directions", "z+", "w+")
    plan = {"primary": {**PLAN["primary"], "a": spaces[0]}}
    run = run_of(make_rows(10, spaces=spaces), plan=plan)
    pairs = {(c.a, c.b) for c in others(run) if c.measure == "error_lpips"}
    assert pairs == {
        *((spaces[0], b) for b in spaces[1:5] if b != "f/w+"), ("f/z+", "f/w+"), ("f/z+ moved in W", "f/w+"),
        ("z+ own directions", "z+"), ("z+ own directions", "w+"), ("z+", "w+"),
    }  # fmt: skip
    assert [str(arm) for arm in by_arm(run, run.rows)][:2] == ["z+ own directions", "z+"]
    plain = [row for row in run.rows if row["table"] == "edit" or "own" not in row["space"]]
    found = others(replace(run, rows=tuple(plain)))  # reconstructions are the same whatever the way to edit
    assert {c.a for c in found if c.measure == "lpips_vgg"} == {"f/z+", "f/z+ moved in W", "z+"}


def test_each_setting_has_its_primary_contrast(run_of):
    rows = make_rows(10)
    drawn = [{**row, "source": "drawn", "truth": row.get("truth") and "drawn"} for row in rows]
    photos = [{**row, "source": "photo", "truth": None, "real": True, "identity_distance": 0.3} for row in rows]
    found = primaries(run_of([*rows, *drawn, *photos]), FEW)
    assert [(x.setting, x.measure) for x in found] == [
        ("oracle", "error_lpips"), ("drawn", "error_lpips"), ("photo", "identity_distance")
    ]  # fmt: skip


def test_edits_are_held_against_no_edit(run_of):
    found = {c.a: c for c in baselines(run_of(make_rows(30)))}
    assert found["f/z+"].verdict == "f/z+"
    assert "than without any edit" in sentence(found["f/z+"])


def test_variants_are_compared_within_a_space(run_of):
    rows = make_rows(20, worse={"w+": 0.05}, spaces=("z+", "w+"))
    both = [{**row, "variant": {"z+": "pti", "w+": "e4e"}[row["space"]], "space": "w+"} for row in rows]
    plan = {"primary": {"table": "edit", "measure": "error_lpips", "a": "e4e", "b": "pti", "space": "w+"}}
    run = run_of(both, bench="methods", plan=plan)
    assert sentence(first(run, FEW)).startswith("With pti in w+ the edited image is closer to the truth than with e4e")
    assert {(c.group, c.a, c.b) for c in others(run)} == {("w+", "e4e", "pti")}


def test_the_planned_pair_is_compared_in_other_spaces_too(run_of):
    rows = make_rows(10, spaces=("z+", "w+"))
    names = {"z+": "hybrid", "w+": "default"}
    both = [{**row, "variant": names[row["space"]], "space": x} for row in rows for x in ("w+", "f/z+")]
    plan = {"primary": {**PLAN["primary"], "a": "hybrid", "b": "default", "space": "f/z+"}}
    run = run_of(both, bench="methods", plan=plan)
    assert first(run, FEW).group == "f/z+"
    assert [c.group for c in others(run) if c.measure == "error_lpips"] == ["w+"]


def test_a_contrast_is_broken_down_by_groups(run_of):
    run = run_of(make_rows(40, worse={"f/w+": 0.05}))
    parts = within(run, first(run, FEW), "sex", FEW)
    assert {name: part.parts[Part("w")].n for name, part in parts.items()} == {"f": 20, "m": 20}


def test_photos_need_no_truth(run_of):
    rows = [{**row, "truth": None, "real": True, "source": "photo"} for row in make_rows(10, worse={"f/w+": 0.2})]
    rows = [{**row, "identity_distance": row.get("error_lpips", 0.1)} for row in rows]
    found = first(run_of(rows), FEW)
    assert found.setting == "photo" and list(found.parts) == [Part()] and found.verdict == "f/z+"
    assert found.measure == "identity_distance" and "on photos" in sentence(found)


@pytest.mark.parametrize("worse", [0.0, 0.1])
def test_edits_of_photos_that_look_less_like_photos_are_found(run_of, worse):
    found = others(with_kernel(run_of(make_photo_rows(worse={"f/w+": worse}))))
    of = {(x.table, x.measure, x.b): x for x in found}
    edits, before = of["edit", "kernel", "f/w+"], of["reconstruction", "kernel", "f/w+"]
    assert edits.verdict == ("f/z+" if worse else "not significant") and before.verdict == "not significant"
    if worse:
        assert sentence(edits).startswith("In f/z+ edits as a set are closer to the originals on photos than in f/w+ (")


def test_that_no_photo_has_an_identity_is_said(run_of):
    text = sentence(first(run_of(make_photo_rows()), FEW))
    assert "too few subjects: none has identity distance in both, at least 8 are needed" in text


def test_photos_without_their_own_features_have_no_kernel_distance(run_of):
    rows = [row for row in make_photo_rows(10) if row["table"] != "photo" or row["subject"] in ("p1", "p2")]
    assert not any("kernel" in row for row in with_kernel(run_of(rows)).rows)


def test_what_was_not_measured_is_said(run_of):
    rows = [{key: value for key, value in row.items() if key != "identity_distance"} for row in make_rows(8)]
    run = run_of(rows, skipped=["No identity: dlib-bin is not installed."], finished=False)
    said = [text for _, text in findings(run, primaries(run, FEW), [])]
    assert "No identity: dlib-bin is not installed." in said
    assert any(text.startswith("Not measured in reconstruction: identity distance") for text in said)
    assert any("not finished" in text for text in said)


@pytest.mark.parametrize(
    "plan",
    [{"primary": {"table": "edit"}}, {"primary": "edit"}, *({"primary": PLAN["primary"] | wrong} for wrong in WRONG)],
)
def test_a_plan_that_names_too_little_is_refused(run_of, plan):
    with pytest.raises(ZplusError, match="must name table"):
        first(run_of(make_rows(2), plan=plan))


def test_no_plan_is_no_primary_contrast(run_of):
    run = run_of(make_rows(8), plan={})
    assert primaries(run) == []
    assert findings(run, [], [])[0].text == "The run was not planned with a primary contrast."


def test_changes_are_taken_along_what_was_wanted(run_of):
    rows = make_rows(20)
    for row in rows:
        if row["table"] == "edit" and int(row["subject"][1:]) % 2:
            row.update(wanted=-1.0, judge_change=-row["judge_change"] * (2 if row["space"] == "w+" else 1))
        elif row["table"] == "edit" and row["space"] == "w+":
            row["judge_change"] *= 2
    found = {c.b: c for c in others(run_of(rows)) if c.measure == "judge_change"}
    assert found["w+"].verdict == "w+"
    assert found["w+"].parts[Part("w")].mean == pytest.approx(-0.8, abs=0.1)


def test_ablations_may_fix_f(run_of):
    rows = make_rows(20, worse={"w+": 0.05}, spaces=("z+", "w+"))
    named = {"z+": ("as it is", "moved"), "w+": ("F fixed", "fixed")}
    rows = [
        {**row, "space": "f/z+", "variant": named[row["space"]][0], "feature": named[row["space"]][1]} for row in rows
    ]
    found = others(run_of(rows, bench="ablations"))
    assert {(c.group, c.a, c.b) for c in found} == {("f/z+", "as it is", "F fixed")}
    assert next(c for c in found if c.measure == "error_lpips").verdict == "as it is"
