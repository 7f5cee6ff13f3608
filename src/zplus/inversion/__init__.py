"""Inversion: from images to latents."""

from zplus.inversion.methods import STAGES, invert
from zplus.inversion.problem import Problem, Progress
from zplus.inversion.settings import PRESETS, Settings, preset

__all__ = ["PRESETS", "STAGES", "Problem", "Progress", "Settings", "invert", "preset"]
