"""Oracles hold what they promise, a run is the same whether it was killed or not, and what was made worse is found."""

import json
import runpy
import zipfile
from dataclasses import replace
from itertools import combinations, islice
from types import SimpleNamespace
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import needs_faces, needs_lpips, picture
from zplus.benchmark import bench as bench_module
from zplus.benchmark import conditions
from zplus.benchmark import samples as samples_module
from zplus.benchmark import trial as trial_module
from zplus.benchmark.bench import Bench, Plan, widened
from zplus.benchmark.conditions import BENCHES, Condition, Way, norm_kept
from zplus.benchmark.contrasts import others
from zplus.benchmark.people import People, sharpness
from zplus.benchmark.prepare import regressed
from zplus.benchmark.rows import read_run
from zplus.benchmark.run import Recorder, Trial
from zplus.benchmark.samples import FIRST_SEED, ORACLES, TRUTHS, Samples, _codes, drawn, oracle, photos
from zplus.benchmark.scorers import JUDGES, face_scorers, learnt_scorer
from zplus.benchmark.sweep import STRENGTHS, Edited, StrengthSweep
from zplus.benchmark.trial import edit_rows, goals, loss_of_editing
from zplus.editing import edit
from zplus.errors import LatentError, ZplusError
from zplus.generators.prior import statistics
from zplus.latent import Point
from zplus.perception.attributes import ATTRIBUTES, Scorers, independent
from zplus.perception.identity import Identity
from zplus.spaces import SPACES, latent_of, make_space, render
from zplus.spaces.conversion import convert_code

SETTINGS = {"settings": 1}


def quiet(_):
    pass


@pytest.mark.parametrize("source", ORACLES)
def test_an_oracle_is_the_same_again_and_moves(source, generator, kinds):
    one, again = (oracle(generator, source, 3, 5, kinds, 1.5) for _ in range(2))
    assert torch.equal(one.images, again.images) and len(set(one.names)) == 3
    truths = {"w"} if source in ("s", "perturbed") else {*TRUTHS}
    assert {truth for _, truth in one.truths} == truths
    for true in one.truths.values():
        assert (true - one.images).abs().amax((1, 2, 3)).min() > 0.01


def test_the_truths_of_a_direction_differ(generator, directions, kinds):
    found = oracle(generator, "z", 2, 0, kinds, 1.5)
    name = directions[0].name
    for one, other in combinations(TRUTHS, 2):
        assert (found.truths[name, one] - found.truths[name, other]).abs().max() > 0.01


def test_an_occluder_covers_the_same_place_in_picture_and_truth(generator, kinds):
    covered = oracle(generator, "occluder", 2, 3, kinds, 1.5)
    same = torch.stack([(true == covered.images).all(1) for true in covered.truths.values()]).all(0)  # [N, R, R]
    assert same.float().mean((1, 2)).tolist() == pytest.approx([100 / 32**2] * 2, abs=0.01)


def test_codes_that_cannot_follow_cost_only_their_own_truth(generator, directions, measure, monkeypatch):
    first = {"w": directions[:1]}
    whole = oracle(generator, "z", 3, 0, first, 1.5)
    stuck, edit = whole.images[1], samples_module.edit

    def follows(generator, latent, moves, **how):
        if (render(generator, latent) - stuck).abs().amax((1, 2, 3)).min() < 1e-4:
            raise LatentError("it cannot follow")
        return edit(generator, latent, moves, **how)

    monkeypatch.setattr(samples_module, "edit", follows)
    found = oracle(generator, "z", 3, 0, first, 1.5)
    for key, true in found.truths.items():
        assert torch.allclose(true[[0, 2]], whole.truths[key][[0, 2]], atol=1e-4) and true[1].isnan().all()
    latent = latent_of(make_space("z", generator), Point(_codes(generator, "z", "z", 3, FIRST_SEED)))
    edited, asked = Edited(generator, latent, Condition("z", "z")), goals(found, measure)
    rows = edit_rows(edited, found.images, found, directions[:1], measure, asked, [])
    assert [i for i, _ in rows] == [0, 2, 0, 2]


def test_an_oracle_is_rendered_in_parts(generator, kinds, monkeypatch):
    whole = oracle(generator, "occluder", 3, 0, kinds, 1.5)
    monkeypatch.setattr(samples_module, "ROOM", 32**2)
    parts = oracle(generator, "occluder", 3, 0, kinds, 1.5)
    assert torch.allclose(parts.images, whole.images, atol=1e-4)
    assert all(torch.allclose(parts.truths[key], true, atol=1e-4) for key, true in whole.truths.items())


