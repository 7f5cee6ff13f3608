"""Inversion: from photos to latents."""

from zplus.inversion.invert import invert
from zplus.inversion.optimize import Progress, optimize
from zplus.inversion.settings import PRESETS, Settings, preset

__all__ = ["PRESETS", "Progress", "Settings", "invert", "optimize", "preset"]
