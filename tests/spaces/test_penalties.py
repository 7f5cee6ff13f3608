"""The penalties against plain numpy on the same numbers."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from points import generator_of, normal, point_of
from zplus.generators import State
from zplus.generators.prior import STATE_SAMPLES, sample_w
from zplus.spaces import make_space
from zplus.spaces.penalties import consensus, delta_norm, feature_consistency, p_norm


@pytest.fixture(params=["skip", "mobile"])
def generator(request):
    return generator_of(request.param)


def leaky(w):
    return np.where(w > 0, w, 5 * w)


def test_p_norm_whitens_the_prior(generator):
    """Against the Mahalanobis form (p - mean)^T inverse(cov) (p - mean) / D from samples of another seed."""
    p = leaky(sample_w(generator, 100_000, seed=5).double().numpy())
    mean, precision = p.mean(0), np.linalg.inv(np.cov(p.T))
    for kind in ("z", "z+", "w", "w+"):
        space = make_space(kind, generator)
        code = space.sample(4)
        w = (generator.map(code) if "z" in kind else code).double().numpy()
        centred = leaky(w) - mean
        expected = np.einsum("nkd,de,nke->n", centred, precision, centred) / w[0].size
        assert_close(p_norm(space, code), torch.from_numpy(expected).float(), rtol=0.05, atol=0)


def test_p_norm_is_1_over_the_prior_and_0_at_its_centre(generator):
    space = make_space("w", generator)
    assert_close(p_norm(space, space.sample(5000, seed=5)).mean(), torch.tensor(1.0), rtol=0.02, atol=0)
    centre = space.statistics.p_mean
    centre = torch.where(centre > 0, centre, centre / 5).expand(1, 1, -1)
    assert p_norm(space, centre) < 1e-6
    assert p_norm(space, 4 * space.sample(20)).mean() > 4


def test_the_whitening_makes_unit_covariance(generator):
    known = make_space("w", generator).statistics
    assert_close(known.whitening.T @ known.p_cov @ known.whitening, torch.eye(generator.w_dim), atol=1e-3, rtol=0)


def test_statistics_are_those_of_fresh_samples(generator):
    known, w = make_space("w", generator).statistics, sample_w(generator, 20_000, seed=5)
    mean = w.mean(0) if generator.w_mean is None else generator.w_mean
    assert_close(known.w_mean, mean, atol=0.05, rtol=0)
    assert_close(known.w_cov, w.T.cov(), atol=0.05, rtol=0)
    styles = torch.cat(generator.styles(w[:, None].expand(-1, generator.num_codes, -1)), 1)
    assert_close(known.style_std, styles.std(0), rtol=0.05, atol=0)
    centre = torch.cat(generator.styles(known.w_mean.expand(1, generator.num_codes, -1)), 1)
    assert_close(known.style_mean, centre[0])


def test_delta_and_consensus_are_in_deviations(generator):
    space = make_space("w+", generator)
    code = normal(3, *space.shape)
    x = code.double().numpy() / float(space.std)
    lengths = [sum(np.linalg.norm(layer - row[0]) for layer in row) for row in x]
    spreads = [((row - row.mean(0)) ** 2).mean() for row in x]
    assert_close(delta_norm(space, code), torch.tensor(lengths).float())
    assert_close(consensus(space, code), torch.tensor(spreads).float())
    common = code[:, :1].expand_as(code)
    assert not delta_norm(space, common).any()
    assert consensus(space, common).max() < 1e-12


def test_delta_has_a_finite_gradient_where_all_codes_agree(generator):
    space = make_space("z+", generator)
    code = space.broadcast_sample(2).requires_grad_()
    (delta_norm(space, code) + consensus(space, code)).sum().backward()
    assert code.grad.isfinite().all()


def test_feature_consistency(generator):
    space = make_space("f/w", generator)
    point = point_of(space)
    head = space.head(point.code)
    prior = space.head(sample_w(generator, STATE_SAMPLES)[:, None]).features.double().numpy()
    expected = ((point.state.features - head.features).double().numpy() ** 2).mean((1, 2, 3)) / prior.var()
    found = feature_consistency(space, State(point.state.features), head)
    assert_close(found, torch.from_numpy(expected).float(), rtol=1e-3, atol=0)
    assert not feature_consistency(space, head, head).any()


def test_penalties_of_a_row_do_not_depend_on_its_company(generator):
    space = make_space("z+", generator)
    code = space.sample(3)
    for penalty in (delta_norm, consensus, p_norm):
        assert_close(penalty(space, code)[1:2], penalty(space, code[1:2]))
