"""What every result states of the machine and the versions that it was measured with, and results that others need."""

import json
from pathlib import Path
from typing import Any

import torch

from zplus.benchmark.run import machine

RESULTS = Path(__file__).parent / "results"


def save_result(name: str, result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(
        json.dumps({"machine": machine() | {"torch": torch.__version__}, **result}, indent=1) + "\n", encoding="utf-8"
    )
    print(f"wrote {path.name}")


def read_result(name: str) -> dict[str, Any]:
    """A result as it was saved; empty if there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def prior_scores() -> dict[str, dict[str, float]]:
    """Mean and standard deviation of every score over the prior of ffhq-mobile (`prior_scores.py`)."""
    return read_result("prior_scores")["scores"]
