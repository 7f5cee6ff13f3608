"""Spaces: what an inverted code is, how it moves, and how it becomes an image."""

from zplus.spaces.conversion import convert
from zplus.spaces.registry import SPACES, make_space, space_class
from zplus.spaces.rendering import latent_of, render, sample, shown, space_of
from zplus.spaces.space import Space, same_chart

__all__ = [
    "SPACES",
    "Space",
    "convert",
    "latent_of",
    "make_space",
    "render",
    "same_chart",
    "sample",
    "shown",
    "space_class",
    "space_of",
]
