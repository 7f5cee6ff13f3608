"""From a photo to a crop, and what is said of one that reaches beyond the photo."""

import numpy as np
import pytest

from zplus.faces.align import crop, whole
from zplus.workflow.photo import crop_doubts, part_outside


def square(left, top, side):
    corners = [(left, top), (left, top + side), (left + side, top + side), (left + side, top)]
    return crop(np.zeros((100, 200, 3), np.uint8), np.array(corners, float), 32)


@pytest.mark.parametrize(
    ("left", "top", "side", "outside"),
    [(0, 0, 100, 0.0), (150, 0, 100, 0.5), (-50, -50, 100, 0.75), (40, 96, 64, 1 - 4 / 64), (300, 0, 100, 1.0)],
)
def test_the_part_outside_is_that_of_the_area(left, top, side, outside):
    assert part_outside(square(left, top, side)) == pytest.approx(outside, abs=0.01)


def test_a_turned_crop():
    quad = np.array([(100, -50), (0, 50), (100, 150), (200, 50)], float)  # its four corners reach out above and below
    aligned = crop(np.zeros((100, 200, 3), np.uint8), quad, 32)
    assert part_outside(aligned) == pytest.approx(0.25, abs=0.02)


def test_more_than_a_tenth_is_told():
    assert crop_doubts(square(195 - 100, 0, 100)) == [] and crop_doubts(square(109, 0, 100)) == []
    (line,) = crop_doubts(square(115, 0, 100))
    assert line.startswith("16% of the crop lies outside the photo")


def test_a_crop_without_alignment_lies_inside():
    assert crop_doubts(whole(np.zeros((50, 80, 3), np.uint8), 32)) == []
