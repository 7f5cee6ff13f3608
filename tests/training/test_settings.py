"""Settings of a training: what is refused, and what follows from them."""

import math

import pytest

from zplus.errors import ZplusError
from zplus.training.settings import TrainSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 0}, {"z_dim": -1}, {"kimg": 0.0}, {"kimg": math.nan}, {"learning_rate": 0.0}, {"mixing": 1.5},
        {"path_length": -1.0}, {"r1_gamma": -1.0}, {"mapping_layers": 0}, {"channel_max": 0}, {"z_dim": 4096},
        {"ema_kimg": 0.0}, {"ema_rampup": 0.0},
    ],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(wrong):
    with pytest.raises(ZplusError, match=next(iter(wrong))):
        TrainSettings(**wrong)


def test_too_few_channels_are_refused():
    with pytest.raises(ZplusError, match="leaves no channels at 64 px"):
        TrainSettings(resolution=64, channel_base=32)


def test_sizes_follow():
    settings = TrainSettings(resolution=64, channel_base=2048, channel_max=128, batch=16, kimg=1.0)
    assert settings.channels == {4: 128, 8: 128, 16: 128, 32: 64, 64: 32}
    assert settings.steps == 63
    assert settings.gamma == pytest.approx(0.0002 * 64**2 / 16)
