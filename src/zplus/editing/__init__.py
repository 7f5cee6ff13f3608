"""Editing: finding, importing and applying directions."""

from zplus.editing.builtin import directions_of, find_direction
from zplus.editing.drag import Dragged, drag
from zplus.editing.editor import Editor, angle_degrees, cosine_reached, edit
from zplus.editing.finders import FINDERS, Finder
from zplus.editing.foreign import read_directions
from zplus.editing.likeness import keep_identity
from zplus.editing.mixing import interpolate, mix
from zplus.editing.scored import calibrated, score_prior, visible_effect
from zplus.editing.search import Examples, Search
from zplus.editing.strength import solve_strength

__all__ = [
    "FINDERS",
    "Dragged",
    "Editor",
    "Examples",
    "Finder",
    "Search",
    "angle_degrees",
    "calibrated",
    "cosine_reached",
    "directions_of",
    "drag",
    "edit",
    "find_direction",
    "interpolate",
    "keep_identity",
    "mix",
    "read_directions",
    "score_prior",
    "solve_strength",
    "visible_effect",
]