def test_every_source_shows_other_faces(generator):
    images = torch.cat([oracle(generator, source, 2, 0, {}, 0.0).images for source in ORACLES]).flatten(1)
    alike = torch.corrcoef(images) - torch.eye(len(images))
    assert alike.max() < 0.9


@needs_lpips
def test_a_learnt_scorer_reads_how_far_codes_moved(generator, directions):
    scorer = learnt_scorer(generator, directions, "vgg", 400, 1)
    space = make_space("w", generator)
    code = space.sample(20, 9)
    for one in directions:
        before, after = (
            scorer.read(generator.synthesize(space.decode(x))) for x in (code, code + 1.5 * one.vector[None])
        )
        assert scorer.quality[one.name] > 0.6
        assert np.mean(after[one.name] - before[one.name]) == pytest.approx(1.5, abs=0.6)


def test_the_edit_of_a_perfect_inversion_is_matched_and_true(generator, directions, kinds, measure):
    samples = oracle(generator, "perturbed", 4, 0, kinds, 1.0)
    space = make_space("w+", generator)
    latent = latent_of(space, Point(_codes(generator, "perturbed", "w+", 4, FIRST_SEED + ORACLES.index("perturbed"))))
    edited = Edited(generator, latent, Condition("w+", "w+"))
    rows = list(edit_rows(edited, samples.images, samples, directions, measure, goals(samples, measure), []))
    assert len(rows) == 4 * len(directions)
    for _, row in rows:
        assert row["strength"] == 1.0 and row["reached"]
        assert row["change"] == pytest.approx(row["wanted"], abs=1e-4)
        assert row["error_lpips"] < 1e-6
        assert row["base_lpips"] > 1e-3


def test_a_new_space_is_a_condition_without_a_line_of_its_own(monkeypatch):
    monkeypatch.setattr("zplus.spaces.SPACES", (*SPACES, "p+"))
    found = {one.name: len(one.ways) for one in runpy.run_path(conditions.__file__)["EVERY_SPACE"]}
    assert found["p+"] == found["w+"] == 1 and found["z+"] == 3


@pytest.mark.parametrize(
    ("space", "way", "home"), [("w+", Way(), "w"), ("z+", Way(), "z"), ("z+", Way(own=True), "z own")]
)
def test_every_way_to_edit_is_right_at_home_and_wrong_abroad(space, way, home, generator, directions, kinds, measure):
    """A home advantage, planted: codes that are known are edited as the truth was."""
    samples, where = oracle(generator, "z", 4, 0, kinds, 1.0), make_space(space, generator)
    code = convert_code(make_space("z", generator), _codes(generator, "z", "z", 4, FIRST_SEED), where)
    edited = Edited(generator, latent_of(where, Point(code)), Condition(space, space), way)
    by = kinds["z"] if way.own else directions
    rows = list(edit_rows(edited, samples.images, samples, by, measure, goals(samples, measure), []))
    error = {truth: np.mean([row["error_lpips"] for _, row in rows if row["truth"] == truth]) for truth in TRUTHS}
    assert error.pop(home) < 1e-6 and min(error.values()) > 1e-4


def test_photos_are_edited_away_from_what_they_show(generator, directions, measure):
    for shade, side in ((-0.5, 1), (0.5, -1)):
        photo = Samples("photo", ["one"], torch.full((1, 3, 32, 32), shade), {}, [{}])
        asked = goals(photo, measure)
        for one in directions:  # which are scored by how bright a colour is
            assert asked.side[one.name] == asked.change[one.name, None].item() == side


def test_a_picture_without_a_reading_has_no_change(generator, directions, measure):
    space = make_space("w+", generator)
    latent = latent_of(space, Point(space.broadcast_sample(2, 0)))
    edited, name = Edited(generator, latent, Condition("w+", "w+")), directions[0].name
    image, scorer = edited.reconstruction(), measure.matching
    start = {name: scorer.read(image)[name] * [1, np.nan]}
    sweep = StrengthSweep(edited, image, directions[0], -1, start, scorer)
    goal = sweep.changes[name][[4, 4], 0]
    best = sweep.nearest(goal)
    _, told = sweep.chosen(best, goal)
    assert best.tolist() == [4, 0] and told["strength"] == [-STRENGTHS[4], 0.0] and told["reached"][0]
    assert np.isfinite(told["change"][0]) and np.isnan(told["change"][1]) and not told["reached"][1]


