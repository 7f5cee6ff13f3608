"""Undo and redo: states one after the other, of which those of one gesture count as one."""

from typing import Generic, TypeVar

State = TypeVar("State")
LONGEST = 200


class History(Generic[State]):
    """States with one of them present."""

    def __init__(self, first: State):
        self._states, self._at, self._gesture = [first], 0, ""

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

    def put(self, state: State, gesture: str = "") -> None:
        """Add a state, after which none can be redone.

        Args:
            state: It replaces the last one if that came of the same gesture.
            gesture: What it came of: a drag of a slider from press to release has one name. "" is one by itself.
        """
        if state == self.now:
            return
        same = self.can_undo and gesture != "" and gesture == self._gesture
        self._states[self._at + (not same) :] = [state]
        self._states = self._states[-LONGEST:]
        self._at, self._gesture = len(self._states) - 1, gesture

    def undo(self) -> State:
        """The state before, if there is one."""
        return self._go(self._at - self.can_undo)

    def redo(self) -> State:
        """The state after, if there is one."""
        return self._go(self._at + self.can_redo)

    def _go(self, at: int) -> State:
        self._at, self._gesture = at, ""
        return self.now
