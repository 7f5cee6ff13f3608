"""What is copied as commands does what was done on the page."""

import io
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zplus
from command_line import ASTRONAUT, needs_faces, needs_lpips
from zplus.command.app import run
from zplus.images import read_image
from zplus.studio.jobs import drag, invert
from zplus.studio.recipe import recipe
from zplus.studio.saving import saved
from zplus.studio.session import Session


def told(session):
    return recipe(session.models, *session.shown())


def assert_same(made: Path, session):
    """A picture is the one that the page saves, but for rounding that JPEG spreads."""
    content, _ = saved(*session.shown(), "picture", True)
    expected = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    assert np.abs(read_image(made) - expected).mean() < 0.05


def inverted(models, file: str) -> Session:
    """The example photo as a file of this name, found in avatars64."""
    Path(file).write_bytes(ASTRONAUT.read_bytes())
    session = Session(models)
    session.take(ASTRONAUT.read_bytes(), file)
    invert(session, "avatars64", "f/z+", "quick").wait(120.0)
    return session


@pytest.fixture
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_here")
def test_the_python_of_a_sample_draws_the_same_picture(session, tiny):
    session.sample("tiny.safetensors", "z", 3)
    found = told(session)
    assert str(tiny) in found["shell"] and "--seeds 3" in found["shell"]
    exec(found["python"], {})
    assert np.abs(read_image("face-3.edited.png").astype(int) - session.opened.after()).max() <= 1


def test_edits_that_a_file_holds_already_are_not_made_again(session):
    generator = session.models.generator("avatars64")
    latent = zplus.edit(generator, zplus.sample(generator), {"long_hair": 1.0})
    session.open_latent(latent, "me")
    opened = session.opened
    hair = [slider.name for slider in opened.sliders].index("long_hair")
    assert told(session)["shell"] == "zplus edit me.latent.safetensors --model avatars64 -o me.edited.png"
    strengths = [1.5 if i == hair else 0.0 for i in range(len(opened.sliders))]
    strengths[hair - 1] = 2.0  # an axis that only the studio knows
    opened.move(strengths, "moved")
    axis = opened.sliders[hair - 1].name
    found = told(session)
    assert "-d long_hair=0.5" in found["shell"] and f"# {axis} is an axis" in found["shell"]
    assert "{'long_hair': 0.5}" in found["python"] and f"# {axis} is an axis" in found["python"]


@needs_faces
@needs_lpips
@pytest.mark.usefixtures("_here")
def test_the_commands_of_a_photo_make_the_same_picture(models, tmp_path):
    session = inverted(models, "her photo.png")
    opened = session.opened
    hair = [slider.name for slider in opened.sliders].index("long_hair")
    opened.move([1.5 if i == hair else 0.0 for i in range(len(opened.sliders))], "moved")
    drag(session, [(25.0, 32.0, 30.0, 32.0)]).wait(120.0)
    lines = told(session)["shell"].splitlines()
    assert [line.split()[1] for line in lines] == ["invert", "edit", "drag"]
    for line in lines:
        assert run(shlex.split(line)[1:]) == 0, line
    assert_same(tmp_path / "her photo.edited.jpg", session)


@needs_faces
@needs_lpips
@pytest.mark.usefixtures("_here")
def test_the_python_of_a_photo_makes_the_same_picture(models, tmp_path):
    session = inverted(models, "me.png")
    session.opened.move([1.5] + [0.0] * (len(session.opened.sliders) - 1), "added")
    exec(told(session)["python"], {"zplus": zplus})
    assert_same(tmp_path / "me.edited.jpg", session)