def test_rates_are_widened_until_the_best_lies_inside():
    for best in (0.01, 0.06, 0.4):
        found = widened(lambda rate, best=best: abs(np.log(rate / best)))
        nearest = min(found, key=found.__getitem__)
        assert min(found) < nearest < max(found) and abs(np.log2(nearest / best)) <= 0.5
    assert len(widened(lambda rate: -rate)) == 3 + 6


def test_directions_of_z_move_w_by_a_unit(generator, directions, kinds):
    space = make_space("z", generator)
    z = space.sample(500, 9)
    for w, own in zip(directions, kinds["z"], strict=True):
        assert own.name == w.name and own.space == "z"
        moved = space.to_w(space.move(z, own.vector[None])) - space.to_w(z)
        along = (moved @ w.vector[0]) / w.vector.square().sum()
        assert float(along.mean()) == pytest.approx(1, abs=0.25)


def test_directions_of_z_move_the_codes_of_w(generator, directions):
    vector = directions[0].vector * torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])[: generator.num_codes, None]
    one = regressed(generator, replace(directions[0], space="w+", vector=vector))
    assert one.space == "z+" and (one.vector.abs().amax(1) > 0).tolist() == (vector.abs().amax(1) > 0).tolist()


def test_no_judge_reads_the_identity_that_edits_must_keep():
    assert JUDGES and all(ATTRIBUTES[other].source != "identity network" for other in JUDGES.values())
    assert all(independent(score, other) for score, other in JUDGES.items())


def test_a_broken_face_has_no_reading(generator, directions, monkeypatch):
    fits = [1.0, 9.0, None]  # mm by which faces differ from a rigid one; None: no face
    faces = [x and SimpleNamespace(pose=SimpleNamespace(residual=x)) for x in fits]
    found = iter([*faces[:1] * 8, *faces])  # the prior first, by both scorers
    monkeypatch.setattr("zplus.benchmark.scorers.largest_face", lambda pixels, detector: next(found))
    values = iter([*[1.0, 2.0, 3.0, 6.0] * 2, 5.0])

    def score(face, names):
        return {name: np.nan if face is None else next(values) for name in names}

    smile = replace(directions[0], card={"attribute": "yaw"})
    scorers = create_autospec(Scorers, instance=True, detector=None)
    scorers.score = score
    matching, _ = face_scorers(generator, [smile], scorers, 4)
    read = matching.read(torch.zeros(3, 3, 32, 32))[smile.name]
    assert read[0] == pytest.approx((5 - 3) / np.std([1, 2, 3, 6])) and np.isnan(read[1:]).all()


def test_keeping_the_norm_keeps_it(generator):
    mean, random = statistics(generator).w_mean, torch.Generator().manual_seed(0)
    before, after = torch.randn(2, 3, 4, len(mean), generator=random)
    kept = norm_kept(before, after, mean)
    assert torch.allclose((kept - mean).norm(dim=-1), (before - mean).norm(dim=-1), atol=1e-5)
    assert torch.cosine_similarity(kept - mean, after - mean, dim=-1).min() > 1 - 1e-5


def test_sharpness_is_that_of_what_did_not_change():
    random = torch.Generator().manual_seed(0)
    photo = torch.rand(1, 3, 64, 64, generator=random)
    blurred = torch.nn.functional.avg_pool2d(photo, 3, 1, 1)
    assert sharpness(photo, photo, photo).item() == pytest.approx(1)
    assert sharpness(blurred, blurred, photo).item() < 0.3
    changed = torch.where(torch.arange(64) < 32, blurred + 0.5, photo)  # half of it edited, and blurred there
    assert sharpness(changed, photo, photo).item() == pytest.approx(1, abs=0.1)


