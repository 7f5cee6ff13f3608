"""The directions that come with the package: what their cards must tell."""

import math

import pytest

from zplus.editing.builtin import builtin_directions
from zplus.perception.attributes import ATTRIBUTES

DIRECTIONS = {f"{one.card['model']}/{one.name}": one for one in builtin_directions()}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_card_tells_where_its_score_lies_over_the_prior_and_how_far_faces_hold(name):
    one = DIRECTIONS[name]
    assert math.isfinite(one.card["score_mean"]) and one.card["score_std"] > 0  # by which the demo chooses a way
    if one.card["attribute"] in ATTRIBUTES:
        low, high = one.range
        assert -3 <= low <= -1 and 1 <= high <= 3
        attribute = max(one.card["moves"], key=lambda score: abs(one.card["moves"][score]))
        assert attribute == one.card["attribute"]
