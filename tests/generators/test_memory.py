"""What is remembered of a generator is remembered once, and goes when it goes."""

import gc
import weakref

import pytest
import torch

from tiny import tiny_stylegan2
from zplus.generators import statistics
from zplus.generators.memory import kept
from zplus.generators.prior import feature_std


def test_a_result_is_computed_once_for_each_generator_and_argument():
    calls = []

    @kept
    def double(generator, number):
        calls.append((generator.name, number))
        return 2 * number

    one, other = tiny_stylegan2(0, 8), tiny_stylegan2(1, 8)
    for _ in range(2):
        assert [double(one, 3), double(one, 4), double(other, 3)] == [6, 8, 6]
    assert calls == [(one.name, 3), (one.name, 4), (other.name, 3)]


@pytest.mark.parametrize("ask", [kept(lambda generator: 7), statistics, lambda generator: feature_std(generator, 1)])
def test_a_generator_that_nobody_has_any_more_is_let_go(ask):
    generator = tiny_stylegan2(5, 8)
    ask(generator)
    there = weakref.ref(generator)
    assert there() is not None and torch.is_tensor(next(there().parameters()))
    del generator
    gc.collect()
    assert there() is None
