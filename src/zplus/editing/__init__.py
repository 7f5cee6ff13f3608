"""Editing: directions, how they are found, and how they are applied."""

from zplus.editing.between import interpolate, mix
from zplus.editing.boundary import learn_boundary, score_prior
from zplus.editing.builtin import directions_of, find_direction
from zplus.editing.edit import angle_degrees, cosine_reached, edit

__all__ = [
    "angle_degrees",
    "cosine_reached",
    "directions_of",
    "edit",
    "find_direction",
    "interpolate",
    "learn_boundary",
    "mix",
    "score_prior",
]
