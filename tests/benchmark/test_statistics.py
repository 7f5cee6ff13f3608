import math

import numpy as np
import pytest

from zplus.benchmark.statistics import MINIMUM, compare, effect, holm, interval, sign_flip, student_interval


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    hits, runs = 0, 300
    for _ in range(runs):
        low, high = interval(random.exponential(1.0, 40) - 0.4, resamples=999)  # skewed, with mean 0.6
        hits += low <= 0.6 <= high
    assert 0.90 <= hits / runs <= 0.98


def test_the_interval_of_a_mean_is_about_that_of_theory():
    values = np.random.default_rng(1).normal(0.3, 1.0, 400)
    low, high = interval(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.01)
    assert high == pytest.approx(values.mean() + half, abs=0.01)


def test_p_is_exact_where_there_are_few():
    assert sign_flip(np.arange(1.0, 9.0)) == 2 / 2**8  # no other signs are as far out
    assert sign_flip(np.array([3.0, -1.0, 1.0, 1.0])) == 8 / 16  # sums of 4 or more: 4 of 16


def test_p_is_uniform_without_effect():
    random = np.random.default_rng(2)
    p = np.array([sign_flip(random.normal(size=10)) for _ in range(200)])
    for level in (0.05, 0.5):
        assert abs((p <= level).mean() - level) <= 3 * math.sqrt(level * (1 - level) / 200)


def test_holm_by_hand():
    found, number = holm(np.array([0.01, 0.04, math.nan, 0.03, 0.005]))
    assert found[[0, 1, 3, 4]] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert number[[0, 1, 3, 4]].tolist() == [3, 1, 2, 4]
    assert math.isnan(found[2]) and math.isnan(number[2])
    assert holm(np.array([0.5, 0.9]))[0].tolist() == [1.0, 1.0]
    assert not len(holm(np.empty(0))[0])


def test_students_interval_is_that_of_the_bootstrap_and_wider_at_a_corrected_level():
    values = np.random.default_rng(4).normal(0.3, 1.0, 100)
    assert student_interval(values, 0.95) == pytest.approx(interval(values), abs=0.02)
    low, high = student_interval(values, 1 - 0.05 / 50)
    assert (high - low) / np.ptp(student_interval(values, 0.95)) == pytest.approx(3.39 / 1.98, abs=0.02)


def test_effect_sizes():
    assert effect(np.array([1.0, 2.0, 3.0])) == (2.0, 1.0)
    assert effect(np.zeros(9)) == (0.0, 0.5)
    assert effect(np.ones(9)) == (math.inf, 1.0)


def test_equal_differences_have_a_point_for_an_interval():
    found = compare(np.full(MINIMUM, 0.5))
    assert (found.low, found.high, found.p) == (0.5, 0.5, 2 / 2**MINIMUM)
    none = compare(np.zeros(20))
    assert (none.low, none.high, none.p) == (0.0, 0.0, 1.0)


def test_too_few_are_not_computed():
    found = compare(np.ones(MINIMUM - 1))
    assert found.n == MINIMUM - 1
    assert all(math.isnan(value) for value in found[1:])


def test_the_same_differences_give_the_same_figures():
    values = np.random.default_rng(3).normal(size=30)
    assert compare(values) == compare(values)
