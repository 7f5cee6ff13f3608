"""The loop of descent, on problems whose answer is known."""

import math
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from points import generator_of, normal
from zplus.errors import DivergedError, UnknownNameError, ZplusError
from zplus.inversion.minimizer import Variable, minimize, schedule
from zplus.inversion.settings import PRESETS, Settings, preset
from zplus.spaces import make_space

CENTRES = normal(3, 5)
CURVATURES = torch.tensor([0.5, 1.0, 20.0])  # of the rows


def descend(*args, **options):
    """The best values alone."""
    return minimize(*args, **options)[0]


def picture(x):
    return torch.zeros(len(x), 3, 2, 2)


def quadratic(x):
    """Row n is CURVATURES[n] * |x_n - CENTRES[n]|^2: the minimum is known, and 0."""
    return (CURVATURES[:, None] * (x - CENTRES).square()).sum(1), picture(x)


def start(rate=0.1):
    return [Variable(torch.zeros(3, 5), rate)]


class Scripted:
    """Loss values by step and row, whatever x is; keeps every x that it saw."""

    def __init__(self, *losses):
        self.losses, self.seen = iter(losses), []

    def __call__(self, x):
        self.seen.append(x.detach().clone())
        return torch.tensor(next(self.losses)) + 0 * (x - 1).square().sum(1) + x.sum(1) - x.sum(1).detach(), picture(x)


# The schedule


