"""`zplus invert FOLDER`: batches, the manifest, going on, and what can go wrong with one photo or all."""

import errno
import json
import os

import pytest
import torch

from command_line import leftovers, needs_lpips, picture
from zplus.errors import DivergedError, is_out_of_memory
from zplus.inversion import batch_size
from zplus.latent import load_latent
from zplus.workflow import batch, worker
from zplus.workflow.callbacks import SILENT
from zplus.workflow.inverting import Inverter

pytestmark = needs_lpips


@pytest.fixture
def folder(tmp_path):
    """Five photos, one of them in a folder below, and a file that is no photo."""
    for i in range(4):
        picture(tmp_path / "photos" / f"{i}.png", i)
    picture(tmp_path / "photos" / "more" / "4.png", 4)
    (tmp_path / "photos" / "notes.txt").write_text("none", encoding="utf-8")
    return tmp_path / "photos"


@pytest.fixture
def invert(zplus, model, folder, tmp_path):
    """Runs `zplus invert FOLDER --no-align`."""

    def call(*arguments, out="out", source=folder):
        return zplus("invert", source, "--model", model, "-o", tmp_path / out, "--no-align", *arguments)

    return call


@pytest.fixture
def sizes(monkeypatch):
    """The numbers of crops and of rows of each batch."""
    found, whole = [], Inverter.invert_all
    monkeypatch.setattr(Inverter, "invert_all", lambda self, *a: found.append((len(a[0]), a[1])) or whole(self, *a))
    return found


