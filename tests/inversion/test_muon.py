"""Muon against torch's own, which computes in bfloat16, and against the singular value decomposition."""

import pytest
import torch
from torch.testing import assert_close

from points import normal
from zplus.inversion.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(6, 2, 4), (3, 4, 4)])
def test_it_steps_as_torchs_own_does_row_by_row(shape):
    targets, ours = normal(2, *shape, seed=1), torch.zeros(2, *shape, requires_grad=True)
    rows = [torch.zeros(shape[0], shape[1] * shape[2], requires_grad=True) for _ in targets]
    optimizers = [
        Muon([ours], lr=0.1),
        torch.optim.Muon(rows, lr=0.1, weight_decay=0.0, momentum=0.9, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(4):
        for optimizer, value in zip(optimizers, (lambda: ours, lambda: torch.stack(rows).view_as(ours)), strict=True):
            optimizer.zero_grad()
            (value() - targets).square().sum().backward()
            optimizer.step()
    assert_close(ours, torch.stack(rows).view_as(ours), atol=0.008, rtol=0)  # bfloat16, after a way of .08
    assert ours.square().mean().sqrt() > 0.05


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
