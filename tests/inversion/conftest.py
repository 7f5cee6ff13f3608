"""What tests of inversion share: random perceptual weights, every tiny generator, and pictures to invert."""

import pytest

from networks import random_lpips
from points import generator_of
from tiny import TINY


@pytest.fixture(scope="package")
def lpips():
    return random_lpips("vgg")


@pytest.fixture(scope="package", params=sorted(TINY))
def generator(request):
    return generator_of(request.param)
