"""What tests of the studio share: a tiny generator, sessions without a page, and a program that really runs."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from command_line import ASTRONAUT, picture
from studio_browser import BROWSER, FLAGS, Visitor, sync_playwright
from studio_program import Studio
from tiny import tiny_stylegan2
from zplus.generators import save_generator
from zplus.inversion.settings import PRESETS
from zplus.studio import AS_IT_IS
from zplus.studio import models as shared
from zplus.studio.models import Models
from zplus.studio.session import Session


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
    """A picture without a face, as it is uploaded; it knows where it was taken."""
    path, exif = picture(tmp_path / "me.png"), Image.Exif()
    exif[0x010E] = "secret"
    with Image.open(path) as image:
        image.save(path, exif=exif)
    return path.read_bytes()


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


@pytest.fixture(scope="session")
def short(tmp_path_factory) -> Iterator[Studio]:
    """One whose quick inversions take few steps."""
    studio = Studio(tmp_path_factory.mktemp("cache"), short=True)
    yield studio
    studio.end()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, short):
    """Opens windows; afterwards none of them has asked another machine for anything, nor has the program."""
    visitors = []

    def call(studio=short, **window) -> Visitor:
        visitors.append(Visitor(browser, studio, **window))
        return visitors[-1]

    yield call
    for visitor in visitors:
        own = f"http://127.0.0.1:{visitor.studio.port}/"
        assert [url for url in visitor.asked if not url.startswith((own, "data:", "blob:", "about:"))] == []
        assert visitor.complaints == []
        assert visitor.studio.asked == []
        visitor.context.close()
