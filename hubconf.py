"""Entries for torch.hub, which imports this file and calls one of them:

generator = torch.hub.load(REPOSITORY, "generator", "avatars64")
latent = torch.hub.load(REPOSITORY, "invert", generator, photo)
"""

import sys as _sys
from pathlib import Path as _Path

dependencies = ["torch", "numpy", "scipy", "PIL", "safetensors", "sklearn", "jaxtyping", "jinja2", "platformdirs"]
_sys.path.insert(0, str(_Path(__file__).parent / "src"))

from zplus import Generator as _Generator  # noqa: E402
from zplus import edit, invert, render  # noqa: E402, F401

generator = _Generator.from_pretrained
