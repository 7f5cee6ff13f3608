"""Paired comparisons: the interval of a mean difference, its size, its p value, and the correction for many of them.

A difference is one number a subject, positive where the first of two is better; subjects are what is drawn at random.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

MINIMUM = 8  # subjects: below, intervals from resampling are too short, and p hardly gets below .01
ALPHA = 0.05
RESAMPLES = 9999

Differences = Float[np.ndarray, " n"]


class Comparison(NamedTuple):
    """What differences of n subjects say; all but n are nan where n is below `MINIMUM`."""

    n: int
    mean: float = math.nan
    low: float = math.nan  # of the 95 % interval, or of one that is corrected
    high: float = math.nan
    dz: float = math.nan  # Cohen's: the mean in standard deviations of the differences
    better: float = math.nan  # share of subjects above 0, ties half
    p: float = math.nan


def student_interval(differences: Differences, level: float) -> tuple[float, float]:
    """The interval of the mean by Student's t; for levels near 1, where the ends of a bootstrap rest on few samples.

    >>> low, high = student_interval(np.array([1.0, 2.0, 3.0]), 0.95)
    >>> round(low, 2), round(high, 2)
    (-0.48, 4.48)
    """
    half = stats.t.ppf((1 + level) / 2, len(differences) - 1) * stats.sem(differences)
    return float(differences.mean() - half), float(differences.mean() + half)


def compare(differences: Differences, resamples: int | None = RESAMPLES, seed: int = 0) -> Comparison:
    """All figures of differences float64 [n], in the order of `Comparison`.

    The interval is of a bootstrap and p of random signs; without resamples both are Student's.
    """
    n = len(differences)
    if n < MINIMUM:
        return Comparison(n)
    dz, better = effect(differences)
    if resamples is None:
        low, high = student_interval(differences, 1 - ALPHA)
        p = float(stats.ttest_1samp(differences, 0).pvalue) if np.ptp(differences) else float(not differences[0])
    else:
        low, high = interval(differences, resamples, seed)
        p = sign_flip(differences, resamples, seed)
    return Comparison(n, float(differences.mean()), low, high, dz, better, p)


def interval(differences: Differences, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean (BCa; Efron 1987, section 2); by percentiles where BCa has none.

    Equal differences have an interval of no length.
    """
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    for method in ("BCa", "percentile"):
        random = np.random.default_rng(seed)
        found = stats.bootstrap(
            (differences,), np.mean, n_resamples=resamples, confidence_level=1 - ALPHA, method=method, rng=random
        ).confidence_interval
        if np.isfinite(found).all():
            break
    return float(found.low), float(found.high)


def effect(differences: Differences) -> tuple[float, float]:
    """Cohen's dz, and the share of subjects in which the first is better (ties count half).

    >>> effect(np.array([1.0, 2.0, 3.0]))
    (2.0, 1.0)
    """
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    dz = mean / spread if spread else math.copysign(math.inf, mean) if mean else 0.0
    return dz, float((np.sign(differences).mean() + 1) / 2)


def sign_flip(differences: Differences, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """The two-sided p value of the mean under random signs (Fisher 1935, section 21).

    Exact where there are at most `resamples` ways to give signs (13 subjects), else from random ones.
    """
    random = np.random.default_rng(seed)  # "samples" gives random signs where there is but one sample
    found = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=resamples, rng=random
    )
    return float(found.pvalue)


def holm(p: Float[np.ndarray, " m"]) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """P values corrected for their number by stepping down (Holm 1979), and by how many each was multiplied.

    nan stays nan and is not counted.

    >>> corrected, number = holm(np.array([0.01, 0.04, 0.03]))
    >>> corrected.tolist(), number.tolist()
    ([0.03, 0.06, 0.06], [3.0, 1.0, 2.0])
    """
    order = np.argsort(p)[: np.isfinite(p).sum()]
    corrected, number = np.full(len(p), np.nan), np.full(len(p), np.nan)
    number[order] = np.arange(len(order), 0, -1)
    corrected[order] = np.maximum.accumulate(p[order] * number[order]).clip(max=1)
    return corrected, number
