"""Visitors are apart, bounded in number, and forgotten when they leave."""

import pytest

from zplus.errors import ZplusError
from zplus.studio import visitors as module
from zplus.studio.visitors import Visitors

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


@pytest.fixture
def visitors(tiny, _quick):
    return Visitors(files=[tiny])


def test_two_visitors_share_models_and_nothing_else(visitors):
    a, b = visitors.session(A), visitors.session(B)
    a.sample("tiny.safetensors", "z+", 1)
    assert b.opened is None and visitors.session(A) is a and a.models is b.models


def test_who_leaves_is_forgotten(visitors):
    a = visitors.session(A)
    a.sample("tiny.safetensors", "z+", 1)
    visitors.leave(A)
    assert len(visitors) == 0 and a.opened is None and a.entries == {}
    visitors.leave(B)


def test_there_are_never_too_many(visitors, monkeypatch):
    monkeypatch.setattr(module, "MAX_VISITORS", 2)
    a = visitors.session(A)
    visitors.session(B)
    visitors.session(A)
    visitors.session(C)  # b was away longest
    assert len(visitors) == 2 and visitors.session(A) is a


def test_a_page_that_is_silent_for_long_has_left(visitors, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    a, b = visitors.session(A), visitors.session(B)
    a.sample("tiny.safetensors", "z+", 1)
    now[0] = module.SILENT - 1
    visitors.heard(B)
    assert len(visitors) == 2
    now[0] = module.SILENT + 1
    visitors.heard(B)
    assert a.opened is None and visitors.session(B) is b and len(visitors) == 1
    visitors.heard(C)  # a sign of life alone opens nothing
    assert len(visitors) == 1


@pytest.mark.parametrize("key", ["", "a", "A" * 32, "a" * 33, "../" + "a" * 29, "a" * 31 + "\n"])
def test_an_id_is_as_the_page_makes_it(visitors, key):
    with pytest.raises(ZplusError, match="lost its name"):
        visitors.session(key)
    assert len(visitors) == 0
