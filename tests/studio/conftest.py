"""What tests of the studio share: a tiny generator, sessions without a page, and a program that really runs."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from command_line import ASTRONAUT, picture
from studio_program import Studio
from tiny import tiny_stylegan2
from zplus.generators import save_generator
from zplus.inversion.settings import PRESETS
from zplus.studio import models as shared
from zplus.studio.models import Models
from zplus.studio.session import AS_IT_IS, Session


@pytest.fixture
def _quick(monkeypatch):
    """Inversions of few steps, eager, judged at 32 px."""
    monkeypatch.setitem(PRESETS, "default", replace(PRESETS["default"], steps=3, lpips_size=32, candidates=2))
    monkeypatch.setitem(shared.QUALITIES, "quick", {"steps": 2})
    monkeypatch.setenv("ZPLUS_EAGER", "1")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The file of a generator without directions."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_generator(tiny_stylegan2(), path)
    return path


@pytest.fixture
def models(tiny, _quick) -> Models:
    return Models([tiny])


@pytest.fixture
def session(models) -> Session:
    return Session(models)


@pytest.fixture
def how() -> dict:
    """How a photo is to be inverted."""
    return {"model": "tiny.safetensors", "face": AS_IT_IS}


@pytest.fixture
def photo(tmp_path) -> bytes:
    """A picture without a face, as it is uploaded."""
    return picture(tmp_path / "me.png").read_bytes()


@pytest.fixture(scope="session")
def two_faces() -> bytes:
    """A photo of two people, the larger one on the left."""
    with Image.open(ASTRONAUT) as image:
        astronaut = image.convert("RGB").resize((300, 300))
    both, content = Image.new("RGB", (500, 300), "white"), io.BytesIO()
    both.paste(astronaut, (0, 0))
    both.paste(astronaut.resize((200, 200)), (300, 50))
    both.save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="session")
def running(tmp_path_factory) -> Iterator[Studio]:
    """One that keeps nothing."""
    studio = Studio(tmp_path_factory.mktemp("cache"))
    yield studio
    studio.end()