def test_photos_have_groups_and_what_is_broken_is_told(tmp_path, generator):
    picture(tmp_path / "a.png", 1)
    picture(tmp_path / "b.png", 2)
    (tmp_path / "c.png").write_bytes(b"no picture")
    (tmp_path / "photos.csv").write_text("file,sex\nb.png,f\n", encoding="utf-8")
    told = []
    found = photos(tmp_path, generator, None, True, told.append)
    assert found.names == ["a.png", "b.png"] and found.real
    assert [*found.groups] == [{}, {"sex": "f"}] and "c.png" in told[0] and str(tmp_path) not in told[0]
    assert found.images.dtype == torch.uint8 and found[1:2].images.min() >= -1 and found[1:2].images.is_floating_point()
    for changed in (replace(found, names=["a.png", "c.png"]), replace(found, groups=[{}, {}])):
        assert changed.digest != found.digest
    (tmp_path / "photos.csv").write_bytes("name;sex\nb.png;männlich\n".encode("latin-1"))
    with pytest.raises(ZplusError, match="no table"):
        photos(tmp_path, generator, None, True, told.append)
    with pytest.raises(ZplusError, match="no folder"):
        photos(tmp_path / "none", generator, None, True, told.append)


@needs_faces
def test_photos_are_aligned_whatever_their_size(tmp_path, generator):
    picture(tmp_path / "a.png", 1, height=32, width=32)  # as large as the generator's pictures, and without a face
    with pytest.raises(ZplusError, match="no photos that can be used"):
        photos(tmp_path, generator, None, False, quiet)


def pairs(path, rows=3):
    with zipfile.ZipFile(path, "w") as archive:
        lines = []
        for i in range(rows):
            names = {kind: f"{i}_{kind}.png" for kind in ("base", "hat")}
            for k, name in enumerate(names.values()):
                file = path.with_name("one.png")
                Image.new("RGB", (32, 32), (40 * i, 100 * k, 0)).save(file)
                archive.write(file, name)
            lines.append(json.dumps({"id": i, **names}))
        archive.writestr("pairs.jsonl", "\n".join(lines))
    return path


def test_drawings_lie_beside_their_truth(tmp_path, generator, monkeypatch):
    found = drawn(pairs(tmp_path / "pairs.zip"), generator, ["hat"], 2)
    assert found.names == ["0_base.png", "1_base.png"] and not found.real
    assert found.truths["hat", "drawn"][1, :2, 0, 0].tolist() == pytest.approx([40 / 127.5 - 1, 100 / 127.5 - 1])
    with pytest.raises(ZplusError, match="glasses"):
        drawn(tmp_path / "pairs.zip", generator, ["glasses"], 2)
    (tmp_path / "no.zip").write_bytes(b"PK")
    with pytest.raises(ZplusError, match=r"no\.zip is neither a folder nor a zip that can be read"):
        drawn(tmp_path / "no.zip", generator, ["hat"], 2)
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        archive.writestr("pairs.jsonl", "[" * 100_000)
    with pytest.raises(ZplusError, match="is no zip"):
        drawn(tmp_path / "deep.zip", generator, ["hat"], 2)
    monkeypatch.setattr("zplus.training.data.LARGEST", 10)
    with pytest.raises(ZplusError, match=r"pairs\.jsonl has more"):
        drawn(tmp_path / "pairs.zip", generator, ["hat"], 2)


@pytest.fixture
def tiny_bench(generator, kinds, measure, monkeypatch):
    """A bench of three conditions, one of which was made worse on purpose."""
    fine = {"feature_lr": 0.06}  # steps, so that an inversion can be stopped near any distortion
    others = Condition("w+", "w+"), Condition("z+", "z+"), Condition("worse", "z+", psi=0.0)
    few = (Condition("f/z+", "f/z+", fine), *others)
    monkeypatch.setitem(BENCHES, "spaces", lambda: few)
    monkeypatch.setattr(bench_module, "ORACLES", ("z",))
    monkeypatch.setattr(bench_module, "SHOWN", 1)

    def bench(folder, count=2, steps=6, **plan):
        return Bench(generator, None, Plan("spaces", count, 1, steps, **plan), kinds, replace(measure), folder)

    return bench


@needs_lpips
@pytest.mark.parametrize("rest", [0.0, 0.5])
def test_what_an_inversion_misses_is_lost_there_and_back(rest, generator, kinds, measure, monkeypatch):
    space, condition, direction = make_space("w+", generator), Condition("w+", "w+"), kinds["w"][0]
    latent = latent_of(space, Point(space.sample(2, seed=1)))
    moved = edit(generator, latent, {direction: 1.5}, move="sphere").edited.code
    found = latent_of(space, Point(moved + rest * torch.randn(moved.shape, generator=torch.Generator().manual_seed(0))))
    monkeypatch.setattr(trial_module, "inverted", lambda *_, **__: found)
    edited = Edited(generator, latent, condition)
    lost = loss_of_editing(edited, edited.reconstruction(), direction, 1.5, measure)
    assert lost.shape == (2,) and ((lost > 0.01) if rest else (lost < 1e-5)).all()


