"""A batch that is killed at random moments: what is finished stays, and the end is that of an undisturbed run.

    python benchmarks/batch_kills.py --work WORK [--kills 100] [--minutes 60]

Kills by SIGKILL and by SIGTERM take turns. Each run is a fork of a process that has loaded LPIPS already. After each
kill every record in the folder must be of files that are whole; when a run ends undisturbed, all bytes but times are
compared, and the next round begins in an empty folder.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from batches import draw
from machine import save_result
from zplus.command import app
from zplus.inversion import settings
from zplus.inversion.methods import shared_lpips
from zplus.perception import quality
from zplus.workflow import inverting

PHOTOS, BATCH = 6, 3
ARGUMENTS = ["--model", "avatars64", "--no-align", "--steps", "2", "--batch", str(BATCH), "--json"]


def prepare() -> None:
    """Networks of judges at a size that lets many runs pass, and no identity; in this process and its forks."""
    torch.set_num_threads(1)
    os.environ["ZPLUS_EAGER"] = "1"
    quality.LPIPS_SIDE = 32
    inverting.load_identity = lambda callbacks: None
    for name, preset in settings.PRESETS.items():
        settings.PRESETS[name] = replace(preset, lpips_size=32)
    shared_lpips(torch.device("cpu"))


def start(photos: Path, out: Path) -> int:
    """A run of the command in a fork; its process number."""
    sys.stdout.flush()
    number = os.fork()
    if number:
        return number
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(out.parent / "err.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    sys.argv = ["zplus", "invert", str(photos), "-o", str(out), *ARGUMENTS]
    code = 70
    try:
        app.main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


def state(out: Path) -> dict[str, Any]:
    """What is finished: the record without times, and the hashes of its files."""
    found = {}
    for path in sorted(out.glob("*.json")) if out.is_dir() else []:
        if path.name == "summary.json":
            continue
        record = json.loads(path.read_text(encoding="utf-8").replace(str(out), "OUT"))
        files = [out / Path(record[kind]).name for kind in ("latent", "reconstruction", "aligned")]
        facts = {name: x for name, x in record.items() if "seconds" not in name}
        found[path.name] = (facts, [hashlib.sha256(x.read_bytes()).hexdigest() for x in files])
    return found


def rows(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(x) for x in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: x for name, x in row.items() if name != "seconds"} for row in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=100, help="Of each kind.")
    parser.add_argument("--minutes", type=float, default=60.0, help="After which no more are tried.")
    asked = parser.parse_args()
    end = time.perf_counter() + 60 * asked.minutes
    photos, whole, out = asked.work / "photos", asked.work / "whole", asked.work / "cut"
    shutil.rmtree(asked.work, ignore_errors=True)
    draw("avatars64", PHOTOS, photos)
    prepare()
    began = time.perf_counter()
    os.waitpid(start(photos, whole), 0)
    length = time.perf_counter() - began
    wanted, table = state(whole), rows(whole)
    assert len(wanted) == PHOTOS
    random.seed(0)
    counts = {"SIGKILL": 0, "SIGTERM": 0}
    done, rounds, leftovers, longest = {}, 0, 0, 0.0
    while min(counts.values()) < asked.kills and time.perf_counter() < end:
        child = start(photos, out)
        kind = min(counts, key=lambda name: counts[name])
        time.sleep(random.uniform(0.0, length))
        began = time.perf_counter()
        os.kill(child, getattr(signal, kind))
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:  # it was ready before
            assert state(out) == wanted and rows(out) == table
            rounds, done = rounds + 1, {}
            leftovers += len(list(out.glob(".zplus-*")))
            shutil.rmtree(out)
            continue
        assert kind == "SIGKILL" or (os.WIFEXITED(status) and os.WEXITSTATUS(status) in (130, 143)), status
        counts[kind] += 1
        longest = max(longest, time.perf_counter() - began)
        found = state(out)
        assert all(found[name] == wanted[name] for name in found), "a record is of files that are not whole"
        assert set(done) <= set(found), "what was finished is lost"
        done = found
        print(counts, len(found), flush=True)
    os.waitpid(start(photos, out), 0)
    assert state(out) == wanted and rows(out) == table
    save_result(
        "batch_kills",
        {
            "photos": PHOTOS, "batch": BATCH, "seconds_undisturbed": round(length, 1), "kills": counts,
            "ends_compared": rounds + 1, "seconds_to_end_at_most": round(longest, 2), "temporary_files_left": leftovers,
            "lost": 0, "half_written": 0,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
