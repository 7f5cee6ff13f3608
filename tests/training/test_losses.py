"""Losses at known values, penalties against finite differences, style mixing."""

import math

import pytest
import torch

from zplus.training.discriminator import Discriminator
from zplus.training.losses import PathLength, discriminator_loss, generator_loss, mix_styles, r1_penalty


def test_losses_at_known_scores():
    real, fake = torch.tensor([math.log(3.0)]), torch.tensor([-math.log(3.0)])
    assert float(generator_loss(fake)) == pytest.approx(math.log(4))
    assert float(discriminator_loss(real, fake)) == pytest.approx(2 * math.log(4 / 3))
    assert float(discriminator_loss(fake, real)) == pytest.approx(2 * math.log(4))


def test_r1_of_a_linear_score_is_its_squared_slope():
    slope = torch.randn(3, 4, 4)
    penalty = r1_penalty(lambda x: (x * slope).sum((1, 2, 3)), torch.randn(5, 3, 4, 4))
    assert float(penalty) == pytest.approx(float(slope.square().sum()), rel=1e-5)


def test_r1_and_its_gradient_agree_with_finite_differences():
    torch.manual_seed(0)
    discriminator = Discriminator({4: 2, 8: 2}).double()
    real = torch.randn(2, 3, 8, 8, dtype=torch.float64)

    def slow():
        total, h = 0.0, 1e-5
        for i in range(real.numel()):
            step = torch.zeros(real.numel(), dtype=torch.float64)
            step[i] = h
            up, down = (discriminator(real + sign * step.view_as(real)).sum() for sign in (1, -1))
            total += ((up - down) / (2 * h)) ** 2
        return float(total) / len(real)

    penalty = r1_penalty(discriminator, real)
    with torch.no_grad():
        assert float(penalty.detach()) == pytest.approx(slow(), rel=1e-5)
    penalty.backward()
    weight = discriminator.b8.conv0.weight
    analytic = float(weight.grad[0, 1, 2, 0])
    with torch.no_grad():
        weight[0, 1, 2, 0] += 1e-4
        up = slow()
        weight[0, 1, 2, 0] -= 2e-4
        assert analytic == pytest.approx((up - slow()) / 2e-4, rel=1e-3)


def test_path_length_of_a_linear_generator_is_constant():
    scale, regulariser = torch.tensor(3.0, requires_grad=True), PathLength()
    w = torch.randn(64, 2, 3 * 8 * 8, requires_grad=True)
    penalty = regulariser((scale * w.sum(1)).view(64, 3, 8, 8), w, torch.Generator().manual_seed(0))
    length = 3 * 3**0.5  # every code has the slope scale * noise / 8, and 192 noises of unit variance
    assert float(regulariser.mean) == pytest.approx(0.01 * length, rel=0.05)
    assert float(penalty.detach()) == pytest.approx((0.99 * length) ** 2, rel=0.05)
    penalty.backward()
    assert float(scale.grad) > 0  # shorter paths cost less while the mean is below


def test_mixing_takes_the_second_code_from_a_layer_on():
    w = torch.stack([torch.zeros(200, 4), torch.ones(200, 4)], dim=1)
    mixed = mix_styles(w, 6, 0.75, torch.Generator().manual_seed(0))
    assert mixed.shape == (200, 6, 4)
    assert (mixed.diff(dim=1) >= 0).all() and (mixed[:, 0] == 0).all()
    share = float(mixed[:, -1, 0].mean())
    assert 0.65 < share < 0.85
    assert set(mixed[:, :, 0].sum(1).int().tolist()) == {0, 1, 2, 3, 4, 5}
    assert torch.equal(mix_styles(w, 6, 0.0, torch.Generator()), w[:, :1].expand(-1, 6, -1))