def test_the_rate_that_comes_nearest_is_taken(tiny_bench, tmp_path):
    bench = tiny_bench(tmp_path)
    near = {("w+", 0.03): 0.2, ("w+", 0.06): 0.1, ("w+", 0.12): 0.3, ("z+", 0.03): 0.4, ("z+", 0.06): 0.5}
    bench.choose_rates({"what": what, "value": rate, "lpips_vgg": x} for (what, rate), x in near.items())
    assert bench.rates == {"w+": 0.06, "z+": 0.03}


@needs_lpips
def test_a_killed_run_goes_on_to_the_same_rows(tiny_bench, generator, tmp_path):
    whole, cut = (Recorder(tmp_path / name, "spaces", generator, SETTINGS, "first") for name in ("whole", "cut"))
    assert whole.record(tiny_bench(whole.folder, batch=1).trials(()), quiet)
    first = list(islice(tiny_bench(cut.folder, batch=1).trials(()), 5))  # all of the first picture, one of the second
    assert cut.record(first, quiet)
    cut = Recorder(tmp_path / "cut", "spaces", generator, SETTINGS, minutes=0.0)
    assert not cut.record(tiny_bench(cut.folder, batch=1).trials(()), quiet)
    assert "budget of 0 minutes" in read_run(cut.folder).facts["skipped"][0]
    with (cut.path).open("a", encoding="utf-8") as file:  # killed in the middle of the second trial
        file.write('{"table": "reconstruction", "trial": "second"}\n{"table": "rec')
    again = Recorder(cut.folder, "spaces", generator, SETTINGS, "again")
    assert again.done == {trial.name for trial in first}
    assert again.record(tiny_bench(cut.folder, batch=1).trials(()), quiet)
    timed = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in read_run(x.folder).rows] for x in (whole, cut)
    ]
    assert timed[0] == timed[1]
    assert again.facts["skipped"] == []
    assert [sitting["command"] for sitting in read_run(cut.folder).facts["sittings"]] == ["first", "", "again"]
    with pytest.raises(ZplusError, match="other settings"):
        Recorder(cut.folder, "spaces", generator, {"settings": 2})
    with pytest.raises(ZplusError, match="other photos or drawings:"):
        Recorder(cut.folder, "spaces", generator, SETTINGS | {"others": {"photo": "of others"}})
    with pytest.raises(ZplusError, match="another plan"):
        Recorder(cut.folder, "spaces", generator, SETTINGS, primary={})
    with pytest.raises(ZplusError, match="another bench"):
        Recorder(cut.folder, "methods", generator, SETTINGS)


def test_a_trial_that_fails_is_left_out_named_once_and_tried_again(generator, tmp_path):
    def fails():
        raise ZplusError("it has no encoder")

    def works():
        return [{"table": "speed", "seconds": 1.0}]

    recorder = Recorder(tmp_path, "methods", generator, SETTINGS)
    failing = [Trial(f"e4e on {i}", fails, "e4e") for i in range(3)]
    assert recorder.record([*failing, Trial("next", works)], quiet)
    assert read_run(tmp_path).facts["skipped"] == ["e4e is left out 3 times: it has no encoder"]
    assert recorder.done == {"next"} and len(recorder.rows("speed")) == 1
    again = Recorder(tmp_path, "methods", generator, SETTINGS)
    assert again.record([replace(trial, work=works) for trial in failing], quiet)
    assert read_run(tmp_path).facts["skipped"] == [] and len(again.done) == 4 and not again.failed


