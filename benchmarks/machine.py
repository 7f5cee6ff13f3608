"""What every result states of the machine and the versions that it was measured with."""

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
