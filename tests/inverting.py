"""Inversion on the tiny generators, with a perceptual network of random weights."""

from zplus.execution import EAGER
from zplus.inversion.methods import solve
from zplus.inversion.problem import Problem
from zplus.spaces import latent_of


def solved(space, target, lpips, settings, start=None, callback=None, execution=EAGER, encoder=None):
    """The latent of photos in a space; `start` is a point of it."""
    problem = Problem.of(space, target, lpips, settings, execution, encoder, callback)
    return solve(problem, None if start is None else latent_of(space, start))
