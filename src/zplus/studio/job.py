"""Work of some length in a thread of its own: its progress seen from outside, and a way to stop it."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any, Literal

from torch import Tensor

from zplus.editing import Dragged
from zplus.inversion import Progress
from zplus.workflow.callbacks import Callbacks, Tick

PACES = 20  # last steps that the time left is estimated from
SURE_AFTER = 5  # steps; the first ones may compile for a minute
REDRAWN = 0.5  # seconds between two pictures of a drag, which have to be rendered

Kind = Literal["invert", "compare", "drag"]


@dataclass(frozen=True)
class Seen:
    """What can be said of a job at a moment.

    Attributes:
        stage: What is being done, in words.
        note: Why it may take longer than usual, in words, or "".
        step: How many steps are done; 0 before the first.
        steps: How many there are; 0 where nobody knows.
        seconds_left: None as long as it is unknown.
        image: [3, R, R] in [-1, 1], the picture so far.
        handles: x and y in pixels of the crop of the points that are dragged.
    """

    stage: str
    note: str = ""
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    image: Tensor | None = None
    handles: tuple[tuple[float, float], ...] = ()


class Cancelled(Exception):
    """The work was cancelled, and nothing of it is wanted."""


class Job:
    """Runs `work(job)` in a thread; the work names its stages, gives its steps to `step` and may be stopped there.

    Attributes:
        kind: What it does.
        entry: The number of the entry that it works on at present.
        count: Which of several photos that is, in words, or "".
        stopped: How it was told to end: "keep" what there is, or "drop" it; "" if it was not.
        result: What the work returned.
        error: What the work raised.
    """

    def __init__(self, kind: Kind, entry: int, work: Callable[["Job"], Any]):
        self.kind, self.entry, self.count, self.seen = kind, entry, "", Seen("Getting ready")
        self.stopped: Literal["", "keep", "drop"] = ""
        self.result: Any = None
        self.error: BaseException | None = None
        self._began = self._last = time.perf_counter()
        self._paces: list[float] = []
        self._drawn = 0.0
        self._thread = Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._began

    def stop(self, how: Literal["keep", "drop"]) -> None:
        """End at the next step."""
        self.stopped = how

    def check(self) -> None:
        """Raise Cancelled where nothing of the work is wanted any more."""
        if self.stopped == "drop":
            raise Cancelled

    def waits(self, before: int) -> None:
        """Say how many others have the machine first. Raises Cancelled when told to stop meanwhile, however."""
        if self.stopped:
            raise Cancelled
        others = "another job" if before == 1 else f"{before} other jobs"
        self.seen = Seen(f"Waiting for {others} on this machine")

    def stage(self, name: str, note: str = "", steps: int = 0) -> None:
        """A new part of the work begins. Raises Cancelled."""
        self.check()
        self.seen, self._paces, self._last = Seen(name, note, 0, steps), [], time.perf_counter()

    def step(self, progress: Progress) -> bool:
        """The callback of an inversion: True ends it here."""
        self._advance(progress.step, progress.steps, image=progress.image[0].detach())
        return self.stopped == "keep"

    def dragged(self, seen: Dragged) -> bool:
        """The callback of a drag: True ends it here."""
        changes: dict[str, Any] = {"handles": tuple((float(x), float(y)) for x, y in seen.handles.tolist())}
        if time.perf_counter() - self._drawn > REDRAWN:
            changes["image"], self._drawn = seen.picture()[0].cpu(), time.perf_counter()
        self._advance(seen.step, seen.steps, **changes)
        return self.stopped == "keep"

    def _advance(self, step: int, steps: int, **changes: Any) -> None:
        self.check()
        now = time.perf_counter()
        self._paces, self._last = [*self._paces[-PACES:], now - self._last], now
        left = statistics.median(self._paces) * (steps - step) if len(self._paces) >= SURE_AFTER else None
        self.seen = replace(self.seen, note="", step=step, steps=steps, seconds_left=left, **changes)

    @property
    def callbacks(self) -> Callbacks:
        """What a workflow calls, so that its steps are seen here and it can be stopped."""
        return Callbacks(stage=self._opened, step=self.step)

    @contextmanager
    def _opened(self, name: str, total: int | None = None) -> Iterator[Tick]:
        self.stage(name, self.seen.note, total or 0)
        yield lambda done, note: None

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it ends, at most so long."""
        self._thread.join(seconds)

    def _run(self, work: Callable[["Job"], Any]) -> None:
        try:
            self.result = work(self)
        except Cancelled:
            self.stopped = "drop"
        except BaseException as error:
            self.error = error
