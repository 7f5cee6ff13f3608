"""The command `distance`: a model and a folder, two folders, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from command_line import assert_refused, needs_lpips, picture


@pytest.fixture
def folders(tmp_path):
    """Smooth pictures, others of the same kind, and noise."""
    for i in range(12):
        picture(tmp_path / "one" / f"{i}.png", seed=i)
        picture(tmp_path / "two" / f"{i}.png", seed=100 + i)
    noise = np.random.RandomState(0).randint(0, 255, (12, 64, 64, 3)).astype(np.uint8)
    (tmp_path / "noise").mkdir()
    for i, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / "noise" / f"{i}.png")
    return [str(tmp_path / name) for name in ("one", "two", "noise")]


@needs_lpips
def test_folders_and_a_model_have_distances(zplus, model, folders):
    one, two, noise = folders
    near, far, drawn = (zplus("distance", a, b, "--resolution", 32, "--json").json
                        for a, b in ((one, two), (noise, two), (model, two)))  # fmt: skip
    assert near["pictures"] == drawn["pictures"] == [12, 12] and near["resolution"] == 32
    for name in ("kernel_distance", "frechet_distance"):
        assert near[name] < 0.5 * far[name]
        assert drawn[name] > 0
    said = zplus("distance", one, two, "--resolution", 32, "--count", 8).out
    assert "kernel distance" in said and "(8 and 8 pictures of 32 px)" in said


@needs_lpips
def test_what_cannot_be_compared(zplus, model, folders, tmp_path):
    assert_refused(zplus("distance", folders[0], tmp_path / "none"))
    assert_refused(zplus("distance", tmp_path / "none.safetensors", folders[0]))
    for side in (16, 33, 512):
        result = zplus("distance", folders[1], folders[0], "--resolution", side)
        assert_refused(result)
        assert "32, 64, 128, 256 pixels" in result.err
