"""Generators: networks with visible stages, their statistics, and their sources."""

from zplus.generators.contract import Feature, Generator, Layer, State, SynthesisInputs
from zplus.generators.pretrained import list_models
from zplus.generators.prior import Statistics, statistics
from zplus.generators.store import save_generator
from zplus.generators.zoo import MODELS, load_generator, pull

__all__ = [
    "MODELS",
    "Feature",
    "Generator",
    "Layer",
    "State",
    "Statistics",
    "SynthesisInputs",
    "list_models",
    "load_generator",
    "pull",
    "save_generator",
    "statistics",
]
