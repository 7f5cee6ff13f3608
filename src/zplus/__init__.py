"""zplus: edit real photos with a StyleGAN's own prior.

The names below are imported when first used, so that importing the package is fast.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "zplus.errors": ("ZplusError",),
    "zplus.images": ("example_photo", "read_image", "to_pixels", "write_image"),
    "zplus.generators": ("MODELS", "Generator", "list_models", "load_generator", "pull", "save_generator"),
    "zplus.direction": ("Direction", "load_direction", "save_direction"),
    "zplus.latent": ("Latent", "load_latent", "save_latent"),
    "zplus.spaces": ("SPACES", "render", "sample"),
    "zplus.execution": ("Execution", "best_execution"),
    "zplus.faces.align": ("align",),
    "zplus.faces.paste": ("paste",),
    "zplus.faces.regions": ("region_mask",),
    "zplus.perception.attributes": ("ATTRIBUTES", "Scorers"),
    "zplus.perception.metrics": ("METRICS", "measure_images"),
    "zplus.inversion": ("PRESETS", "Settings", "invert"),
    "zplus.inversion.encoder": ("load_encoder",),
    "zplus.editing": (
        "FINDERS",
        "Dragged",
        "Editor",
        "Search",
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
    ),
    "zplus.workflow.exchange": ("export_generator",),
    "zplus.workflow.film": ("edit_video",),
    "zplus.workflow.notebook": ("sliders",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}
__all__ = list(_HOME)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zplus' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
