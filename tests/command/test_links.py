"""A link that lies where a command makes up a name is refused: what it leads to is not written over."""

import pytest

from command_line import assert_refused, needs_lpips, picture
from tiny import tiny_stylegan2
from zplus.latent import Point, save_latent
from zplus.spaces import latent_of, make_space

WORDS = "is a link, and what it leads to would be written over: delete it first."


@pytest.fixture
def link(tmp_path):
    """Makes a link in the folder `out` to a file that must stay."""
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")

    def make(name: str):
        (tmp_path / "out").mkdir(exist_ok=True)
        try:
            (tmp_path / "out" / name).symlink_to(precious)
        except OSError:
            pytest.skip("links cannot be made here")
        return tmp_path / "out"

    yield make
    assert precious.read_text(encoding="utf-8") == "mine"


@pytest.fixture
def latent(tmp_path):
    space = make_space("z+", tiny_stylegan2())
    save_latent(latent_of(space, Point(space.sample(1, 1))), tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def assert_link_refused(result, code=2):
    assert result.code == code and WORDS in result.err, result.err


@pytest.mark.parametrize("name", ["seed000001.png", "sheet.png"])
def test_samples(zplus, model, link, name):
    result = zplus("sample", "--seeds", "0-1", "--model", model, "-o", (out := link(name)))
    assert_refused(result)
    assert_link_refused(result)
    assert [x.name for x in out.iterdir()] == [name]  # nothing is drawn before


def test_frames(zplus, model, link, latent):
    out = link("frame0002.png")
    assert_link_refused(zplus("interpolate", latent, latent, "--frames", "3", "--model", model, "-o", out))
    assert len(list(out.iterdir())) == 1
    film = out / "film.webp"  # has no frames beside it
    assert zplus("interpolate", latent, latent, "--frames", "3", "--model", model, "-o", film).code == 0


def test_components(zplus, model, link):
    wish = ("directions", "learn", "--components", "1", "--method", "factorize", "--model", model)
    (name,) = (x["name"] for x in zplus(*wish, "-o", link("other"), "--json").json["results"])
    (link("unrelated").parent / "out" / f"{name}.safetensors").unlink()
    assert_link_refused(zplus(*wish, "-o", link(f"{name}.safetensors")))


def test_the_demo(zplus, link, photo):
    assert_link_refused(zplus("demo", photo, "-o", link("report.json")))


@needs_lpips
@pytest.mark.parametrize(
    ("name", "code"),
    [("0.latent.safetensors", 1), ("0.aligned.png", 1), ("0.json", 1), ("manifest.jsonl", 2), ("summary.json", 2)],
)
def test_inversions(zplus, model, link, tmp_path, name, code):
    photos = [picture(tmp_path / f"{i}.png", i) for i in range(2)]
    out = link(name)
    assert_link_refused(zplus("invert", *photos, "--model", model, "--no-align", "-o", out), code)
    assert (out / "1.json").exists() == (code == 1)  # one photo does not stop the others


@needs_lpips
@pytest.mark.parametrize("name", ["0.edited.png", "0.edited.json"])
def test_edited_photos(zplus, model, direction, link, tmp_path, monkeypatch, name):
    monkeypatch.setattr("zplus.workflow.models.pull_missing", lambda names, callbacks: None)
    for i in range(2):
        picture(tmp_path / "photos" / f"{i}.png", i)
    out = link(name)
    wish = ("edit", tmp_path / "photos", "-d", direction, "--no-align", "--model", model, "-o", out)
    assert_link_refused(zplus(*wish), 1)
    assert (out / "1.edited.png").exists()
