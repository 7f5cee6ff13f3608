"""Distances and ranks of descriptors."""

import numpy as np
import pytest

from zplus.perception.identity import distance, rank

GALLERY = np.random.default_rng(0).normal(size=(20, 128))


def test_distance_is_euclidean():
    assert distance(np.zeros(128), np.full(128, 0.5)) == pytest.approx((128 * 0.25) ** 0.5)
    assert np.isnan(distance(np.zeros(128), np.full(128, np.nan)))


def test_rank_is_the_place_in_the_sorted_gallery():
    query = np.random.default_rng(1).normal(size=128)
    order = np.argsort(np.linalg.norm(GALLERY - query, axis=1))
    assert [rank(query, GALLERY, int(k)) for k in order] == list(range(1, 21))
    assert rank(GALLERY[3] + 0.01, GALLERY, 3) == 1


def test_ties_and_missing_faces_count_against_it():
    twins = np.stack([GALLERY[0], GALLERY[0], GALLERY[1]])
    assert rank(GALLERY[0], twins, 0) == 2
    assert rank(np.full(128, np.nan), GALLERY, 0) == 20
    broken = GALLERY.copy()
    broken[5] = np.nan
    assert rank(GALLERY[3], broken, 3) == 2
