"""Augmentation: shapes, no change at strength 0, gradients, and what each change does."""

import pytest
import torch

from zplus.training import augment as changes

ALL = ("augment", "brightness", "saturation", "contrast", "translation", "cutout")


def images(n=6, side=16):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def changed(name, x, seed=0, **how):
    return getattr(changes, name)(x, torch.Generator().manual_seed(seed), **how)


@pytest.mark.parametrize("name", ALL)
def test_strength_0_changes_nothing(name):
    assert torch.equal(changed(name, images(), strength=0.0), images())


@pytest.mark.parametrize("name", ALL)
def test_every_row_has_its_own_change_that_the_seed_fixes(name):
    same = images(1).expand(8, -1, -1, -1)
    out = changed(name, same)
    assert out.shape == same.shape
    assert torch.equal(out, changed(name, same))
    assert len({tuple(row.flatten().tolist()) for row in out}) > 4


@pytest.mark.parametrize("name", ALL)
def test_gradients_are_those_of_finite_differences(name):
    x = images(2, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: changed(name, x), x)


def test_brightness_is_one_number_a_picture():
    shift = changed("brightness", images()) - images()
    assert (shift.std((1, 2, 3)) < 1e-6).all() and (shift.abs() <= 0.5 + 1e-6).all()


def test_saturation_keeps_grey_and_contrast_the_mean():
    assert torch.allclose(changed("saturation", images()).mean(1), images().mean(1), atol=1e-6)
    assert torch.allclose(changed("contrast", images()).mean((1, 2, 3)), images().mean((1, 2, 3)), atol=1e-6)


def test_translation_shifts_by_an_eighth_at_most():
    point = torch.zeros(200, 3, 16, 16)
    point[:, :, 8, 8] = 1
    _, _, row, column = changed("translation", point).nonzero().T
    assert {*row.tolist()} == {*column.tolist()} == {6, 7, 8, 9, 10}


def test_cutout_sets_a_square_of_half_the_side_to_zero():
    holes = (changed("cutout", torch.ones(100, 3, 16, 16)) == 0).all(1)
    assert int(holes.sum((1, 2)).max()) == 64  # less where it lies over the edge
    assert (holes.sum((1, 2)) >= 16).all()
