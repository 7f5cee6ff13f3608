"""What every result states of the machine and the versions that it was measured with, and results that others need."""

import json
from pathlib import Path
from typing import Any

import torch

from zplus.benchmark.run import machine

RESULTS = Path(__file__).parent / "results"


def measured_on() -> dict[str, Any]:
    """This machine and its torch."""
    return machine() | {"torch": torch.__version__}


def save_result(name: str, result: dict[str, Any]) -> None:
    """Write a result. `machine` is the one that wrote it last; a part of another sitting has a machine of its own."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    found = {"machine": measured_on()} | {key: value for key, value in result.items() if key != "machine"}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path.name}")


def reset_peak() -> None:
    """Let the peak of this process's memory begin anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory_gb() -> float:
    """The most memory that this process held since `reset_peak`, or ever (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20, 2)


def read_result(name: str) -> dict[str, Any]:
    """A result as it was saved; empty if there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def prior_scores() -> dict[str, dict[str, float]]:
    """Mean and standard deviation of every score over the prior of ffhq-mobile (`prior_scores.py`)."""
    return read_result("prior_scores")["scores"]
