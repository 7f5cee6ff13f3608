"""Undo and redo."""

from zplus.studio import history as module
from zplus.studio.history import History


def test_there_and_back():
    history = History("a")
    history.put("b", "x")
    history.put("c", "y")
    assert [history.undo(), history.undo(), history.undo()] == ["b", "a", "a"] and not history.can_undo
    assert [history.redo(), history.redo(), history.redo()] == ["b", "c", "c"] and not history.can_redo


def test_one_gesture_is_one_step_however_slow():
    history = History(0)
    for i in range(1, 10):
        history.put(i, "first drag")
    history.put(99, "second drag")
    assert [history.undo(), history.undo()] == [9, 0]


def test_what_has_no_gesture_is_a_step_by_itself():
    history = History(0)
    for i in range(1, 4):
        history.put(i)
    assert [history.undo(), history.undo(), history.undo()] == [2, 1, 0]


def test_another_way_forgets_what_could_be_redone():
    history = History("a")
    history.put("b", "x")
    history.undo()
    history.put("c", "x")  # not one step with what was undone
    assert not history.can_redo and history.undo() == "a"


def test_the_same_again_is_nothing():
    history = History("a")
    history.put("a", "x")
    assert not history.can_undo


def test_it_does_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 5)
    history = History(0)
    for i in range(1, 20):
        history.put(i, str(i))
    assert [history.undo() for _ in range(6)] == [18, 17, 16, 15, 15, 15]
