"""Finding directions where the truth is known: a score that one direction or one channel decides."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from points import generator_of
from zplus.direction import Direction
from zplus.editing import FINDERS, Examples, Search, calibrated, score_prior, visible_effect
from zplus.editing import scored as scoring
from zplus.editing.boundary import on_layers, project_out
from zplus.editing.components import principal
from zplus.editing.scored import Scored, codes_in
from zplus.errors import ZplusError
from zplus.spaces import make_space
from zplus.spaces.conversion import convert_code

TRUTH = np.random.RandomState(3).standard_normal(16)


@pytest.fixture(scope="module", params=["skip", "mobile"])
def generator(request):
    return generator_of(request.param)


@pytest.fixture
def linear(generator, monkeypatch):
    """A score that is linear in the code of z, w or s, as if a picture told it: the prior's scores, and the scorer."""

    def make(kind: str, *truths: np.ndarray, samples: int = 800):
        space, names = make_space(kind, generator), [f"a{i}" for i in range(len(truths))]
        axes = [torch.from_numpy(x).float() for x in truths]

        def score(code):
            rows = code if code.ndim == 2 else code.mean(1)
            return {name: float((rows @ axis).mean()) for name, axis in zip(names, axes, strict=True)}

        z = make_space("z", generator).sample(samples, seed=1)[:, 0]
        codes = codes_in(space, z)
        monkeypatch.setattr(scoring, "scoring_pixels", lambda space, code: code)
        scores = {name: (codes @ axis).numpy().astype(float) for name, axis in zip(names, axes, strict=True)}
        return Scored(z, scores, score), score

    return make


def find(method, generator, *fields, **more):
    return FINDERS[method](generator, Search(*fields, **more))


def cosine(a, b) -> float:
    return float(torch.cosine_similarity(torch.as_tensor(a).flatten().float(), torch.as_tensor(b).flatten(), dim=0))


def width(kind, generator) -> int:
    return make_space(kind, generator).dim


@pytest.mark.parametrize("kind", ["z", "w", "s"])
def test_the_boundary_separates_and_its_unit_is_one_deviation_of_the_score(kind, generator, linear):
    truth = np.random.RandomState(3).standard_normal(width(kind, generator))
    scored, score = linear(kind, truth)
    (found,) = find("boundary", generator, "a", "a0", scored, space=kind)
    assert found.space == kind and found.card["accuracy"] > 0.95 and found.card["correlation"] > 0.9
    deviation = scored.scores["a0"].std()
    moved = scoring.measured_slope(generator, kind, found.vector, "a0", score)
    if kind == "z":  # on the sphere a step is an arc, a little shorter than the vector
        assert 0.5 < moved / deviation < 1.05
    else:
        assert moved == pytest.approx(deviation, rel=0.01)


def test_in_z_the_truth_itself_is_found(generator, linear):
    scored, _ = linear("z", TRUTH, samples=3000)
    assert cosine(find("boundary", generator, "a", "a0", scored, space="z")[0].vector, TRUTH) > 0.97


def test_layers_make_it_a_direction_of_some_codes(generator, linear):
    scored, _ = linear("w", TRUTH)
    (found,) = find("boundary", generator, "a", "a0", scored, layers=(1, 3))
    moving = found.vector.abs().amax(1) > 0
    assert found.space == "w+" and moving.nonzero().flatten().tolist() == [1, 2]
    kind, rows = on_layers(generator, "s", torch.ones(width("s", generator)), (0, 1))
    assert kind == "s" and rows.shape == (1, width("s", generator)) and 0 < rows.sum() < rows.numel()


def test_a_conditional_direction_leaves_the_other_attribute_alone(generator, linear):
    """In Z, where samples are isotropic and so the normal is the gradient."""
    other = np.random.RandomState(4).standard_normal(16) + TRUTH
    scored, score = linear("z", TRUTH, other, samples=3000)
    (second,) = find("boundary", generator, "b", "a1", scored, space="z")
    plain, conditional = (
        find("boundary", generator, "a", "a0", scored, space="z", conditioned_on=others)[0]
        for others in ((), (second,))
    )
    off = [abs(scoring.measured_slope(generator, "z", x.vector, "a1", score)) for x in (plain, conditional)]
    assert off[1] < 0.2 * off[0]
    assert abs(cosine(conditional.vector, second.vector)) < 1e-4 and conditional.card["without"] == ["b"]


