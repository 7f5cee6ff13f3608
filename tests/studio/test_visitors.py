"""Visitors are apart, bounded in number, and forgotten when they leave; so are their files."""

import pytest

from zplus.studio import visitors as module
from zplus.studio.parcels import KEPT, Parcels
from zplus.studio.visitors import Visitors


@pytest.fixture
def visitors(tiny, _quick):
    return Visitors(files=[tiny])


def test_two_visitors_share_models_and_nothing_else(visitors):
    a, b = visitors.session("a"), visitors.session("b")
    a.sample("tiny.safetensors", "z+", 1)
    assert b.opened is None and visitors.session("a") is a and a.models is b.models


def test_who_leaves_is_forgotten(visitors):
    a = visitors.session("a")
    a.sample("tiny.safetensors", "z+", 1)
    mine, other = (visitors.parcels.put(b"x", "x", owner) for owner in "ab")
    visitors.leave("a")
    assert len(visitors) == 0 and a.opened is None
    assert visitors.parcels.get(mine) is None and visitors.parcels.get(other) is not None
    visitors.leave("nobody")


def test_there_are_never_too_many(visitors, monkeypatch):
    monkeypatch.setattr(module, "MAX_VISITORS", 2)
    a = visitors.session("a")
    visitors.session("b")
    visitors.session("a")
    visitors.session("c")  # b was away longest
    assert len(visitors) == 2 and visitors.session("a") is a


def test_files_have_ids_that_nobody_guesses():
    parcels = Parcels()
    keys = {parcels.put(b"x", "x", "a") for _ in range(3)}
    assert len(keys) == 3 and all(len(key) == 32 and int(key, 16) >= 0 for key in keys)
    assert parcels.get("x") is None and parcels.get("") is None


def test_an_owner_has_few_files_waiting():
    parcels = Parcels()
    other = parcels.put(b"b", "b", "b")
    keys = [parcels.put(bytes([i]), "a", "a") for i in range(KEPT + 2)]
    assert [parcels.get(key) is not None for key in keys] == [False] * 2 + [True] * KEPT
    assert parcels.take(other).content == b"b" and parcels.take(other) is None
