"""What the page is told of sliders and presets."""

import pytest
import torch

from zplus.direction import Direction
from zplus.studio.presets import presets
from zplus.studio.sliders import described, held, limits


def direction(name="a", **card) -> Direction:
    return Direction(name, "w", torch.ones(1, 4), "abc", card)


@pytest.mark.parametrize(
    ("told", "strength", "ends"),
    [
        (None, 0.0, (-3, 3)),
        ([-1.5, 1], 0.0, (-2.5, 2.5)),
        ([-3, 3], 0.0, (-3, 3)),
        ([-1, 1], 4.2, (-5, 5)),
        ([5, 1], -3.5, (-4, 4)),
    ],
)
def test_a_slider_ends_one_beyond_where_faces_held_with_0_in_its_middle(told, strength, ends):
    assert limits(direction(**({} if told is None else {"range": told})), strength) == ends


def test_where_faces_held_is_of_the_card():
    assert held(direction(range=[-1.0, 2.0])) == (-1.0, 2.0)
    assert held(direction()) == (-1.5, 1.5) == held(direction(range="wide"))


def test_words_and_group():
    told = described(direction("yaw", range=[-1.0, 1.0]), 0.0, [])
    assert (told["title"], told["group"], told["less"]) == ("Turn head", "Head", "turned to the left")
    assert described(direction("long_hair"), 0.0, ["x", "y"])["title"] == "Long hair"


def test_ten_years_are_ten_years_of_the_card():
    found = {x["title"]: x["strengths"] for x in presets([direction("smile"), direction("age", score_std=20.0)])}
    assert found == {"Smile": {0: 1.5}, "10 years younger": {1: -0.5}, "10 years older": {1: 0.5}}
    assert presets([direction("age")]) == [] == presets([direction("long_hair")])