def test_what_is_projected_out_may_be_of_some_codes_but_not_of_another_space(generator, linear):
    scored, _ = linear("w", TRUTH, TRUTH[::-1].copy())
    (second,) = find("boundary", generator, "b", "a1", scored, layers=(0, 2))
    (found,) = find("boundary", generator, "a", "a0", scored, conditioned_on=(second,))
    assert found.space == "w+" and abs(cosine(found.vector[:2], second.vector[:2])) < 1e-4
    with pytest.raises(ZplusError, match="b is no direction of z"):
        find("boundary", generator, "a", "a0", scored, space="z", conditioned_on=(second,))


def test_any_number_is_projected_out():
    vector, others = torch.randn(1, 16), [torch.randn(1, 16), torch.randn(4, 16), torch.randn(1, 16)]
    rest = project_out(vector, others)
    assert rest.shape == (4, 16)
    for other in others:
        assert abs(float((rest * other.expand(4, -1)).sum())) < 1e-4
    assert project_out(vector, []) is vector
    with pytest.raises(ZplusError, match="Nothing is left"):
        project_out(vector, [vector])


def test_a_projection_stays_on_the_codes_that_move():
    vector = torch.zeros(4, 16)
    vector[1:3] = torch.randn(16)
    other = torch.randn(1, 16)
    rest = project_out(vector, [other])
    assert rest[0].abs().max() == rest[3].abs().max() == 0
    assert abs(float((rest * other).sum())) < 1e-4


def test_what_moves_no_code_that_the_vector_moves_takes_nothing_from_it():
    vector, apart = torch.zeros(4, 2), torch.zeros(4, 2)
    vector[0], apart[3] = torch.tensor([1.0, 2.0]), 1.0
    assert torch.allclose(project_out(vector, [apart]), vector)
    aslant = torch.tensor([[1.0, 0.0]])
    assert torch.allclose(project_out(vector, [aslant, aslant, apart]), project_out(vector, [aslant]))


def test_too_few_scores_and_scores_that_do_not_follow(generator, linear):
    scored, score = linear("w", TRUTH)
    few = Scored(scored.z, {"a0": np.where(np.arange(len(scored.z)) < 20, scored.scores["a0"], np.nan)}, score)
    with pytest.raises(ZplusError, match="Only 20 samples"):
        find("boundary", generator, "a", "a0", few)
    with pytest.raises(ZplusError, match="does not raise"):
        find("boundary", generator, "a", "a0", replace(scored, score=lambda code: {"a0": -score(code)["a0"]}))


@pytest.mark.parametrize("channel", [0, 21, -1])
def test_the_channel_that_decides_is_found_and_named(channel, generator, linear):
    truth = np.zeros(width("s", generator))
    truth[channel] = -2.0
    scored, score = linear("s", truth)
    (found,) = find("channel", generator, "a", "a0", scored)
    index = int(found.vector[0].abs().argmax())
    assert index == channel % len(truth) and int((found.vector != 0).sum()) == 1 and found.vector[0, index] < 0
    operation, _, number = found.card["channel"].partition(":")
    assert sum(generator.style_sizes[: int(operation)]) + int(number) == index
    moved = scoring.measured_slope(generator, "s", found.vector, "a0", score)
    assert moved == pytest.approx(scored.scores["a0"].std(), rel=0.01)


def test_principal_components_are_those_of_an_svd(generator):
    found = find("principal", generator, count=5)
    w = make_space("w", generator).sample(20_000, seed=9)[:, 0].numpy()  # other samples
    singular, axes = np.linalg.svd(w - w.mean(0), full_matrices=False)[1:]
    for i, one in enumerate(found):
        assert abs(cosine(one.vector, torch.from_numpy(axes[i]))) > 0.95
        assert one.unit == pytest.approx(singular[i] / 20_000**0.5, rel=0.05)
    assert found[0].card["share"] == pytest.approx(singular[0] ** 2 / (singular**2).sum(), rel=0.05)


def test_principal_components_in_z_move_w_along_the_component(generator):
    in_w, in_z = (find("principal", generator, count=1, space=kind)[0] for kind in "wz")
    space = make_space("z", generator)
    z = space.sample(500, seed=4)
    moved = generator.map(space.move(z, in_z.vector[None])) - generator.map(z)
    along = moved[:, 0] @ (in_w.vector[0] / in_w.unit)
    assert along.mean() > 0.3 * in_w.unit and (along > 0).float().mean() > 0.8


