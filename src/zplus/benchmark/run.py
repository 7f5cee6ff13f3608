"""A benchmark as a folder: what was run, on what, and every measurement as a line; a killed run goes on.

Trials are ordered so that whatever was done by the end of a budget compares all conditions on the same pictures.
"""

import json
import math
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from zplus.benchmark.rows import VERSION, Row
from zplus.errors import ZplusError
from zplus.files import atomic
from zplus.generators import Generator

EDITED = {"table": "edit", "measure": "error_lpips"}
PRIMARY = {  # contrasts, by bench; that of the spaces is the one of docs/evidence-plan.md
    "spaces": {**EDITED, "a": "f/z+", "b": "f/w+"},
    "methods": {**EDITED, "a": "hybrid", "b": "default", "space": "f/z+"},
    "ablations": {**EDITED, "a": "as it is", "b": "common start", "space": "f/z+"},
}
PACKAGES = ("torch", "numpy", "scikit-learn", "scipy")
Told = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """A piece of work that is done at once or not at all, by a name that is unique in its run."""

    name: str
    work: Callable[[], Iterable[Row]]


class Recorder:
    """The folder of a run while it is written: rows.jsonl grows by whole trials, run.json says how far it is."""

    def __init__(self, folder: Path, bench: str, generator: Generator, settings: Mapping[str, Any], command: str):
        self.folder, self.path = folder, folder / "rows.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self.facts: dict[str, Any] = {
            "zplus_run": VERSION, "bench": bench, "zplus": version("zplus"), "model": generator.name,
            "fingerprint": generator.fingerprint, "settings": dict(settings), "machine": machine(),
            "versions": {name: version(name) for name in PACKAGES}, "plan": {"primary": PRIMARY.get(bench, {})},
            "command": command, "started": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": 0.0,
            "skipped": [], "finished": False,
        }  # fmt: skip
        self._go_on()

    def record(self, trials: Iterable[Trial], minutes: float, told: Told) -> bool:
        """Do the trials that are not done yet, until the minutes are over; whether all are done."""
        began, before = time.perf_counter(), self.facts["seconds"]
        for trial in trials:
            if trial.name in self.done:
                continue
            spent = time.perf_counter() - began
            if spent > 60 * minutes:
                self.note(f"The budget of {minutes:g} minutes ended before {trial.name}: run the command again.")
                return False
            rows = [row | {"trial": trial.name} for row in trial.work()]
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(_known(row)) + "\n" for row in (*rows, _end(trial.name))))
            self.done.add(trial.name)
            seconds = time.perf_counter() - began
            told(f"{trial.name}: {seconds - spent:.0f} s")
            self._write(seconds=before + seconds)
        return True

    def rows(self, table: str) -> list[Row]:
        """The rows of a table so far."""
        if not self.path.exists():
            return []
        rows = map(json.loads, self.path.read_text(encoding="utf-8").splitlines())
        return [row for row in rows if row["table"] == table]

    def close(self, finished: bool) -> None:
        """Say in run.json whether all was done."""
        self._write(finished=finished)

    def note(self, sentence: str) -> None:
        """Say in run.json what was left out, and why."""
        if sentence not in self.facts["skipped"]:
            self._write(skipped=[*self.facts["skipped"], sentence])

    def _go_on(self) -> None:
        """Take up a run that stopped. Raises ZplusError for one of another version or other settings."""
        path = self.folder / "run.json"
        self.done: set[str] = set()
        if not path.exists():
            self._write()
            return
        known = json.loads(path.read_text(encoding="utf-8"))
        for key in ("zplus_run", "bench", "fingerprint", "settings"):
            wanted = json.loads(json.dumps(self.facts[key]))
            if known.get(key) != wanted:
                raise ZplusError(f"{self.folder} holds a run with another {key}: give another folder with -o.")
        self.facts |= {key: known[key] for key in ("started", "seconds")}
        if self.path.exists():
            lines = self.path.read_bytes().split(b"\n")[:-1]  # without a line that a killed run did not end
            rows = [json.loads(line) for line in lines]
            self.done = {row["trial"] for row in rows if row["table"] == "end"}
            whole = [row for row in rows if row["trial"] in self.done]
            with atomic(self.path) as temporary:
                temporary.write_text("".join(json.dumps(row) + "\n" for row in whole), encoding="utf-8")

    def _write(self, **facts: object) -> None:
        self.facts |= facts
        with atomic(self.folder / "run.json") as temporary:
            temporary.write_text(json.dumps(self.facts, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _end(name: str) -> Row:
    """The line that says that a trial's rows are all there."""
    return {"table": "end", "trial": name}


def _known(row: Row) -> Row:
    """Without numbers that are none, so that the file is JSON for every reader."""
    return {key: _short(x) for key, x in row.items() if x is not None and not (isinstance(x, float) and math.isnan(x))}


def _short(x: Any) -> Any:
    return float(f"{x:.5g}") if isinstance(x, float) else x
