"""What tests of the command line share: a result, pictures, and what every refusal has in common."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from zplus.archives import folder
from zplus.cache import cache_folder
from zplus.faces.weights import FACE_MODELS
from zplus.perception.weights import LPIPS_WEIGHTS

ASTRONAUT = Path(__file__).parents[1] / "examples" / "astronaut.png"
needs_lpips = pytest.mark.skipif(folder(LPIPS_WEIGHTS) is None, reason="run 'zplus pull lpips' first")
needs_faces = pytest.mark.skipif(folder(FACE_MODELS) is None, reason="run 'zplus pull faces' first")


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """The one JSON object that standard output holds, and nothing else."""
        return json.loads(self.out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def picture(path: Path, seed: int = 0, height: int = 48, width: int = 64) -> Path:
    """A smooth picture of its own for every seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.RandomState(seed).randint(0, 255, (4, 4, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def assert_refused(result: Result, code: int = 2) -> None:
    """One clear sentence, no traceback, nothing on standard output."""
    assert result.code == code
    lines = [line for line in result.err.splitlines() if line.startswith("zplus: ")]
    assert len(lines) == 1 and lines[0].endswith((".", "?")), result.err
    assert "Traceback" not in result.err and "unforeseen" not in result.err
    assert result.out == ""


def leftovers(folder: Path) -> list[str]:
    """Temporary files that should not be there."""
    return [str(path) for path in folder.rglob(".zplus-*")]


def cache_with_networks(folder: Path) -> dict[str, str]:
    """An environment whose cache is `folder`, with the networks of the user's cache in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("networks", "archives"):
        if (cache_folder() / name).is_dir() and not (folder / name).exists():
            (folder / name).symlink_to(cache_folder() / name, target_is_directory=True)
    return {**os.environ, "ZPLUS_CACHE": str(folder), "ZPLUS_EAGER": "1", "OMP_NUM_THREADS": "1"}
