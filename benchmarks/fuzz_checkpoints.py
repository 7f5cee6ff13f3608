"""Reads damaged checkpoints by the thousand: each is to be refused in one line or read, in bounded time and memory.

    python benchmarks/fuzz_checkpoints.py [--files 100000] [--processes 1] [--seed 0]

Any other error, more than SECONDS for a file or more than MEMORY in a process ends it; a file is named by its format
and number, from which `tests/attacks/mutate.py` makes it again. Runs where processes can be forked.
"""

import argparse
import multiprocessing
import random
import resource
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

from mutate import mutated, originals

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.read import read_checkpoint

SECONDS, MEMORY = 20, 4 << 30  # of a file; of addresses, far more than is used
CHUNK = 500
QUICK = Path("/dev/shm")  # files in memory


def read_many(kind: str, data: bytes, first: int, count: int) -> dict:
    """What became of a run of files: how many were read and refused, and the slowest and the largest, with numbers."""
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts, slowest, largest = Counter(), (0.0, first), (0, first)
    with tempfile.TemporaryDirectory(dir=QUICK if QUICK.is_dir() else None) as folder:
        path = Path(folder) / "file"
        for number in range(first, first + count):
            path.write_bytes(mutated(data, random.Random(f"{kind} {number}")))
            before, began = _peak(), time.perf_counter()
            signal.alarm(SECONDS)
            counts[_read(path, kind, number)] += 1
            signal.alarm(0)
            slowest = max(slowest, (time.perf_counter() - began, number))
            largest = max(largest, (_peak() - before, number))
    return {"kind": kind, "counts": counts, "slowest": slowest, "largest": largest}


def _read(path: Path, kind: str, number: int) -> str:
    try:
        read_checkpoint(path)
        return "read"
    except CheckpointError as error:
        if "\n" in str(error) or len(str(error)) > 500:
            raise RuntimeError(f"{kind} {number} is refused in more than a line") from error
        return "refused"
    except BaseException as error:
        raise RuntimeError(f"{kind} {number} ends in {type(error).__name__}") from error


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = originals(Path(folder))
        for content in data.values():  # whole files first, so that no file pays for what is loaded once
            Path(folder, "whole").write_bytes(content)
            read_checkpoint(Path(folder, "whole"))
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
    save_result("fuzz_checkpoints", {"files": total, "seconds": seconds, "seed": options.seed, "formats": formats})


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
