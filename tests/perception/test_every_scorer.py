"""One harness that every scorer of faces passes. A new scorer is one more row: its value on a photo, its tolerance."""

from functools import cache

import numpy as np
import pytest

from command_line import ASTRONAUT, needs_faces
from zplus.archives import folder
from zplus.images import read_image
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.weights import AGE_GENDER, EMOTION

pytestmark = [
    needs_faces,
    pytest.mark.skipif(folder(AGE_GENDER) is None or folder(EMOTION) is None, reason="run 'zplus pull all' first"),
]

# A smiling woman who looks to the front. The tolerances leave room for other versions of the libraries.
ON_ASTRONAUT = {
    "smile_network": (8.29, 0.5),
    "smile_geometry": (1.228, 0.02),
    "age": (28.6, 1.0),
    "age_identity": (50.0, 2.0),
    "gender": (-5.41, 0.5),
    "yaw": (2.4, 1.0),
    "yaw_five": (1.7, 1.0),
    "pitch": (-1.0, 1.0),
    "mouth_open": (0.154, 0.02),
    "eye_open": (0.330, 0.02),
}
parametrized = pytest.mark.parametrize("name", ATTRIBUTES)


@cache
def scorers() -> Scorers:
    return Scorers()


@cache
def photos() -> list[np.ndarray]:
    """A face, its mirror image, noise, and a picture too small to look at."""
    face = read_image(ASTRONAUT)
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    return [face, np.ascontiguousarray(face[:, ::-1]), noise, np.zeros((8, 8, 3), np.uint8)]


@cache
def together() -> dict[str, np.ndarray]:
    """All scores of all photos, measured in one call for each."""
    rows = [scorers().measure(photo, ATTRIBUTES) for photo in photos()]
    return {name: np.array([row[name] for row in rows]) for name in ATTRIBUTES}


def test_every_scorer_has_a_row():
    assert list(ON_ASTRONAUT) == list(ATTRIBUTES)


@parametrized
def test_a_scorer_says_what_it_measures(name):
    scorer = ATTRIBUTES[name]
    assert scorer.name == name and scorer.measures and scorer.unit and scorer.source and scorer.note


@parametrized
def test_a_face_gives_its_number(name):
    value, tolerance = ON_ASTRONAUT[name]
    assert together()[name][0] == pytest.approx(value, abs=tolerance)
    assert np.isfinite(together()[name][1])


@parametrized
def test_no_face_gives_nan(name):
    assert np.isnan(together()[name][2:]).all()


@parametrized
def test_the_same_photo_gives_the_same_number_whatever_is_measured_beside_it(name):
    alone = [scorers().measure(photo, [name]) for photo in photos()]
    assert all(list(row) == [name] for row in alone)
    np.testing.assert_array_equal([row[name] for row in alone], together()[name])
