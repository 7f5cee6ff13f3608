"""Spaces: what an inverted code is, how it moves, and how it becomes a picture."""

from zplus.spaces.convert import convert
from zplus.spaces.registry import SPACES, make_space
from zplus.spaces.render import latent_of, render, space_of, state_of
from zplus.spaces.space import Space

__all__ = ["SPACES", "Space", "convert", "latent_of", "make_space", "render", "space_of", "state_of"]
