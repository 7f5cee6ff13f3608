"""Sliders of a notebook: what they show and keep, and an example that a real kernel executes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import ipywidgets
import pytest

import zplus
from points import direction_of, generator_of, latent_at
from zplus.errors import LatentError, MissingExtraError, UnknownNameError
from zplus.images import image_bytes, to_pixels
from zplus.spaces import make_space

EXAMPLE = Path(__file__).parents[2] / "examples" / "sliders.ipynb"


@pytest.fixture
def generator():
    return generator_of("skip")


@pytest.fixture
def latent(generator):
    return latent_at(make_space("f/z+", generator, "16"), 1)


def shown(generator, latent):
    """The bytes that a panel shows of a latent."""
    return image_bytes(to_pixels(zplus.render(generator, latent)[0]), ".jpg", f"shown by {generator.name}")


def test_a_slider_shows_what_edit_and_render_say(generator, latent):
    first, second = direction_of(generator), direction_of(generator, seed=8)
    panel = zplus.sliders(generator, latent, [first, second])
    *moved, image = panel.children
    assert image.value == shown(generator, latent)
    moved[0].value = 1.25
    moved[1].value = -0.5
    expected = zplus.edit(generator, latent, {first: 1.25, second: -0.5})
    assert image.value == shown(generator, expected) != shown(generator, latent)
    assert [one.strength for one in panel.latent.edits] == [one.strength for one in expected.edits]
    moved[0].value = moved[1].value = 0.0
    assert image.value == shown(generator, latent)


def test_sliders_add_to_the_edits_of_a_latent(generator, latent):
    direction = direction_of(generator)
    panel = zplus.sliders(generator, zplus.edit(generator, latent, {direction: 1.0}), [direction])
    panel.children[0].value = -1.0
    assert panel.children[-1].value == shown(generator, latent)


def test_a_slider_has_the_range_of_its_card():
    generator = zplus.load_generator("avatars64")
    panel = zplus.sliders(generator, zplus.sample(generator))
    built_in = zplus.directions_of(generator)
    *moved, image = panel.children
    assert [(one.min, one.max) for one in moved] == [x.range or (-1.5, 1.5) for x in built_in.values()]
    assert [one.description for one in moved] == ["Long hair"]
    assert isinstance(image, ipywidgets.Image)


def test_rows_are_shown_side_by_side(generator):
    panel = zplus.sliders(generator, latent_at(make_space("w", generator), 3), [direction_of(generator)])
    panel.children[0].value = 1.0
    assert len(panel.latent) == 3


def test_what_does_not_fit_is_refused(generator, latent):
    with pytest.raises(UnknownNameError, match="direction"):
        zplus.sliders(generator, latent, ["smile"])
    with pytest.raises(LatentError, match="belongs to"):
        zplus.sliders(generator_of("skip", 1), latent, [])
    with pytest.raises(LatentError, match="another generator"):
        zplus.sliders(generator, latent, [direction_of(generator_of("skip", 1))])


def test_without_ipywidgets_the_extra_is_named(generator, latent, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(MissingExtraError, match=r"zplus\[notebook\]"):
        zplus.sliders(generator, latent, [])


EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300).execute()
print(nbformat.writes(notebook))
"""


def test_a_kernel_executes_the_example(tmp_path):
    """In a process of its own, because kernels leave things behind."""
    cells = json.loads(EXAMPLE.read_text(encoding="utf-8"))["cells"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    command, variables = [sys.executable, "-c", EXECUTE, str(EXAMPLE)], {**os.environ, "ZPLUS_EAGER": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True, timeout=600)
    cells = json.loads(done.stdout)["cells"]
    first, panel, latent = [cell["outputs"][-1]["data"] for cell in cells if cell["cell_type"] == "code"]
    assert first["image/png"] != latent["image/png"]
    assert "application/vnd.jupyter.widget-view+json" in panel
    assert not list(tmp_path.iterdir())
