"""Commands that are killed at random moments: what is finished stays, and the end is that of an undisturbed run.

    python benchmarks/kills.py --work WORK [--job batch film training bench gallery] [--kills 100] [--minutes 60]

SIGKILL and SIGTERM take turns, at moments drawn from the length of an undisturbed run. Each run is a fork of a process
that has loaded LPIPS already. After each kill all that was finished before must be there unchanged, and all that is
there must be part of what the undisturbed run made. When a run ends by itself, its results are compared, all but times
and paths, and the next round begins in an empty folder. The gallery is the studio's: a fork keeps inversions and edits
them, and what it said to have kept must be whole; its ends differ, because a run that begins anew keeps more.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from batches import draw
from machine import measured_on, read_result, save_result
from zplus.benchmark import prepare as measuring
from zplus.benchmark.rows import read_run
from zplus.command import app
from zplus.editing import edit
from zplus.faces.align import whole
from zplus.generators import load_generator
from zplus.images import read_image, to_pixels
from zplus.inversion import settings
from zplus.inversion.methods import shared_lpips
from zplus.perception import quality
from zplus.spaces import render, sample
from zplus.studio.shelf import Shelf
from zplus.training.snapshot import read_facts
from zplus.workflow import inverting

PHOTOS = 6
MODEL = ["--model", "avatars64"]
FAST = [*MODEL, "--no-align", "--steps", "2"]
TIMES = ("seconds", "images_per_second", "started")
KEPT = "kept.txt"  # the keys that the gallery's run has said to have kept
State = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A command that is killed: what a run does, what of it is finished, and what it comes to."""

    run: Callable[[Path, Path], None]  # by the folders of the photos and of the results
    finished: Callable[[Path], State]
    results: Callable[[Path], State] | None  # None where ends may differ
    all_known: bool = True  # whether the undisturbed run shows in the end all that is ever finished


def prepare() -> None:
    """Networks of judges at a size that lets many runs pass, and no identity; in this process and its forks."""
    torch.set_num_threads(1)
    os.environ["ZPLUS_EAGER"] = "1"
    quality.LPIPS_SIDE = 32
    measuring.SAMPLES, measuring.PRIOR, measuring.MIN_QUALITY = 40, 10, -1.0  # scorers that need not be good
    inverting.load_identity = lambda callbacks: None
    for name, preset in settings.PRESETS.items():
        settings.PRESETS[name] = replace(preset, lpips_size=32)
    shared_lpips(torch.device("cpu"))


def command(*arguments: object) -> None:
    sys.argv = ["zplus", *map(str, arguments)]
    app.main()


def start(job: Job, photos: Path, out: Path) -> int:
    """A run in a fork; its process number."""
    sys.stdout.flush()
    number = os.fork()
    if number:
        return number
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(out.parent / "err.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    code = 70
    try:
        job.run(photos, out)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


def hashes(paths: Sequence[Path]) -> State:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}


def facts(record: State) -> State:
    return {name: x for name, x in record.items() if not any(word in name for word in TIMES)}


def lines(path: Path) -> list[State]:
    found = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [facts(json.loads(line)) for line in found]


def weights(path: Path) -> State:
    """The tensors of a file, without the times in its metadata."""
    return {name: hashlib.sha256(x.numpy().tobytes()).hexdigest() for name, x in load_file(path).items()}


# what is finished of each command, and what it comes to


def batch(out: Path) -> State:
    """The record of each photo and the hashes of its files."""
    found = {}
    for path in set(out.glob("*.json")) - {out / "summary.json"}:
        record = json.loads(path.read_text(encoding="utf-8").replace(str(out), "OUT"))
        files = [out / Path(record[kind]).name for kind in ("latent", "reconstruction", "aligned")]
        assert all(file.is_file() for file in files), "a record is of files that are not there"
        found[path.name] = (facts(record), hashes(files))
    return found


def film(out: Path) -> State:
    """The frames in work, which are removed once the film is there."""
    frames = sorted((out / "film.mp4.work").glob("0*"))
    return hashes([out / "film.mp4"]) or hashes(frames)


def training(out: Path) -> State:
    """The steps that a snapshot holds."""
    known = read_facts(out / "snapshot.safetensors")
    return {} if known is None else {str(step): True for step in range(int(known["step"]) + 1)}


def bench(out: Path) -> State:
    """The rows of trials that ended."""
    rows = read_run(out).rows if (out / "run.json").exists() else ()
    ended = {row["trial"] for row in rows if row["table"] == "end"}
    return {json.dumps(facts(row), sort_keys=True): True for row in rows if row.get("trial") in ended}


def gallery(out: Path) -> State:
    """What the run said to have kept. Every item that is shown is whole."""
    shelf, told = Shelf(out / "kept"), out / KEPT
    items = {item.key: item for item in shelf.items()}
    for item in items.values():
        shelf.latent(item.key)
        assert shelf.target(item, 64) is not None and len(shelf.looks([item])) == 1
    keys = told.read_text(encoding="utf-8").split("\n")[:-1] if told.exists() else []
    assert set(keys) <= set(items), "what was kept is lost"
    return dict.fromkeys(keys, True)


