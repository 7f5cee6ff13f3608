"""hubconf.py as torch.hub reads it."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

import zplus
from points import direction_of

ROOT = str(Path(__file__).parents[1])


@pytest.fixture(autouse=True)
def _own_paths(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def entry(name, *arguments, **options):
    return torch.hub.load(ROOT, name, *arguments, source="local", **options)


def test_the_entries_and_their_help():
    module = runpy.run_path(f"{ROOT}/hubconf.py")
    entries = {name: x for name, x in module.items() if callable(x) and not name.startswith("_")}
    assert sorted(entries) == ["edit", "generator", "invert", "render"]
    assert all("Args:" in x.__doc__ for x in entries.values())


def test_from_a_generator_to_an_edited_image():
    generator = entry("generator", "avatars64")
    assert generator.fingerprint == zplus.load_generator("avatars64").fingerprint
    latent = zplus.sample(generator, 1, seed=4)
    edited = entry("edit", generator, latent, {direction_of(generator): 1.0})
    images = [entry("render", generator, x) for x in (latent, edited)]
    assert torch.equal(images[0], zplus.render(generator, latent))
    assert (images[1] - images[0]).abs().mean() > 0.01


def test_an_entry_is_the_function_of_the_package():
    with pytest.raises(zplus.ZplusError, match="align it at that size"):
        entry("invert", zplus.load_generator("avatars64"), torch.zeros(1, 3, 32, 32))
