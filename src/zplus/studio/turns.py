"""One heavy job at a time on this machine, in the order in which they were asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

LOOK = 0.2  # seconds between two looks at whether the one who waits still wants to


class Turns:
    """A queue of those who want the machine for themselves; the first one has it."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._queue: list[object] = []

    @contextmanager
    def turn(self, waits: Callable[[int], None]) -> Iterator[None]:
        """Wait for the machine, and have it while the block runs.

        Args:
            waits: Called several times a second while others are before it, with their number. What it raises gives
                the place up.
        """
        place = object()
        with self._changed:
            self._queue.append(place)
        try:
            with self._changed:
                while before := self._queue.index(place):
                    waits(before)
                    self._changed.wait(LOOK)
            yield
        finally:
            with self._changed:
                self._queue.remove(place)
                self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._queue)
