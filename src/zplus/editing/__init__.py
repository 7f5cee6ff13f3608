"""Editing: directions, how they are found, and how they are applied."""

from zplus.editing.boundary import learn_boundary
from zplus.editing.builtin import directions_of, find_direction
from zplus.editing.channel import learn_channel
from zplus.editing.components import factorize, principal
from zplus.editing.editor import Editor, angle_degrees, cosine_reached, edit
from zplus.editing.examples import learn_from_examples
from zplus.editing.foreign import read_directions
from zplus.editing.mixing import interpolate, mix
from zplus.editing.scored import calibrated, score_prior, visible_effect
from zplus.editing.strength import solve_strength

__all__ = [
    "Editor",
    "angle_degrees",
    "calibrated",
    "cosine_reached",
    "directions_of",
    "edit",
    "factorize",
    "find_direction",
    "interpolate",
    "learn_boundary",
    "learn_channel",
    "learn_from_examples",
    "mix",
    "principal",
    "read_directions",
    "score_prior",
    "solve_strength",
    "visible_effect",
]
