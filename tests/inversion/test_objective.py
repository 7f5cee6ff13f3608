"""The objective: each weight counts its own term once, against the terms computed alone."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from command_line import ASTRONAUT, needs_faces
from points import generator_of, normal, photos_of, point_of
from zplus.execution import EAGER
from zplus.faces.align import align
from zplus.faces.detector import FaceDetector
from zplus.generators import State
from zplus.images import read_image, to_tensor
from zplus.inversion import Settings
from zplus.inversion.objective import Distance, penalties
from zplus.perception.differentiable import Unlikeness
from zplus.perception.lpips import at
from zplus.spaces import make_space
from zplus.spaces.penalties import consensus, delta_norm, feature_consistency, p_norm

PENALTIES = {"consensus_weight": consensus, "p_norm_weight": p_norm, "delta_weight": delta_norm}
SILENT = Settings(
    mse_weight=0.0, feature_mse_weight=0.0, lpips_weight=0.0, consistency_weight=0.0, lpips_size=32,
    **dict.fromkeys(PENALTIES, 0.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def space():
    return make_space("f/w+", generator_of("skip"))


@pytest.fixture(scope="module")
def photos(space):
    return photos_of(space.generator)


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
def test_the_weights_of_the_distance(weight, photos, lpips):
    image = photos + 0.3 * normal(*photos.shape)
    mse = torch.from_numpy(((image - photos).double().numpy() ** 2).mean((1, 2, 3))).float()
    perceptual = lpips.distance(lpips.features(image), lpips.features(photos))
    assert min(mse.min(), perceptual.min()) > 0.01
    of_mse = Distance(photos, lpips, replace(SILENT, mse_weight=weight), EAGER)
    assert_close(of_mse(image), weight * mse)
    of_lpips = Distance(photos, lpips, replace(SILENT, mse_weight=5.0, lpips_weight=weight), EAGER)
    assert_close(of_lpips(image, 0.0), weight * perceptual)
    assert_close(of_lpips(image, 2.0), 2 * mse + weight * perceptual)


@needs_faces
def test_the_weight_of_identity(lpips):
    photo = at(to_tensor(align(read_image(ASTRONAUT), FaceDetector()).pixels), 256)
    image = photo.flip(3)
    expected = 0.5 * Unlikeness(photo)(image)
    assert_close(Distance(photo, lpips, replace(SILENT, identity_weight=0.5), EAGER)(image), expected)
    assert expected > 0.01


@pytest.mark.parametrize("name", PENALTIES)
def test_the_weights_of_the_penalties(name, space):
    point = point_of(space)
    assert not penalties(space, point.code, point.state, space.head(point.code), SILENT).any()
    alone = PENALTIES[name](space, point.code)
    assert (alone > 0.01).all()
    found = penalties(space, point.code, point.state, None, replace(SILENT, **{name: 0.25}))
    assert_close(found, 0.25 * alone)


def test_consistency_draws_f_and_what_it_is_held_to_towards_each_other(space):
    """Its gradients are opposite: the code goes where F is, as F goes where the code is."""
    point, settings = point_of(space), replace(SILENT, consistency_weight=1.15)
    free, head = (x.detach().requires_grad_() for x in (point.state.features, space.head(point.code).features))
    found = penalties(space, point.code, State(free), State(head), settings)
    assert_close(found, 1.15 * feature_consistency(space, State(free), State(head)))
    found.sum().backward()
    assert_close(head.grad, -free.grad)
    assert free.grad.abs().max() > 0
