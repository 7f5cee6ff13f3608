"""Random latents of the prior."""

import pytest
import torch

from points import generator_of
from zplus.errors import ZplusError
from zplus.spaces import make_space, render, sample


@pytest.fixture(scope="module")
def generator():
    return generator_of("skip")


def test_samples_are_those_of_the_prior(generator):
    latent = sample(generator, 3, seed=5)
    assert latent.space == "z" and len(latent) == 3
    assert torch.equal(latent.inverted.code, make_space("z", generator).sample(3, 5))
    assert not torch.equal(latent.inverted.code, sample(generator, 3, seed=6).inverted.code)


def test_truncation_of_0_gives_one_image(generator):
    first, second = render(generator, sample(generator, 2, psi=0.0))
    assert torch.allclose(first, second, atol=1e-5)
    first, second = render(generator, sample(generator, 2))
    assert not torch.allclose(first, second, atol=1e-2)


def test_truncation_beyond_its_range_is_refused(generator):
    with pytest.raises(ZplusError, match="between 0 and 1"):
        sample(generator, psi=1.5)
