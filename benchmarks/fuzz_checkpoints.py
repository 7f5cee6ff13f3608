"""Reads damaged checkpoints, latents, directions and arrays by the thousand: each is refused in one line or read.

    python benchmarks/fuzz_checkpoints.py [--files 100000] [--processes 1] [--seed 0] [--formats latent npz]

Any other error, more than SECONDS of processor time or more than MEMORY for a file ends it; a file is named by its
format and number, from which `tests/attacks/mutate.py` makes it again. Runs on Linux.
"""

import argparse
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from machine import save_result

sys.path += [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parents[1] / "tests/attacks")]

from mutate import mutated, originals, reader, records

from zplus.errors import ZplusError

SECONDS, MEMORY = 5.0, 200_000  # processor seconds and kB of memory of a file
CHUNK = 500
QUICK = Path("/dev/shm")  # files in memory


def read_many(kind: str, data: bytes, first: int, count: int) -> dict:
    """What became of a run of files: how many were read and refused, and the slowest and the largest, with numbers."""
    torch.set_num_threads(1)
    counts, slowest, largest = Counter(), (0.0, first), (0, first)
    with tempfile.TemporaryDirectory(dir=QUICK if QUICK.is_dir() else None) as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        reader(kind)(path)  # a whole one first, so that no file pays for what is loaded once
        for number in range(first, first + count):
            path.write_bytes(mutated(data, random.Random(f"{kind} {number}")))
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            before, began = _kilobytes("VmRSS"), time.process_time()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # which ends the process
            counts[_read(path, kind, number)] += 1
            signal.setitimer(signal.ITIMER_PROF, 0)
            slowest = max(slowest, (time.process_time() - began, number))
            largest = max(largest, (_kilobytes("VmHWM") - before, number))
    if largest[0] > MEMORY:
        raise RuntimeError(f"{kind} {largest[1]} takes {largest[0]} kB")
    return {"kind": kind, "counts": counts, "slowest": slowest, "largest": largest}


def _read(path: Path, kind: str, number: int) -> str:
    try:
        reader(kind)(path)
        return "read"
    except ZplusError as error:
        words = str(error).replace(str(path), "")
        if not words.isprintable() or len(words) > 500:
            raise RuntimeError(f"{kind} {number} is refused in more than a line: {words!r}") from error
        return "refused"
    except BaseException as error:
        raise RuntimeError(f"{kind} {number} ends in {type(error).__name__}") from error


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="*", help="some of them only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = originals(Path(folder)) | records(Path(folder))
    data = {kind: content for kind, content in data.items() if kind in (options.formats or data)}
    share = -(-options.files // len(data))
    start = options.seed * 10_000_000
    jobs = [(kind, start + k, min(CHUNK, share - k)) for k in range(0, share, CHUNK) for kind in data]
    began, found = time.perf_counter(), {kind: [] for kind in data}
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("fork")) as pool:
        for part in pool.map(read_many, *zip(*((kind, data[kind], *job) for kind, *job in jobs), strict=True)):
            found[part["kind"]].append(part)
    formats = {kind: summary(parts, len(data[kind])) for kind, parts in found.items()}
    for kind, row in formats.items():
        print(kind, row)
    total = sum(row["refused"] + row["read"] for row in formats.values())
    seconds = round(time.perf_counter() - began, 1)
    print(f"{total} files in {seconds} s, all refused in one line or read")
    limits = {"seconds": SECONDS, "kilobytes": MEMORY}
    found = {"files": total, "seconds": seconds, "seed": options.seed, "limits": limits, "formats": formats}
    if not options.formats:
        save_result("fuzz_checkpoints", found)


def summary(parts: list[dict], size: int) -> dict:
    counts = sum((part["counts"] for part in parts), Counter())
    slowest, largest = max(part["slowest"] for part in parts), max(part["largest"] for part in parts)
    return {
        "bytes": size,
        "refused": counts["refused"],
        "read": counts["read"],
        "slowest_ms": round(1000 * slowest[0], 1),
        "slowest_file": slowest[1],
        "largest_rise_kb": largest[0],
        "largest_file": largest[1],
    }


if __name__ == "__main__":
    main()
