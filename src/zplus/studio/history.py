"""Undo and redo: states one after the other, of which a quick series counts as one."""

from typing import Generic, TypeVar

State = TypeVar("State")
SERIES = 1.5  # seconds: moves of one slider that follow each other within it are one step
LONGEST = 200


class History(Generic[State]):
    """States with one of them present."""

    def __init__(self, first: State):
        self._states, self._at = [first], 0
        self._cause, self._when = "", 0.0

    @property
    def now(self) -> State:
        """The present state."""
        return self._states[self._at]

    @property
    def can_undo(self) -> bool:
        """Whether there is a state before."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a state after."""
        return self._at < len(self._states) - 1

    def put(self, state: State, cause: str, when: float) -> None:
        """A new state, after which none can be redone; of the same cause soon after (seconds), it replaces the last."""
        if state == self.now:
            return
        series = self.can_undo and cause == self._cause and when - self._when < SERIES
        self._states[self._at + (not series) :] = [state]
        self._states = self._states[-LONGEST:]
        self._at, self._cause, self._when = len(self._states) - 1, cause, when

    def undo(self) -> State:
        """The state before, if there is one."""
        return self._go(self._at - self.can_undo)

    def redo(self) -> State:
        """The state after, if there is one."""
        return self._go(self._at + self.can_redo)

    def _go(self, at: int) -> State:
        self._at, self._cause = at, ""
        return self.now