@pytest.mark.parametrize("layers", [None, (1, 3)])
def test_factorized_directions_change_the_styles_most(generator, layers):
    """Against the singular vectors of the affine layers' matrices, read from the network's parameters."""
    rows = []
    for index, code in enumerate(generator.style_codes):
        if layers is None or layers[0] <= code < layers[1]:
            w = torch.eye(16)[:, None].expand(-1, generator.num_codes, -1)
            zero = torch.zeros(1, generator.num_codes, 16)
            rows.append((generator.styles(w)[index] - generator.styles(zero)[index]).T)
    axes = torch.linalg.svd(torch.cat(rows), full_matrices=False).Vh
    for one, axis in zip(find("factorize", generator, count=3, layers=layers), axes, strict=False):
        moving = one.vector[one.vector.abs().amax(1) > 0]
        assert len(moving) == (1 if layers is None else 2) and one.space == ("w" if layers is None else "w+")
        assert all(abs(cosine(row, axis)) > 0.999 for row in moving)


def test_components_that_cannot_be_had(generator):
    for count in (0, 17):
        with pytest.raises(ZplusError, match="1 to 16"):
            principal(generator, Search(count=count))


@pytest.mark.parametrize("kind", ["z", "s"])
def test_components_elsewhere_are_what_goes_with_them_on_average(kind, generator):
    """Against the covariance of codes and coordinates over samples of another seed."""
    (found,) = find("principal", generator, count=1, space=kind)
    (axis,) = find("principal", generator, count=1)
    z = make_space("z", generator).sample(5000, seed=3)
    w, codes = generator.map(z)[:, 0], convert_code(make_space("z", generator), z, make_space(kind, generator))[:, 0]
    along = (w - w.mean(0)) @ axis.vector[0] / axis.vector.norm() ** 2  # in deviations
    expected = (along[:, None] * (codes - codes.mean(0))).mean(0)
    assert_close(found.vector[0], expected, atol=0.1 * float(expected.abs().max()), rtol=0)


def test_examples_of_both_kinds_give_their_difference(generator):
    w = make_space("w", generator).sample(400, seed=2)[:, 0]
    along = w @ torch.from_numpy(TRUTH).float()
    order = along.argsort()
    (found,) = find("examples", generator, "a", examples=Examples(w[order[-40:]], w[order[:40]]))
    scale = np.cov(w.numpy().T) @ TRUTH  # what differs between the ends of correlated codes
    assert cosine(found.vector, scale) > 0.7 and found.card["accuracy"] > 0.9
    assert found.unit == pytest.approx(float((w @ (found.vector[0] / found.unit)).std()), rel=0.1)
    with pytest.raises(ZplusError, match="1 examples for and 40 against"):
        find("examples", generator, "a", examples=Examples(w[:1], w[:40]))


def test_a_score_gives_a_direction_its_unit_and_its_sign(generator, linear):
    scored, score = linear("w", TRUTH)
    direction = Direction("d", "w", torch.from_numpy(-5 * TRUTH[None]).float(), generator.mapping_fingerprint)
    found = calibrated(generator, direction, "a0", scored)
    assert cosine(found.vector, TRUTH) > 0.999
    moved = scoring.measured_slope(generator, "w", found.vector, "a0", score)
    assert moved == pytest.approx(scored.scores["a0"].std(), rel=0.01)
    across = TRUTH[::-1] - TRUTH[::-1] @ TRUTH / (TRUTH @ TRUTH) * TRUTH
    still = replace(direction, vector=torch.from_numpy(across[None].copy()).float())
    with pytest.raises(ZplusError, match="hardly moves"):
        calibrated(generator, still, "a0", scored)


def test_scores_of_the_prior_are_those_of_its_pictures(generator):
    """The score of a picture that does not depend on how it was made: its mean red."""
    seen = []
    scored = score_prior(generator, lambda pixels: {"red": float(pixels[..., 0].mean())}, 5, report=seen.append)
    space = make_space("z", generator)
    image = generator.synthesize(space.inputs(scored.z[2:3, None])).clamp(-1, 1)
    assert scored.scores["red"][2] == pytest.approx(float((image[0, 0] + 1).mean() * 127.5), abs=0.5)
    assert seen == [1, 2, 3, 4, 5]
    assert_close(scored.z.square().mean(1), torch.ones(5))


def test_what_shows_nothing_is_told_from_what_does(generator):
    (big,) = find("principal", generator, count=1)
    assert visible_effect(generator, big) > 0.01
    assert visible_effect(generator, replace(big, vector=1e-6 * big.vector)) < 1e-3


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_projecting_out_the_same_twice_takes_no_more_than_once(size):
    random = np.random.RandomState(1)
    vector, other = (torch.from_numpy(random.standard_normal((1, 512))).float() for _ in range(2))
    once, twice = project_out(size * vector, [other]), project_out(size * vector, [other, 0.7 * other])
    assert_close(twice, once, atol=1e-5 * size, rtol=0)