def test_schedule_warms_up_and_decays():
    found = [schedule(i, 10, 0.3, "cosine") for i in range(10)]
    down = [0.5 + 0.5 * math.cos(math.pi * i / 7) for i in range(7)]
    assert found == pytest.approx([1 / 3, 2 / 3, 1.0, *down])
    assert found[3] == 1.0
    assert [schedule(i, 4, 0.5, "constant") for i in range(4)] == [0.5, 1.0, 1.0, 1.0]
    assert [schedule(i, 3, 0.0, "constant") for i in range(3)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("steps", [1, 2, 3, 500])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("decay", ["cosine", "constant"])
def test_schedule_never_leaves_0_to_1_and_never_stands_still(steps, warmup, decay):
    factors = [schedule(i, steps, warmup, decay) for i in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)


# Minima


def test_a_quadratic_is_solved():
    (found,) = descend(quadratic, start(), 400)
    assert_close(found, CENTRES, atol=1e-3, rtol=0)


def test_variables_have_rates_of_their_own():
    def loss(x, y):
        return (x - 1).square().sum(1) + (y + 1).square().sum(1), picture(x)

    x, y = descend(loss, [Variable(torch.zeros(2, 3), 0.0), Variable(torch.zeros(2, 4), 0.1)], 300)
    assert torch.equal(x, torch.zeros(2, 3))
    assert_close(y, -torch.ones(2, 4), atol=1e-3, rtol=0)


def test_the_first_step_has_the_length_of_the_rate():
    """Adam's first step is rate * sign(gradient); a warm-up of 10 steps takes a tenth of it."""
    script = Scripted([0.0], [0.0])
    descend(script, [Variable(torch.zeros(1, 4), 0.5)], 2, warmup=0.0, decay="constant")
    assert_close(script.seen[1], torch.full((1, 4), -0.5))
    script = Scripted(*[[0.0]] * 100)
    descend(script, [Variable(torch.zeros(1, 4), 0.5)], 100, warmup=0.1)
    assert_close(script.seen[1], torch.full((1, 4), -0.05))


MATRICES = normal(2, 6, 4, 2, seed=3)  # as [N, C, r, r]


def matrix_loss(rows=slice(None)):
    """A quadratic that is a hundred times steeper along its first channel than along its last."""
    steepness = torch.logspace(0, -1, 6).view(1, 6, 1, 1)
    return lambda x: ((steepness * (x - MATRICES[rows])).square().sum((1, 2, 3)), picture(x))


def of_muon(rate, rows=2):
    return [Variable(torch.zeros(rows, 6, 4, 2), rate, "muon")]


def test_a_step_of_muon_is_as_long_in_flat_directions_as_in_steep_ones():
    seen = []

    def loss(x):
        seen.append(x.detach().clone())
        return matrix_loss()(x)

    descend(loss, of_muon(0.5), 2, warmup=0.0, decay="constant")
    for row in (seen[1] - seen[0]).flatten(2):  # [6, 8]
        values = torch.linalg.svdvals(row)
        assert values.max() < 2 * values.min()
        assert_close(row.square().mean().sqrt(), torch.tensor(0.5 / 5), rtol=0.2, atol=0)


def test_muon_solves_what_is_steep_here_and_flat_there():
    (muon,), (start_loss, _) = descend(matrix_loss(), of_muon(0.5), 200), matrix_loss()(torch.zeros(2, 6, 4, 2))
    assert_close(muon, MATRICES, atol=0.02, rtol=0)
    assert (matrix_loss()(muon)[0] < 1e-5 * start_loss).all()


def test_rows_under_muon_do_not_depend_on_their_company():
    (together,) = descend(matrix_loss(), of_muon(0.5), 30)
    for n in range(2):
        (single,) = descend(matrix_loss(slice(n, n + 1)), of_muon(0.5, 1), 30)
        assert_close(single, together[n : n + 1], atol=1e-6, rtol=0)


def test_nan_in_one_row_harms_no_other_under_muon():
    calls = []

    def broken(x):
        calls.append(1)
        loss, image = matrix_loss()(x)
        return loss * torch.tensor([1.0, float("nan") if len(calls) > 20 else 1.0]), image

    (found,), (expected,) = descend(broken, of_muon(0.5), 60), descend(matrix_loss(), of_muon(0.5), 60)
    assert torch.equal(found[0], expected[0])
    assert found.isfinite().all()


def test_the_start_is_left_as_it_was():
    value = torch.zeros(3, 5)
    descend(quadratic, [Variable(value, 0.1)], 5)
    assert not value.any()
    assert not value.requires_grad


def test_what_is_constrained_stays_there():
    def onto_sphere(x):
        return x / x.norm(dim=1, keepdim=True)

    seen = []

    def loss(x):
        seen.append(x.detach().norm(dim=1))
        return (onto_sphere(x) - CENTRES).square().sum(1), picture(x)

    (found,) = descend(loss, [Variable(onto_sphere(normal(3, 5, seed=9)), 0.1, constrain=onto_sphere)], 300)
    assert_close(torch.stack(seen), torch.ones(300, 3), atol=1e-5, rtol=0)
    assert_close(found, onto_sphere(CENTRES), atol=1e-2, rtol=0)


# The best of each row


def test_the_best_of_each_row_is_kept():
    script = Scripted([3.0, 1.0], [1.0, 2.0], [2.0, 3.0], [1.5, 0.5])
    (found,) = descend(script, [Variable(torch.zeros(2, 4), 0.1)], 4)
    assert torch.equal(found[0], script.seen[1][0])
    assert torch.equal(found[1], script.seen[3][1])


def test_too_large_a_rate_gives_nothing_worse_than_the_start():
    (found,) = descend(quadratic, start(rate=1e3), 30)
    assert (quadratic(found)[0] <= quadratic(torch.zeros(3, 5))[0]).all()


def test_a_row_that_turns_nan_keeps_its_best_and_harms_no_other():
    nan = float("nan")
    script = Scripted([3.0, 1.0], [2.0, nan], [1.0, 0.9], [nan, nan], [0.5, 0.5])
    (found,) = descend(script, [Variable(torch.zeros(2, 4), 0.1)], 5)
    assert torch.equal(found[0], script.seen[2][0])
    assert torch.equal(found[1], script.seen[0][1])  # alone it would have ended there
    assert len(script.seen) == 4


def test_nan_gradients_of_one_row_harm_no_other():
    calls = []

    def broken(x):
        calls.append(1)
        loss, image = quadratic(x)
        factor = torch.tensor([1.0, float("nan") if len(calls) > 20 else 1.0, 1.0])
        return loss * factor, image

    (found,), (expected,) = descend(broken, start(), 200), descend(quadratic, start(), 200)
    assert torch.equal(found[[0, 2]], expected[[0, 2]])
    assert found.isfinite().all()
    assert quadratic(found)[0][1] < quadratic(torch.zeros(3, 5))[0][1]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_row_that_was_never_finite_is_an_error(value):
    with pytest.raises(DivergedError, match="never had a finite loss"):
        descend(Scripted(*[[1.0, value]] * 5), [Variable(torch.zeros(2, 4), 0.1)], 5)
    script = Scripted([value, value])
    with pytest.raises(DivergedError):
        descend(script, [Variable(torch.zeros(2, 4), 0.1)], 5)
    assert len(script.seen) == 1  # no row is left to go on with


# Stopping


def test_patience_ends_when_every_row_rests():
    script = Scripted(*[[1.0, 5.0 - i] for i in range(4)], *[[1.0, 5.0]] * 30)
    (found,) = descend(script, [Variable(torch.zeros(2, 4), 0.1)], 30, patience=6)
    assert len(script.seen) == 4 + 6
    assert torch.equal(found[0], script.seen[0][0])
    assert torch.equal(found[1], script.seen[3][1])


def test_a_row_that_rests_stays_at_rest_whoever_goes_on():
    lone, other = [5.0, 6.0, 7.0, 8.0, 1.0, 1.0, 1.0, 1.0], [float(9 - i) for i in range(8)]
    alone = Scripted(*[[x] for x in lone])
    (single,) = descend(alone, [Variable(torch.zeros(1, 4), 0.1)], 8, patience=2)
    both = Scripted(*[[x, y] for x, y in zip(lone, other, strict=True)])
    (found,) = descend(both, [Variable(torch.zeros(2, 4), 0.1)], 8, patience=2)
    assert len(both.seen) == 8  # the other row found something better at every step
    assert torch.equal(found[0], single[0])


def test_without_patience_all_steps_are_made():
    script = Scripted(*[[1.0]] * 30)
    descend(script, [Variable(torch.zeros(1, 4), 0.1)], 30)
    assert len(script.seen) == 30


def test_a_callback_sees_every_step_and_stops():
    seen = []

    def report(moved, loss, image):
        assert not loss.requires_grad
        assert not image.requires_grad
        assert moved.all()
        seen.append((len(seen) + 1, loss.tolist()))
        return len(seen) == 3

    script = Scripted([4.0], [3.0], [2.0], [1.0])
    (found,) = descend(script, [Variable(torch.zeros(1, 4), 0.1)], 4, report=report)
    assert seen == [(1, [4.0]), (2, [3.0]), (3, [2.0])]
    assert torch.equal(found, script.seen[2])


# Rows


def test_rows_of_a_quadratic_do_not_depend_on_their_company():
    def alone(n):
        return lambda x: ((CURVATURES[n] * (x - CENTRES[n : n + 1]).square()).sum(1), picture(x))

    (together,) = descend(quadratic, start(), 100)
    for n in range(3):
        (single,) = descend(alone(n), [Variable(torch.zeros(1, 5), 0.1)], 100)
        assert_close(single, together[n : n + 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "mobile"])
@pytest.mark.parametrize("name", ["z+", "w+", "s", "f/z+"])
def test_first_gradients_do_not_depend_on_the_company(architecture, name):
    space = make_space(name, generator_of(architecture))
    target, code = normal(3, 3, 32, 32), space.sample(3)

    def first_gradient(rows):
        kept = []

        def loss(x):
            x.register_hook(kept.append)
            image = space.generator.synthesize(space.decode(x))
            return (image - target[rows]).square().mean((1, 2, 3)), image

        descend(loss, [Variable(code[rows], 0.1)], 2)
        return kept[0]

    together = first_gradient(slice(0, 3))
    for n in range(3):
        rows = slice(n, n + 1)
        difference = (first_gradient(rows) - together[rows]).norm()
        assert difference <= 1e-4 * together[rows].norm()
        assert together[rows].norm() > 0


# Settings


def test_presets():
    assert preset("default") == Settings()
    assert preset("default", steps=7, seed=None).steps == 7
    released = preset("released")
    assert (released.steps, released.code_lr, released.feature_lr, released.decay) == (1200, 0.01, 0.01, "constant")
    assert (released.mse_weight, released.lpips_weight, released.consistency_weight) == (1.0, 10.0, 10.0)
    assert released.consistency_target == "initial"
    assert schedule(0, released.steps, released.warmup, released.decay) == 1.0
    assert set(PRESETS) == {
        "default",
        "hybrid",
        "e4e",
        "released",
        "bdinvert",
        "ii2s",
        "idinvert",
        "paper-1",
        "pti",
        "sam",
    }
    assert preset("paper-1").consistency_target == "self" and preset("paper-1").mse_weight == 0.0
    with pytest.raises(UnknownNameError, match="did you mean 'released'"):
        preset("release")
    with pytest.raises(ZplusError, match="1 or more"):
        preset("default", steps=0)


@pytest.mark.parametrize("name", ["init", "sphere", "decay", "consistency_target", "base", "feature_rule"])
def test_settings_of_no_meaning_are_refused(name):
    """In a process of its own, where nothing else checks types."""
    code = f"from zplus.inversion import preset; preset('default', {name}='rnadom')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"UnknownNameError: Unknown {name} 'rnadom'" in done.stderr