def rows(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def without_times(folder):
    """The bytes of all files, but for the times and the folder's name in them."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix not in (".json", ".jsonl")}
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8").replace(json.dumps(str(folder))[1:-1], "OUT"))
        found[path.name] = {name: x for name, x in record.items() if "seconds" not in name}
    del found["summary.json"]
    return found | {"manifest": [{name: x for name, x in row.items() if name != "seconds"} for row in rows(folder)]}


def test_a_folder_gives_a_row_for_each_photo(invert, sizes, tmp_path):
    result = invert("--batch", "2", "--json")
    assert result.code == 0 and sizes == [(2, 2), (2, 2), (1, 2)]
    found = rows(tmp_path / "out")
    assert [row["photo"] for row in found] == ["0.png", "1.png", "2.png", "3.png", "more/4.png"]
    assert {row["status"] for row in found} == {"finished"} and len({row["sha256"] for row in found}) == 5
    for row in found:
        latent = load_latent(tmp_path / "out" / row["latent"])
        assert latent.figures["mse"] == [row["mse"]] and len(latent) == 1 and latent.mode["batch"] == 2
        assert row["steps"] == 2 and row["seconds"] > 0
    assert "results" not in result.json and result.json["failed"] == [] and result.json["medians"]["mse"] > 0
    assert "Inverting 5 photos" in result.err and "Inverting 0.png" not in result.err  # one line for all


def test_a_batch_gives_what_single_photos_give(invert, folder, tmp_path):
    invert("--batch", "5", "--steps", "6", out="a")
    for i in range(4):
        invert("--steps", "6", out="b", source=folder / f"{i}.png")
        together, alone = (load_latent(tmp_path / out / f"{i}.latent.safetensors") for out in "ab")
        assert torch.allclose(together.inverted.code, alone.inverted.code, atol=0.02)
        assert together.figures["mse"][0] == pytest.approx(alone.figures["mse"][0], rel=0.02)
        assert together.figures["steps"] == alone.figures["steps"] == [6]


def test_a_cut_run_ends_with_the_bytes_of_a_whole_one(invert, tmp_path, monkeypatch):
    assert invert("--batch", "2", out="whole").code == 0
    written, once = worker.Worker._written, []

    def cut(self, crop, latent, callbacks):
        if crop.files.name == "3" and not once:
            once.append(crop)
            raise KeyboardInterrupt
        return written(self, crop, latent, callbacks)

    monkeypatch.setattr(worker.Worker, "_written", cut)
    first = invert("--batch", "2", out="cut")
    assert first.code == 130 and "of 5 photos are finished" in first.err
    assert [row["status"] for row in rows(tmp_path / "cut")][-2:] == ["waiting", "waiting"]
    assert invert("--batch", "2", out="cut").code == 0
    assert without_times(tmp_path / "cut") == without_times(tmp_path / "whole")


def test_two_runs_on_one_folder_end_as_one_would(invert, tmp_path, monkeypatch):
    assert invert("--batch", "2", out="whole").code == 0
    written, second = worker.Worker._written, []

    def meeting(self, crop, latent, callbacks):
        if crop.files.name == "2" and not second:
            second.append(crop)
            second.append(invert("--batch", "2", out="cut").code)  # the other run comes and goes meanwhile
        return written(self, crop, latent, callbacks)

    monkeypatch.setattr(worker.Worker, "_written", meeting)
    assert invert("--batch", "2", out="cut").code == 0 and second[1] == 0
    assert without_times(tmp_path / "cut") == without_times(tmp_path / "whole")


def test_what_is_finished_is_not_done_again(invert, sizes, folder, tmp_path):
    invert()
    before = without_times(tmp_path / "out")
    sizes.clear()
    assert invert().code == 0 and sizes == []
    assert without_times(tmp_path / "out") == before
    picture(folder / "5.png", 5)
    assert invert().code == 0 and sizes == [(1, 1)]  # a new photo does not cost what a batch costs


def test_photos_that_fail_are_named_with_reasons(invert, folder, tmp_path):
    (folder / "2.png").write_text("no picture", encoding="utf-8")
    result = invert("--json")
    assert result.code == 1
    failed = [row for row in rows(tmp_path / "out") if row["status"] == "failed"]
    assert [row["photo"] for row in failed] == ["2.png"] and failed[0]["reason"].startswith("2.png ")
    assert result.json["failed"][0]["photo"] == str(folder / "2.png")


def test_one_that_diverges_is_parted_from_the_others(invert, tmp_path, monkeypatch):
    whole = Inverter.invert_all
    seen = []

    def diverging(self, crops, size, *rest):
        seen.append(crops)
        if crops[0].pixels.mean() == target or len(crops) > 1:
            raise DivergedError("The inversion never had a finite loss.")
        return whole(self, crops, size, *rest)

    target = None
    invert("--batch", "1", out="before")
    monkeypatch.setattr(Inverter, "invert_all", diverging)
    invert("--batch", "5")
    target = seen[0][1].pixels.mean()
    result = invert("--batch", "5", out="again")
    assert result.code == 1 and [r["status"] for r in rows(tmp_path / "again")].count("failed") == 1
    assert rows(tmp_path / "again")[1]["status"] == "failed"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_batch_is_halved_aloud_when_memory_runs_out(invert, sizes, tmp_path, monkeypatch, error):
    whole = Inverter.invert_all

    def short(self, crops, size, *rest):
        if size > 2:
            raise error
        return whole(self, crops, size, *rest)

    monkeypatch.setattr(Inverter, "invert_all", short)
    result = invert("--batch", "5")
    assert result.code == 0 and "does not suffice for 5 photos at once: now 2." in result.err
    assert len(rows(tmp_path / "out")) == 5 and sizes == [(2, 2), (2, 2), (1, 2)]


def test_memory_that_does_not_suffice_for_one_photo_ends_the_run(invert, tmp_path, monkeypatch):
    def short(self, *rest):
        raise MemoryError

    monkeypatch.setattr(Inverter, "invert_all", short)
    result = invert("--batch", "4")
    assert result.code == 2 and result.err.count("does not suffice") == 2 and "not enough memory" in result.err
    assert not leftovers(tmp_path)


def test_a_full_disk_ends_the_run_at_once_and_keeps_what_is_finished(invert, sizes, tmp_path, monkeypatch):
    assert invert("--batch", "1", out="whole").code == 0
    replace, count = os.replace, []

    def full(source, target):
        count.append(target)
        if len(count) > 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(source, target)

    sizes.clear()
    with monkeypatch.context() as context:
        context.setattr(os, "replace", full)
        result = invert("--batch", "1")
    assert result.code == 2 and result.err.count("the disk is full") == 1 and len(sizes) == 3
    assert not leftovers(tmp_path)
    assert invert("--batch", "1").code == 0 and len(sizes) == 3 + 3
    assert without_times(tmp_path / "out") == without_times(tmp_path / "whole")


def test_photos_that_vanish_are_failures_of_their_own(invert, folder, tmp_path, monkeypatch):
    whole = Inverter.invert_all

    def vanishing(self, *rest):
        (folder / "more" / "4.png").unlink(missing_ok=True)
        return whole(self, *rest)

    monkeypatch.setattr(Inverter, "invert_all", vanishing)
    result = invert("--batch", "1")
    assert result.code == 1 and rows(tmp_path / "out")[4]["status"] == "failed"
    assert "does not exist" in rows(tmp_path / "out")[4]["reason"]


def test_the_folder_that_is_written_to_is_not_read(invert, folder):
    assert invert(out="photos/out").code == 0
    again = invert("--json", out="photos/out")
    assert again.code == 0 and len(rows(folder / "out")) == 5


def test_what_cannot_be(invert, folder, tmp_path, zplus):
    (tmp_path / "none").mkdir()
    assert "holds no photos" in invert(source=tmp_path / "none").err
    assert "Give one folder" in zplus("invert", folder, folder / "0.png", "-o", tmp_path / "out").err
    assert "did you mean 'ray'" in invert("--engine", "rai").err
    assert "Leave out --workers" in invert("--workers", "2").err
    assert "must be a number, 0 being the largest, or all" in invert("--face", "some").err


def test_the_size_of_a_batch_goes_with_the_memory(monkeypatch):
    from tiny import tiny_stylegan2  # noqa: PLC0415
    from zplus.inversion import preset  # noqa: PLC0415

    generator, settings = tiny_stylegan2(), preset("default")
    one = batch_size.photo_bytes(generator, settings)
    for free, size in ((0.5, 1), (5.1, 3), (1000, 4)):  # 4 rows a thread
        monkeypatch.setattr(batch_size, "free_memory", lambda device, free=free: free * one)
        assert batch_size.batch_size(generator, settings) == size
    assert batch_size.batch_size(generator, preset("pti")) == 1
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(RuntimeError("you tried to allocate memory"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_line_says_how_many_an_hour_and_how_long_it_takes(monkeypatch):
    now, notes = [0.0], []
    monkeypatch.setattr(batch, "perf_counter", lambda: now[0])
    line = batch.Line(10, SILENT, lambda done, note: notes.append((done, note)))
    line.count(False)  # finished before, which says nothing of the pace
    now[0] = 60.0
    line.count(True)
    with line.callbacks.stage("Inverting", 40) as tick:
        tick(3, "")
    assert notes == [(1, ""), (2, "60 photos an hour, 0:08:00 left"), (2, notes[1][1] + " (step 3 of 40)")]
