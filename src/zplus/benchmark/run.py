"""A benchmark as a folder: what was run, on what, and every measurement as a line; a killed run goes on.

Trials are ordered so that whatever was done by the end of a budget compares all conditions on the same pictures.
"""

import json
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from zplus.benchmark.rows import VERSION, Row, Run, read_run
from zplus.errors import ZplusError
from zplus.files import appended, atomic, make_folder, unlinked
from zplus.generators import Generator

EDITED = {"table": "edit", "measure": "error_lpips"}
PRIMARY = {  # contrasts, by bench; that of the spaces is the one of docs/evidence-plan.md
    "spaces": {**EDITED, "a": "f/z+", "b": "f/w+"},
    "methods": {**EDITED, "a": "hybrid", "b": "default", "space": "f/z+"},
    "ablations": {**EDITED, "a": "as it is", "b": "common start", "space": "f/z+"},
}
PACKAGES = ("torch", "numpy", "scikit-learn", "scipy")
SITTING = ("started", "machine", "versions", "command")  # of each sitting; those of the first stand for the run
SAID = {"others": "photos or drawings", "gauges": "scorers"}  # settings by the names that users know
Told = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """A piece of work that is done at once or not at all, by a name that is unique in its run.

    of: the condition that it is done under, which may fail in many trials alike.
    """

    name: str
    work: Callable[[], Iterable[Row]]
    of: str = ""


class Recorder:
    """The folder of a run while it is written: rows.jsonl grows by whole trials, run.json says how far it is.

    A folder that has a run goes on with it. Raises ZplusError for one of other settings or of another version.
    """

    def __init__(
        self,
        folder: Path,
        bench: str,
        generator: Generator,
        settings: Mapping[str, Any],
        command: str = "",
        minutes: float = math.inf,
        primary: Mapping[str, str] | None = None,
    ):
        self.folder, self.path, self.done = folder, unlinked(folder / "rows.jsonl"), set[str]()
        self.minutes, self.ends = minutes, math.nan  # the first trial starts the clock
        self.notes, self.failed = list[str](), Counter[tuple[str, str]]()
        planned = PRIMARY.get(bench, {}) if primary is None else primary
        self.facts: dict[str, Any] = {
            "zplus_run": VERSION, "bench": bench, "zplus": version("zplus"), "model": generator.name,
            "fingerprint": generator.fingerprint, "settings": json.loads(json.dumps(settings)), "machine": machine(),
            "versions": {name: version(name) for name in PACKAGES}, "plan": {"primary": planned},
            "command": command, "started": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": 0.0,
            "skipped": [], "finished": False,
        }  # fmt: skip
        self.facts["sittings"] = [{key: self.facts[key] for key in SITTING}]
        make_folder(folder)
        if (folder / "run.json").exists():
            self._go_on(read_run(folder))
        elif self.path.exists():
            raise ZplusError(f"{self.path} belongs to a run whose run.json is gone: give another folder with -o.")
        else:
            self.path.touch(mode=0o600)
        self._write()

    def record(self, trials: Iterable[Trial], told: Told) -> bool:
        """Do the trials that are not done yet, until the budget ends; whether all are done.

        A trial that fails for a foreseen reason is left out until the run goes on, and the reason noted.
        """
        if math.isnan(self.ends):
            self.ends = time.perf_counter() + 60 * self.minutes
        for trial in trials:
            if trial.name in self.done:
                continue
            began = time.perf_counter()
            if began > self.ends:
                self.note(f"The budget of {self.minutes:g} minutes ended before {trial.name}: run the command again.")
                return False
            try:
                rows = [row | {"trial": trial.name} for row in trial.work()]
            except ZplusError as error:
                self.failed[trial.of or trial.name, str(error)] += 1
                told(f"{trial.name} is left out: {error}")
                self._write()
                continue
            with appended(self.path) as file:
                file.write("".join(json.dumps(_known(row)) + "\n" for row in (*rows, _end(trial.name))))
            self.done.add(trial.name)
            seconds = time.perf_counter() - began
            told(f"{trial.name}: {seconds:.0f} s")
            self._write(seconds=self.facts["seconds"] + seconds)
        return True

    def rows(self, table: str) -> list[Row]:
        """The rows of a table so far."""
        return read_run(self.folder).table(table)

    def close(self, finished: bool) -> None:
        """Say in run.json whether all was done."""
        self._write(finished=finished)

    def note(self, sentence: str) -> None:
        """Say in run.json what was left out, and why."""
        self.notes.append(sentence)
        self._write()

    def _go_on(self, run: Run) -> None:
        """Take up a run that stopped, without the rows of a trial that it did not end."""
        for key in ("bench", "zplus", "fingerprint"):
            if run.facts[key] != self.facts[key]:
                raise ZplusError(f"{self.folder} holds a run with another {key}: give another folder with -o.")
        old, new = run.facts["settings"], self.facts["settings"]
        other = [SAID.get(key, key) for key in {**old, **new} if old.get(key) != new.get(key)]
        if other:
            raise ZplusError(f"{self.folder} holds a run with other {', '.join(other)}: give another folder with -o.")
        if run.facts["plan"] != self.facts["plan"]:
            raise ZplusError(f"{self.folder} holds a run with another plan: give another folder with -o.")
        self.facts |= {key: run.facts[key] for key in (*SITTING, "seconds")}
        self.facts["sittings"] = [*run.facts["sittings"], *self.facts["sittings"]]
        self.done = {row["trial"] for row in run.table("end") if row.get("trial")}
        whole = [row for row in run.rows if row.get("trial") in self.done]
        with atomic(self.path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in whole), encoding="utf-8")

    def _write(self, **facts: object) -> None:
        failed = [f"{what} is left out {_times(n)}: {error}" for (what, error), n in self.failed.items()]
        self.facts |= facts | {"skipped": [*self.notes, *failed]}
        with atomic(unlinked(self.folder / "run.json")) as temporary:
            temporary.write_text(json.dumps(self.facts, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def _end(name: str) -> Row:
    """The line that says that a trial's rows are all there."""
    return {"table": "end", "trial": name}


def _known(row: Row) -> Row:
    """Without what is not known or no finite number, so that the file is JSON for every reader."""
    return {
        key: _short(x) for key, x in row.items() if x is not None and (not isinstance(x, float) or math.isfinite(x))
    }


def _short(x: Any) -> Any:
    return float(f"{x:.5g}") if isinstance(x, float) else x
