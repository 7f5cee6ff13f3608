"""Feature maps that follow an edit, on motions that are known."""

import torch
from torch.testing import assert_close

from points import generator_of
from zplus.editing.warping import UNEXPLAINED, motion, moved_detail, with_code
from zplus.generators import State
from zplus.latent import Point
from zplus.spaces import make_space

SIDE = 24
INSIDE = slice(8, 16)  # cells that neither the border nor the reach of the search touches


def field(seed: int) -> torch.Tensor:
    """A smooth random map [2,32,SIDE,SIDE], so that a cell resembles its neighbours as features do."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(2, 32, SIDE // 2, SIDE // 2, generator=random)
    return torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic")


def test_no_change_is_no_motion_at_all():
    before = field(0)
    assert motion(before, before.clone()).abs().max() == 0


def test_a_shift_is_found_row_by_row():
    before = field(1)
    after = torch.stack([before[0].roll(2, dims=2), before[1].roll(-3, dims=1)])  # to the right; upwards
    flow = motion(before, after)[..., INSIDE, INSIDE]
    assert_close(flow.mean((2, 3)), torch.tensor([[-2.0, 0.0], [0.0, 3.0]]), atol=0.1, rtol=0)


def test_small_changes_make_small_motions():
    before, other = field(2), field(3)
    far, near = (motion(before, before + amount * other).abs().max() for amount in (1e-2, 1e-4))
    assert near < far / 50


def test_detail_travels_with_the_flow():
    before, detail = field(4), field(5)
    after = before.roll(2, dims=3)
    flow = torch.zeros(2, 2, SIDE, SIDE)
    flow[:, 0] = -2.0
    moved = moved_detail(detail, before, after, flow)
    assert_close(moved[..., 4:], detail.roll(2, dims=3)[..., 4:], atol=1e-4, rtol=1e-4)


def test_detail_fades_where_no_motion_explains_the_change():
    """A head that changes by `ratio` times the detail, in mean square, keeps 1/(1 + (ratio/UNEXPLAINED)^2) of it."""
    before, detail, still = field(6), torch.ones(2, 32, SIDE, SIDE), torch.zeros(2, 2, SIDE, SIDE)
    for ratio in (0.0, 0.25, UNEXPLAINED, 100.0):
        kept = moved_detail(detail, before, before + ratio**0.5, still)
        assert_close(kept, detail / (1 + (ratio / UNEXPLAINED) ** 2), atol=1e-4, rtol=1e-4)


def test_where_there_is_no_detail_none_appears():
    nothing, still = torch.zeros(2, 32, SIDE, SIDE), torch.zeros(2, 2, SIDE, SIDE)
    assert torch.equal(moved_detail(nothing, field(7), field(8), still), nothing)


def test_a_large_map_moves_as_its_reduction_does_in_little_time():
    before = torch.nn.functional.interpolate(field(6), 192, mode="bicubic")
    flow = motion(before, before.roll(24, dims=3))
    assert flow.shape == (2, 2, 192, 192)
    assert_close(flow[..., 64:128, 64:128].mean((2, 3)), torch.tensor([[-24.0, 0.0]] * 2), atol=2.4, rtol=0)
    assert motion(before, before.clone()).abs().max() == 0


def test_of_two_motions_that_explain_a_pattern_the_nearer_is_found():
    """Stripes that repeat after 8 cells and moved by 2 to the right may as well have moved by 6 to the left."""
    random = torch.Generator().manual_seed(9)
    stripes = torch.randn(2, 32, 1, 8, generator=random).repeat(1, 1, 48, 6)
    flow = motion(stripes, stripes.roll(2, dims=3))[..., 16:32, 16:32]
    assert_close(flow.mean((2, 3)), torch.tensor([[-2.0, 0.0]] * 2), atol=0.4, rtol=0)


def test_the_detail_of_a_point_goes_where_its_head_goes(monkeypatch):
    """A head that moves by 2 to the right takes the detail with it; "added" and "fixed" leave it where it was."""
    space = make_space("f/w+", generator_of("skip"))
    code, before, detail = space.sample(2), field(1), field(5)
    after = before.roll(2, dims=3)
    monkeypatch.setattr(space, "head", lambda _: State(after))
    point = Point(code, State(before + detail))
    found = {
        feature: with_code(space, point, code + 1, feature, State(before)).state.features
        for feature in ("moved", "added", "fixed")
    }
    moved = (found["moved"] - after)[..., INSIDE, INSIDE]
    away = {shift: (moved - detail.roll(shift, dims=3)[..., INSIDE, INSIDE]).square().mean() for shift in (2, 0, -2)}
    assert away[2] < 0.05 * min(away[0], away[-2])
    assert_close(found["added"], after + detail)
    assert torch.equal(found["fixed"], before + detail)
