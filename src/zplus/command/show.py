"""What a command shows: progress and notes on standard error, its result on standard output, as text or as JSON."""

import itertools
import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from zplus.errors import one_line, printable, sentence
from zplus.workflow.callbacks import Callbacks, Tick
from zplus.workflow.json_files import plain

SOON, PAUSE = 3.0, 15.0  # seconds before the first and between later lines where no bar can be drawn


class Show:
    """Speaks to a person on standard error; `result` alone writes to standard output, once.

    `seconds` holds how long each stage took, `warnings` what was warned of. Of several processes that train together
    the first alone speaks.
    """

    def __init__(self, as_json: bool = False):
        from rich.console import Console

        self.as_json, self.first = as_json, os.environ.get("RANK", "0") == "0"  # as torch's launchers number them
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self.console = Console(
            stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=not self.first
        )

    def say(self, line: str) -> None:
        """A line for a person."""
        self.console.print(one_line(line))

    def warn(self, line: str) -> None:
        """A line that also goes into the record."""
        self.warnings.append(line)
        self.say(f"Warning: {line}")

    @property
    def callbacks(self) -> Callbacks:
        """What a workflow calls, so that its progress and its warnings are shown here."""
        return Callbacks(stage=self.stage, say=self.say, warn=self.warn)

    @contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Tick]:
        """A piece of work of `total` steps: a bar with the time left, or a line now and then."""
        title = one_line(title)
        began = time.perf_counter()
        with self._bar(title, total) if self.console.is_terminal else self._lines(title, total) as tick:
            yield tick
        self.seconds[title] = self.seconds.get(title, 0.0) + time.perf_counter() - began

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """The outcome: one JSON object, or text."""
        if self.first:
            print(json.dumps(plain(data)) if self.as_json else printable(text))

    @contextmanager
    def _bar(self, title: str, total: int | None) -> Iterator[Tick]:
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[count]} {task.fields[note]}", markup=False),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=self.console, transient=True, redirect_stdout=False) as bars:
            task = bars.add_task(title, total=total, count="", note="")
            yield lambda done, note: bars.update(task, completed=done, count=_count(done, total), note=one_line(note))

    @contextmanager
    def _lines(self, title: str, total: int | None) -> Iterator[Tick]:
        began = last = time.perf_counter()
        told = [(began, 0)]
        self.say(f"{title} ...")

        def tick(done: int, note: str) -> None:
            nonlocal last
            told.append((time.perf_counter(), done))
            if told[-1][0] - last >= (PAUSE if last > began else SOON):
                last = told[-1][0]
                left = "" if " left" in note else _left(total, told)
                self.say(f"{title}: {_count(done, total)} {note}{left}")

        yield tick
        self.say(f"{title}: done in {time.perf_counter() - began:.1f} s")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns of text.

    >>> print(table(["name", "MB"], [["a", 1], ["long", 20]]))
    name  MB
    a     1
    long  20
    """
    lines = [[one_line(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def complain(error: BaseException, name: str = "") -> str:
    """Say what went wrong, and with what, on standard error; returns the sentence."""
    words = sentence(error)
    name = "" if words.startswith(one_line(name)) else name
    if os.environ.get("ZPLUS_DEBUG"):
        print(printable("".join(traceback.format_exception(error))), file=sys.stderr)
    print(f"zplus: {one_line(name)}{': ' if name else ''}{words}", file=sys.stderr, flush=True)
    return words


def _count(done: int, total: int | None) -> str:
    return f"{done}/{total}" if total else str(done)


def _left(total: int | None, told: list[tuple[float, int]]) -> str:
    """The time left, from the median pace: the few steps that compile are a hundred times as long.

    >>> _left(10, [(0.0, 0), (60.0, 2), (61.0, 4), (62.0, 6)])
    ', 2 s left'
    """
    paces = [(b - a) / (done - before) for (a, before), (b, done) in itertools.pairwise(told) if done > before]
    return f", {statistics.median(paces) * (total - told[-1][1]):.0f} s left" if total and len(paces) >= 3 else ""
