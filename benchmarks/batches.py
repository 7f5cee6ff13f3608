"""Many photos: alone, in batches, and on a Ray cluster of two workers; how time and memory grow; the cost of a million.

    python benchmarks/batches.py --work WORK [--part ratio|mobile|engines|growth]

Each run is a process of its own, on one thread, and runs that are compared take turns. Seconds are those after the
networks are loaded and a first batch is done: on the clock, and of the processor, which other programs change little.
Photos are samples of the generator. Ray is needed for engines.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from kept import Kept
from machine import read_result, save_result
from zplus.generators import load_generator
from zplus.images import to_pixels, write_image
from zplus.inversion import settings
from zplus.perception import quality
from zplus.spaces import make_space
from zplus.workflow import InvertOptions
from zplus.workflow.batch import Engine, Here, Line, invert_photos
from zplus.workflow.callbacks import SILENT
from zplus.workflow.cluster import Cluster
from zplus.workflow.manifest import manifest

SMALL = {"model": "avatars64", "steps": 1, "small": True}
PARTS: dict[str, list[dict[str, Any]]] = {
    "ratio": [
        {"model": "avatars64", "photos": 8, "batch": b, "steps": 2, "repeat": i} for i in range(2) for b in (8, 1)
    ],
    "engines": [  # workers read their settings anew, so that nothing can be small
        {"model": "avatars64", "photos": 8, "batch": 2, "steps": 1, "engine": e, "repeat": 0} for e in ("here", "ray")
    ],
    "growth": [
        {**SMALL, "photos": n, "batch": 8, "repeat": i} for n, i in ((16, 0), (104, 0), (16, 1), (104, 1), (1000, 0))
    ],
    "mobile": [{"model": "ffhq-mobile", "photos": 4, "batch": b, "steps": 2, "repeat": 0} for b in (1, 4)],
}
MILLION, HOURS = 1_000_000, 3600


def draw(model: str, count: int, folder: Path) -> list[Path]:
    """Samples of a generator as files of their own."""
    generator = load_generator(model)
    space = make_space("z", generator)
    folder.mkdir(parents=True, exist_ok=True)
    found = [folder / f"{i:04}.png" for i in range(count)]
    for i, path in enumerate(found):
        if not path.exists():
            code = space.sample(1, i)
            write_image(path, to_pixels(generator.synthesize(space.inputs(code))[0]), "sample")
    return found


def one_run(work: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Seconds a photo, the largest memory, and the manifest without times, of a run in this process."""
    if plan.get("small"):  # networks of judges at a size that lets a thousand photos pass
        quality.LPIPS_SIDE = 32
        for name, preset in settings.PRESETS.items():
            settings.PRESETS[name] = replace(preset, lpips_size=32)
    torch.set_num_threads(1)
    photos = draw(plan["model"], plan["photos"], work / plan["model"])
    out = work / f"out-{os.getpid()}"
    out.mkdir()
    began: list[float] = []
    cluster = partial(Cluster, workers=2)

    def engine(options: InvertOptions, *rest: Any) -> Engine:
        where: Engine = (cluster if plan.get("engine") == "ray" else Here)(options, *rest)
        warm(where, photos[0], out)
        began.extend((time.perf_counter(), time.process_time()))
        return where

    options = InvertOptions(model=plan["model"], align=False, steps=plan.get("steps"))
    with manifest(out, photos, photos[0].parent) as rows:
        for photo, found in invert_photos(photos, out, options, SILENT, plan["batch"], None, engine):
            rows.add(photo, found)
    seconds, own = time.perf_counter() - began[0], time.process_time() - began[1]
    table = [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in table:
        del row["seconds"]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"seconds": round(seconds / len(photos), 4), "manifest": table}
    if plan.get("engine") == "ray":  # whose workers are other processes
        return found
    return found | {"cpu_seconds": round(own / len(photos), 4), "megabytes": round(memory)}


def warm(where: Engine, photo: Path, out: Path) -> None:
    """A first batch for each of two workers, whose files are written beside and not again."""
    from zplus.workflow.finished import Files  # noqa: PLC0415

    key = {"photo_sha256": "first"}
    entries = list(where.align([(photo, Files(out, f"warm{i}"), key) for i in range(2 * where.size)]))
    crops = [crop for entry in entries for crop in entry.crops]
    line = Line(1, SILENT, lambda done, note: None)
    list(where.invert([crops[: where.size], crops[where.size :]], line))


def run_apart(work: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """A run in a process of its own."""
    command = [sys.executable, __file__, "--work", str(work), "--plan", json.dumps(plan)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ZPLUS_EAGER": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def told(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the runs say together."""
    found: dict[str, Any] = {}
    for part in PARTS:
        runs: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in (row for row in rows if row["part"] == part):
            runs.setdefault((row["photos"], row["batch"], row["engine"]), []).append(row)
        found[part] = []
        for (photos, batch, engine), same in runs.items():
            measured = [name for name in ("seconds", "cpu_seconds", "megabytes") if name in same[0]]
            middle = {name: median(row[name] for row in same) for name in measured}
            middle["photos_an_hour"] = round(HOURS / middle["seconds"])
            found[part].append({"photos": photos, "batch": batch, "engine": engine, "runs": len(same), **middle})
    both = {row["engine"]: row["manifest"] for row in rows if row["part"] == "engines"}
    found["manifests_equal"] = both["here"] == both["ray"] if len(both) == 2 else None  # not measured
    return found | {"million": million()}


def million() -> dict[str, Any]:
    """Hours for a million portraits by default settings, one after another, from results measured before."""
    cpu, gpu = read_result("portraits"), read_result("gpu")
    seconds, cores = cpu["spaces"]["f/z+"]["median"]["seconds"], cpu["machine"]["threads"]
    return {
        "cpu_seconds": seconds,
        "cpu_cores": cores,
        "cpu_core_hours": round(MILLION * seconds * cores / HOURS),
        "gpu": gpu["device"],
        "gpu_seconds": gpu["median"]["seconds"],
        "gpu_hours": round(MILLION * gpu["median"]["seconds"] / HOURS),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--plan")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.plan:
        print(json.dumps(one_run(asked.work, json.loads(asked.plan))))
        return
    kept = Kept(asked.work / "rows.jsonl", "part", "photos", "batch", "engine", "repeat")
    for part in asked.part or PARTS:
        for plan in PARTS[part]:
            kept.row({"part": part, "engine": "here", **plan}, partial(run_apart, asked.work, plan))
    save_result("batches", told(list(kept.rows.values())))


if __name__ == "__main__":
    main()
