"""Muon against torch's own, which computes in bfloat16, and against the singular value decomposition."""

import pytest
import torch
from torch.testing import assert_close

from points import normal
from zplus.inversion.muon import FLOOR, MOMENTUM, SECOND_MOMENT, TURNS, Muon, orthogonal


@pytest.mark.parametrize("shape", [(6, 2, 4), (3, 4, 4)])
def test_it_steps_as_torchs_own_does_row_by_row(shape):
    """With gradients of one size everywhere, whose second moment scales nothing."""
    ours = torch.zeros(2, *shape, requires_grad=True)
    rows = [torch.zeros(shape[0], shape[1] * shape[2], requires_grad=True) for _ in range(2)]
    optimizers = [
        Muon([ours], lr=0.1),
        torch.optim.Muon(
            rows, lr=0.1, weight_decay=0.0, momentum=MOMENTUM, ns_steps=TURNS, adjust_lr_fn="match_rms_adamw"
        ),
    ]
    for i in range(4):
        signs = normal(2, *shape, seed=i).sign()
        for optimizer, value in zip(optimizers, (lambda: ours, lambda: torch.stack(rows).view_as(ours)), strict=True):
            optimizer.zero_grad()
            (value() * signs).sum().backward()
            optimizer.step()
    assert_close(ours, torch.stack(rows).view_as(ours), atol=0.008, rtol=0)  # bfloat16, after a way of .08
    assert ours.square().mean().sqrt() > 0.05


def test_a_number_whose_gradient_varies_moves_as_its_second_moment_says():
    gradients = normal(3, 1, 4, 2, 3, seed=3) * torch.tensor([1.0, 10.0, 0.1])
    x = torch.zeros(1, 4, 2, 3, requires_grad=True)
    optimizer, first, second = Muon([x], lr=0.1), torch.zeros(1, 4, 2, 3), torch.zeros(1, 4, 2, 3)
    for gradient in gradients:
        before, x.grad = x.detach().clone(), gradient
        optimizer.step()
        first = MOMENTUM * first + (1 - MOMENTUM) * gradient
        second = SECOND_MOMENT * second + (1 - SECOND_MOMENT) * gradient**2
        root = second.sqrt()
        scaled = (MOMENTUM * first + (1 - MOMENTUM) * gradient) / (root + FLOOR * second.mean().sqrt())
        wanted = orthogonal(scaled.flatten(2)).view_as(x) * (0.1 / 5 * 6**0.5)
        assert_close(before - x.detach(), wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 12, 30), (2, 30, 12)])
def test_singular_vectors_stay_and_values_come_near_to_one(shape):
    x = normal(*shape, seed=2)
    left, _, right = torch.linalg.svd(x, full_matrices=False)
    inside = left.mT @ orthogonal(x) @ right.mT
    values = inside.diagonal(dim1=1, dim2=2)
    assert ((values > 0.6) & (values < 1.25)).all()
    assert_close(inside, torch.diag_embed(values), atol=1e-5, rtol=0)


def test_nothing_stays_nothing():
    assert not orthogonal(torch.zeros(1, 3, 5)).any()