def test_the_budget_begins_with_the_first_trial(generator, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("zplus.benchmark.run.time", SimpleNamespace(perf_counter=lambda: now[0]))
    recorder = Recorder(tmp_path, "spaces", generator, SETTINGS, minutes=1.0)
    now[0] = 3600.0  # calibrating took an hour
    assert recorder.record([Trial("one", list)], quiet)


def test_a_threshold_takes_a_thousand_pairs():
    identity = create_autospec(Identity, instance=True)
    identity.embed = lambda pixels: np.random.default_rng(int(pixels[0, 0, 0])).normal(size=4)
    for count, given in ((45, False), (46, True)):
        photos = [torch.full((3, 1, 1), i / 127.5 - 1) for i in range(count)]
        assert (People([str(i) for i in range(count)], photos, identity).threshold is not None) == given


def test_damaged_runs_are_refused(generator, tmp_path):
    Recorder(tmp_path, "spaces", generator, SETTINGS)
    whole = (tmp_path / "run.json").read_text(encoding="utf-8")
    for text in (whole[:50], "[]", whole.replace('"zplus_run": 1', '"zplus_run": 2')):
        (tmp_path / "run.json").write_text(text, encoding="utf-8")
        with pytest.raises(ZplusError):
            Recorder(tmp_path, "spaces", generator, SETTINGS)
    (tmp_path / "run.json").unlink()
    with pytest.raises(ZplusError, match="is gone"):
        Recorder(tmp_path, "spaces", generator, SETTINGS)


@needs_lpips
def test_inversions_stop_at_the_distortion_asked_for(tiny_bench, generator, tmp_path):
    whole, even = (Recorder(tmp_path / name, "spaces", generator, SETTINGS) for name in ("whole", "even"))
    assert whole.record(tiny_bench(whole.folder, 1, 20).trials(()), quiet)
    end = next(row["lpips_vgg"] for row in whole.rows("reconstruction") if row["space"] == "f/z+")
    assert even.record(tiny_bench(even.folder, 1, 20, distortion=2 * end).trials(()), quiet)
    found = {row["space"]: row for row in even.rows("reconstruction")}
    assert found["f/z+"]["reached"] and found["f/z+"]["lpips_vgg"] == pytest.approx(2 * end, rel=0.2)
    assert not found["worse"]["reached"] and found["worse"]["lpips_vgg"] > 3 * end
    edited = {row["space"] for row in even.rows("edit")}
    assert "f/z+" in edited and "worse" not in edited


@needs_lpips
def test_people_of_photos_are_followed_along_every_strength(tiny_bench, generator, tmp_path):
    for i in range(2):
        picture(tmp_path / "photos" / f"{i}.png", i)
    faces, identity = (
        photos(tmp_path / "photos", generator, None, True, quiet),
        create_autospec(Identity, instance=True),
    )
    identity.embed = lambda pixels: np.resize(pixels.mean((0, 1)) / 255, 128)
    recorder, bench = Recorder(tmp_path / "run", "spaces", generator, SETTINGS), tiny_bench(tmp_path / "run", 0)
    bench.measure = replace(bench.measure, people=People(faces.names, faces[:].images, identity))
    assert recorder.record(bench.trials([faces]), quiet)
    along = [row for row in recorder.rows("strength") if row["space"] == "z+" and row["subject"] == "0.png"]
    assert len(along) == len(STRENGTHS) * len(bench.directions["w"]) and {row["strength"] for row in along} == {
        *STRENGTHS
    }
    assert all(row["rank"] in (1, 2) and row["identity_distance"] >= 0 for row in along)
    edits = [row for row in recorder.rows("edit") if row["space"] == "z+"]
    assert all(np.var(row["seen"]) > 0 for row in (*edits, *recorder.rows("reconstruction")))
    assert len(edits) == 2 * len(bench.directions["w"]) and all("reached" in row for row in edits)


@needs_lpips
def test_a_space_made_worse_is_found(tiny_bench, generator, tmp_path):
    recorder = Recorder(tmp_path, "spaces", generator, SETTINGS)
    recorder.record(tiny_bench(tmp_path, 10).trials(()), quiet)
    run = read_run(tmp_path)
    assert all(row["passed"] for row in run.table("sanity"))
    found = {x.b: x for x in others(run) if x.measure == "lpips_vgg"}
    assert found["worse"].verdict == "z+", found["worse"]
    reconstructed = {row["space"] for row in run.table("reconstruction")}
    assert reconstructed == {"f/z+", "w+", "z+", "worse"}
    shown = run.table("picture")
    assert {row["what"] for row in shown} == {"source", "reconstruction", "truth", "edit"}
    assert all((tmp_path / row["file"]).is_file() for row in shown)
    assert all(("strength" in row) == (row["what"] == "edit") for row in shown)
