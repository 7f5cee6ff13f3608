"""zplus: edit real photos with a StyleGAN's own prior.

The names below are loaded when first used, so that importing the package is instant.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "load_generator": "zplus.generators",
    "pull": "zplus.generators",
    "align": "zplus.faces.align",
    "paste": "zplus.faces.paste",
    "invert": "zplus.inversion",
    "edit": "zplus.editing",
    "render": "zplus.spaces",
    "load_latent": "zplus.latent",
    "save_latent": "zplus.latent",
    "read_image": "zplus.images",
    "write_image": "zplus.images",
    "to_pixels": "zplus.images",
}
__all__ = list(_HOME)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zplus' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
