"""An inversion in a thread of its own: its progress seen from outside, and a way to stop it."""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any, Literal

from torch import Tensor

from zplus.inversion import Progress
from zplus.workflow.callbacks import Callbacks, Tick

PACES = 20  # last steps that the time left is estimated from
SURE_AFTER = 5  # steps; the first ones may compile for a minute


@dataclass(frozen=True)
class Seen:
    """What can be said at a moment; a step of 0 is before the first one, seconds_left None as long as it is unknown."""

    stage: str
    step: int = 0
    steps: int = 0
    loss: float = math.nan
    seconds_left: float | None = None
    image: Tensor | None = None  # [3, R, R] in [-1, 1]


class Cancelled(Exception):
    """The work was cancelled, and nothing of it is wanted."""


class Job:
    """Runs `work(job)` in a thread; the work names its stages, gives its steps to `step` and may be stopped there."""

    def __init__(self, work: Callable[["Job"], Any]):
        self.seen = Seen("Beginning")
        self.stopped: Literal["", "keep", "drop"] = ""
        self.result: Any = None
        self._error: BaseException | None = None
        self._paces: list[float] = []
        self._last = time.perf_counter()
        self._thread = Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def stop(self, how: Literal["keep", "drop"]) -> None:
        """End at the next step; "keep" what there is, or "drop" it."""
        self.stopped = how

    def check(self) -> None:
        """Raise Cancelled where nothing of the work is wanted any more."""
        if self.stopped == "drop":
            raise Cancelled

    def stage(self, name: str) -> None:
        """A new part of the work begins."""
        self.check()
        self.seen, self._paces, self._last = Seen(name), [], time.perf_counter()

    def step(self, progress: Progress) -> bool:
        """The callback of an inversion: True ends it here."""
        self.check()
        now = time.perf_counter()
        self._paces = [*self._paces[-PACES:], now - self._last]
        self._last = now
        left = statistics.median(self._paces) * (progress.steps - progress.step)
        known = left if len(self._paces) >= SURE_AFTER else None
        loss, image = float(progress.loss.mean()), progress.image[0].detach()
        self.seen = Seen(self.seen.stage, progress.step, progress.steps, loss, known, image)
        return self.stopped == "keep"

    @property
    def callbacks(self) -> Callbacks:
        """What a workflow calls, so that its stages and steps are seen here and it can be stopped."""
        return Callbacks(stage=self._opened, step=self.step)

    @contextmanager
    def _opened(self, name: str, total: int | None = None) -> Iterator[Tick]:
        self.stage(name)
        yield lambda done, note: None

    def wait_for(self, ready: Callable[[], bool], pause: float = 0.2) -> None:
        """Wait until something outside is ready; raises Cancelled when told to stop meanwhile, however that was."""
        while not ready():
            if self.stopped:
                raise Cancelled
            time.sleep(pause)

    def watch(self, pause: float = 0.4) -> Iterator[Seen]:
        """What is seen, every `pause` seconds until it ends. Raises what the work raised, but for Cancelled."""
        while self.running:
            yield self.seen
            self._thread.join(pause)
        if self._error is not None and not isinstance(self._error, Cancelled):
            raise self._error

    def _run(self, work: Callable[["Job"], Any]) -> None:
        try:
            self.result = work(self)
        except BaseException as error:
            self._error = error
