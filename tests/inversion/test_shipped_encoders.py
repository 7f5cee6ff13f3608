"""The encoders that come with the package: small files with a card, and codes that show the picture."""

from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from command_line import needs_lpips
from points import image_of, point_of
from zplus.execution import EAGER
from zplus.generators import load_generator
from zplus.inversion import invert
from zplus.inversion.encoder import encoder_of
from zplus.spaces import make_space, render

FILES = sorted(Path(str(files("zplus.inversion") / "encoders")).glob("*.safetensors"))


def test_there_are_encoders():
    assert "avatars64" in [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_is_small_and_has_a_card(path):
    assert path.stat().st_size < 30e6
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert all(word in card for word in ("**Data.**", "**Terms.**", "**Training.**", "**Figures.**", "cannot do"))
    with safe_open(path, "pt") as file:
        assert "held out f/z+" in file.metadata()["card"]


@needs_lpips
@pytest.mark.parametrize("space", ["w+", "z+", "f/w+", "f/z+"])
def test_codes_show_the_picture(space):
    generator = load_generator("avatars64")
    prior = make_space("z", generator)
    target = image_of(prior, point_of(prior, 8, seed=9)).clamp(-1, 1)
    latent = invert(generator, target, space, "e4e", execution=EAGER)
    mean = image_of(where := make_space("w", generator), point_of(where, 1)._replace(code=where.mean(1)))
    found, nothing = ((x - target).square().mean() for x in (render(generator, latent), mean))
    assert found < (0.35 if space.startswith("f/") else 0.75) * nothing
    assert torch.tensor(latent.figures["strangeness"]).max() < 3


@needs_lpips
def test_it_is_where_an_inversion_starts():
    generator = load_generator("avatars64")
    assert encoder_of(generator) is encoder_of(generator)
    prior, first = make_space("z", generator), {}
    target = image_of(prior, point_of(prior, 4, seed=9)).clamp(-1, 1)
    for init in ("auto", "common"):
        losses: list[torch.Tensor] = []
        settings = {"init": init, "steps": 2, "lpips_size": 64}
        invert(generator, target, execution=EAGER, callback=lambda p: losses.append(p.loss), **settings)  # noqa: B023
        first[init] = losses[0].mean()
    assert first["auto"] < 0.7 * first["common"]