def keep_and_edit(photos: Path, out: Path) -> None:
    """Keep a face of each photo and edit it three times, as the studio does."""
    generator, shelf = load_generator("avatars64"), Shelf(out / "kept")
    for i, photo in enumerate(sorted(photos.glob("*.png"))):
        latent, pixels = sample(generator, 1, seed=i), read_image(photo)
        key = shelf.add(photo.name, "avatars64", latent, whole(pixels, 64), pixels)
        with open(out / KEPT, "a", encoding="utf-8") as told:
            told.write(f"{key}\n")
        for strength in (0.5, 1.0, 1.5):
            edited = edit(generator, latent, {"long_hair": strength})
            shelf.update(key, edited, to_pixels(render(generator, edited)[0]))


TRAIN = (
    "--resolution 16 --cpu --batch 2 --channel-base 256 --channel-max 16 --z-dim 16 --kimg 0.02 --snapshot-minutes 0"
)
COMPARE = "--count 1 --seeds 1 --steps 2 --space z+ -d long_hair --batch 1"
JOBS = {
    "batch": Job(lambda x, o: command("invert", x, "-o", o, *FAST, "--batch", 3, "--json"), batch,
                 lambda o: batch(o) | {"manifest": lines(o / "manifest.jsonl")}),
    "film": Job(lambda x, o: command("video", x, "-o", o / "film.mp4", *FAST, "--frame-steps", 2, "-d", "long_hair"),
                film, film, all_known=False),
    "training": Job(lambda x, o: command("train", "generator", x, "-o", o, *TRAIN.split()),
                    training, lambda o: weights(o / "snapshot.safetensors")),
    "bench": Job(lambda x, o: command("bench", "spaces", "-o", o, *MODEL, *COMPARE.split()), bench, bench),
    "gallery": Job(keep_and_edit, gallery, None, all_known=False),
}  # fmt: skip


def tried(job: Job, work: Path, kills: int, minutes: float) -> State:
    """Counts of the kills of a job, and what became of them. Raises AssertionError where something is lost."""
    photos, undisturbed, out = work / "photos", work / "whole", work / "cut"
    shutil.rmtree(work, ignore_errors=True)
    draw("avatars64", PHOTOS, photos)
    for folder in (undisturbed, out):
        folder.mkdir()
    began = time.perf_counter()
    _, status = os.waitpid(start(job, photos, undisturbed), 0)
    length, end = time.perf_counter() - began, time.perf_counter() + 60 * minutes
    assert status == 0, (work / "err.txt").read_text(encoding="utf-8")[-2000:]
    results = job.results or (lambda out: None)
    known, wanted = job.finished(undisturbed), results(undisturbed)
    counts = {"SIGKILL": 0, "SIGTERM": 0}
    done: State = {}
    rounds, leftovers, longest = 0, 0, 0.0
    while min(counts.values()) < kills and time.perf_counter() < end:
        child, kind = start(job, photos, out), min(counts, key=lambda name: counts[name])
        time.sleep(random.uniform(0.0, length))
        began = time.perf_counter()
        os.kill(child, getattr(signal, kind))
        _, status = os.waitpid(child, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        if code == 0:  # it was ready before
            assert results(out) == wanted
            rounds, done = rounds + 1, {}
            leftovers += len(list(out.glob("**/.zplus-*")))
            shutil.rmtree(out)
            out.mkdir()
            continue
        assert kind == "SIGKILL" or code in (130, 143) or code is None, status
        counts[kind] += 1
        longest = max(longest, time.perf_counter() - began)
        found = job.finished(out)
        assert not job.all_known or all(found[name] == known[name] for name in found), "something is half-written"
        assert all(found.get(name) == done[name] for name in done) or found == wanted, "what was finished is lost"
        done = found
        print(counts, len(found), flush=True)
    os.waitpid(start(job, photos, out), 0)
    assert results(out) == wanted
    return {
        "seconds_undisturbed": round(length, 1), "kills": counts, "ends_compared": rounds + 1 if job.results else 0,
        "seconds_to_end_at_most": round(longest, 2), "temporary_files_left": leftovers, "lost": 0, "half_written": 0,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--job", nargs="*", default=list(JOBS), choices=JOBS)
    parser.add_argument("--kills", type=int, default=100, help="Of each kind and job.")
    parser.add_argument("--minutes", type=float, default=60.0, help="After which no more of a job are tried.")
    asked = parser.parse_args()
    prepare()
    for name in asked.job:
        random.seed(0)
        found = tried(JOBS[name], asked.work / name, asked.kills, asked.minutes)
        save_result("kills", read_result("kills") | {name: {"machine": measured_on()} | found})


if __name__ == "__main__":
    main()
