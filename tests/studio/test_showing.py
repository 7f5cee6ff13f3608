"""What the page shows, where no page is needed to see it."""

import pytest
import torch

from zplus.direction import Direction
from zplus.studio.showing import _ends


@pytest.mark.parametrize(
    ("told", "strength", "ends"),
    [
        (None, 0.0, (-3, 3)),
        ([-1.5, 1], 0.0, (-2.5, 2)),
        ([-3, 3], 0.0, (-3, 3)),
        ([-1, 1], 4.2, (-2, 5)),
        ([5, 1], -3.5, (-4, 3)),
    ],
)
def test_a_slider_ends_one_beyond_where_faces_held(told, strength, ends):
    card = {} if told is None else {"range": told}
    assert _ends(Direction("a", "w", torch.ones(1, 4), "abc", card), strength) == ends
