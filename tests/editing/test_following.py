"""Points on feature maps: patches that were moved are found, and the loss pulls the right way."""

import pytest
import torch
from torch.nn import functional as F

from points import normal
from zplus.editing.following import Followed, disc, motion_loss, read_at, track

SIDE = 32


def smooth_map(seed=0):
    """Features of their own at every place, [1, 8, 32, 32]."""
    return F.interpolate(normal(1, 8, 8, 8, seed=seed), (SIDE, SIDE), mode="bicubic")


def shifted(features, x, y):
    """The map with all that is on it moved by x and y cells, to the right and down."""
    centres = torch.arange(SIDE) + 0.5
    grid = torch.stack(torch.meshgrid(centres - x, centres - y, indexing="xy"), -1)[None] * (2 / SIDE) - 1
    return F.grid_sample(features, grid, padding_mode="border", align_corners=False)


def test_a_place_is_read_between_the_cells():
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    places = torch.tensor([[0.5, 1.0], [2.0, 3.5], [2.25, 0.5], [9.0, 0.0]])
    assert read_at(ramp, places)[:, 0].tolist() == [0.0, 1.5, 1.75, 3.0]
    assert read_at(ramp.mT, places.flip(1))[:, 0].tolist() == [0.0, 1.5, 1.75, 3.0]


@pytest.mark.parametrize("moved", [(0, 0), (2, -1), (-1.5, 0.75)])
def test_a_patch_that_moved_is_found(moved):
    first = smooth_map()
    handles = torch.tensor([[10.25, 12.5], [20.5, 9.75]])
    found = track(shifted(first, *moved), read_at(first, handles), handles, 3.0)
    assert torch.allclose(found, handles + torch.tensor(moved), atol=0.26)


def test_a_patch_is_looked_for_near_by_alone():
    first = smooth_map()
    handles = torch.tensor([[10.5, 12.5]])
    found = track(shifted(first, 5, 0), read_at(first, handles), handles, 2.0)
    assert (found - handles).abs().max() <= 2


def test_of_equal_features_the_nearest_is_taken():
    handles = torch.tensor([[10.5, 12.5]])
    assert torch.equal(track(torch.ones(1, 8, SIDE, SIDE), torch.ones(1, 8), handles, 2.0), handles)


@pytest.mark.parametrize("way", [(4.0, 0.0), (0.0, -3.0), (2.0, 2.0)])
def test_the_loss_pulls_a_patch_towards_its_target(way):
    """The map moves by a known shift that depends on a number; descent finds the shift's sign and direction."""
    first = smooth_map()
    handles = torch.tensor([[15.5, 16.5]])
    shift = torch.zeros(2, requires_grad=True)
    centres = torch.arange(SIDE) + 0.5
    grid = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1)[None] - shift
    map_ = F.grid_sample(first, grid * (2 / SIDE) - 1, padding_mode="border", align_corners=False)
    motion_loss(map_, handles, handles + torch.tensor(way), 4.0).backward()
    assert torch.cosine_similarity(-shift.grad, torch.tensor(way), dim=0) > 0.8


def test_the_pull_ends_at_the_target():
    first, handles = smooth_map(), torch.tensor([[15.5, 16.5]])
    losses = [float(motion_loss(first, handles, handles + torch.tensor([x, 0.0]), 3.0)) for x in (0.0, 0.5, 1.0, 5.0)]
    assert losses[0] == 0 < losses[1] < losses[2] == losses[3]


def test_a_disc_of_cells():
    assert disc(1.0).tolist() == [[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]]
    assert len(disc(2.0)) == 13 and len(disc(0.9)) == 1


def test_points_that_are_followed():
    first, handles = smooth_map(), torch.tensor([[10.5, 12.5], [20.5, 9.5]])
    points = Followed(first, handles, handles + torch.tensor([3.0, 4.0]), 2.0, 3.0)
    assert points.distances.tolist() == [5.0, 5.0]
    points.follow(shifted(first, 1, 2))
    assert torch.allclose(points.handles, handles + torch.tensor([1.0, 2.0]), atol=0.26)
    assert points.loss(first) == motion_loss(first, points.handles, points.targets, 2.0) > 0
