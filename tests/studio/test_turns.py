"""The queue for the machine: one at a time, in the order of coming; who gives up leaves it."""

from threading import Event, Thread

import pytest

from studio_program import until
from zplus.studio.turns import Turns


class Waiter(Thread):
    """Waits for its turn, and has it until `leave` is set; `places` holds the places that it was told."""

    def __init__(self, turns, order, name, gives_up_at=None):
        super().__init__(daemon=True)
        self.turns, self.order, self.title, self.gives_up_at = turns, order, name, gives_up_at
        self.places, self.leave, self.gave_up = [], Event(), False
        self.start()

    def run(self):
        def waits(before):
            self.places.append(before)
            if before == self.gives_up_at:
                raise InterruptedError

        try:
            with self.turns.turn(waits):
                self.order.append(self.title)
                assert self.leave.wait(10)
        except InterruptedError:
            self.gave_up = True


def test_they_come_in_order_and_know_their_place():
    turns, order, waiters = Turns(), [], []
    for name in "abc":
        waiters.append(Waiter(turns, order, name))
        until(lambda: len(turns) == len(waiters))
    until(lambda: waiters[1].places and waiters[2].places)
    assert order == ["a"] and waiters[1].places[0] == 1 and waiters[2].places[0] == 2
    waiters[0].leave.set()
    until(lambda: waiters[2].places[-1] == 1)
    for waiter in waiters:
        waiter.leave.set()
        waiter.join(5)
    assert order == ["a", "b", "c"] and len(turns) == 0


def test_who_gives_up_holds_nobody_up():
    turns, order = Turns(), []
    first = Waiter(turns, order, "first")
    until(lambda: order)
    second = Waiter(turns, order, "second", gives_up_at=1)
    until(lambda: second.gave_up)
    third = Waiter(turns, order, "third")
    until(lambda: third.places)
    assert third.places[0] == 1
    for waiter in (first, third):
        waiter.leave.set()
        waiter.join(5)
    assert order == ["first", "third"]


def test_an_error_gives_the_machine_back():
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn(lambda before: None):
        raise ZeroDivisionError
    assert len(turns) == 0
