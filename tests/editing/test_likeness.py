"""The correction that brings a person back: who is seen comes nearer, what the edit did stays, and it is an edit."""

from dataclasses import replace

import pytest
import torch

from points import direction_of, generator_of, latent_at, normal
from zplus.direction import Direction
from zplus.editing import edit, keep_identity, likeness
from zplus.errors import FaceError, ZplusError
from zplus.execution import EAGER
from zplus.latent import load_latent, save_latent
from zplus.perception import age_identity
from zplus.perception.lpips import at
from zplus.spaces import make_space, render

WIDTHS = {"identity": 128, "age": 1, "gender": 1, "smile": 1}
SCORES = ("age", "gender", "smile")
READERS = {name: 0.1 * normal(3 * 32 * 32, width, seed=i) for i, (name, width) in enumerate(WIDTHS.items())}


class LinearFace:
    """Scores of pictures of 32 px that are linear in them."""

    def __getattr__(self, name):
        if name not in READERS:
            raise AttributeError(name)
        return lambda picture: (picture.flatten(1) @ READERS[name]).squeeze(1)


def seen(generator, latent, name):
    return getattr(LinearFace(), name)(render(generator, latent))


@pytest.fixture(autouse=True)
def _linear(monkeypatch):
    monkeypatch.setattr(likeness, "_face", lambda picture, detector: LinearFace())
    monkeypatch.setattr(likeness, "FaceDetector", lambda: None)
    monkeypatch.setattr(likeness, "COARSE", 4)
    monkeypatch.setattr(likeness, "STRIDE", 0.1)
    monkeypatch.setattr(likeness, "SPREADS", dict.fromkeys((*SCORES, "age_identity"), 0.1))


def edited(architecture, name):
    generator = generator_of(architecture)
    latent = latent_at(make_space(name, generator), n=1)
    return generator, latent, edit(generator, latent, {direction_of(generator): 1.5})


@pytest.mark.parametrize("name", ["z+", "w+", "s", "f/z+", "f/w+", "f/s"])
@pytest.mark.parametrize("architecture", ["skip", "mobile"])
def test_the_person_comes_nearer_and_the_edit_stays(architecture, name, monkeypatch):
    generator, plain, before = edited(architecture, name)
    after = keep_identity(generator, before, steps=30)
    monkeypatch.setattr(likeness, "SPREADS", dict.fromkeys(likeness.SPREADS, 1e6))
    free = keep_identity(generator, before, steps=30)
    person = seen(generator, plain, "identity")
    near, far = ((seen(generator, x, "identity") - person).norm() for x in (after, before))
    assert near < 0.97 * far
    held, loose = (
        sum((seen(generator, x, score) - seen(generator, before, score)).square().item() for score in SCORES)
        for x in (after, free)
    )
    assert held < 0.3 * loose


@pytest.mark.parametrize("feature", ["moved", "fixed"])
def test_what_is_asked_for_is_asked_of_the_picture_that_is_shown(feature, monkeypatch):
    monkeypatch.setattr(likeness, "COLOUR", 1e5)
    generator, plain, before = edited("skip", "f/z+")
    before = edit(generator, before, {}, feature=feature)
    vector = 0.2 * normal(1, generator.num_codes, generator.w_dim)
    direction = Direction("any", "w+", vector[0], generator.mapping_fingerprint)
    photo, told, shown = (
        render(generator, x) for x in (plain, before, edit(generator, before, {direction: 1.0}, feature=feature))
    )
    face, years = LinearFace(), torch.tensor(age_identity.card()["coefficients"]).float()
    held = sum((getattr(face, score)(shown - told) / 0.1).square().item() for score in SCORES)
    held += (face.identity(shown - told) @ years / 0.1).square().item()
    colours = (at(shown, 4) - at(told, 4)).square().mean().item()
    wanted = 4 * face.identity(shown - photo).square().sum().item() + held + 1e5 * colours
    found = likeness._Correction(generator, before, EAGER).loss(vector)
    assert float(found) == pytest.approx(wanted, rel=1e-3) and 1e5 * colours > 0.04 * wanted


def test_only_what_the_mask_shows_is_judged():
    generator, plain, before = edited("skip", "w+")
    mask = torch.zeros(1, 1, 32, 32)
    hidden = edit(generator, before, {}, mask=mask)
    correction = likeness._Correction(generator, hidden, EAGER)
    vector = 0.2 * normal(1, generator.num_codes, generator.w_dim)
    assert torch.equal(correction.edited, render(generator, plain))
    assert float(correction.loss(vector)) == pytest.approx(0, abs=1e-6)  # nobody sees an edit


def test_it_is_an_edit_like_any_other(tmp_path):
    generator, _, before = edited("skip", "f/z+")
    after = keep_identity(generator, before)
    assert [one.direction.name for one in after.edits] == ["likeness", "w-7"]
    save_latent(after, tmp_path / "a.safetensors")
    assert torch.equal(render(generator, load_latent(tmp_path / "a.safetensors")), render(generator, after))
    back = edit(generator, after, {one.direction: -one.strength for one in after.edits[:1]})
    assert torch.equal(render(generator, back), render(generator, before))
    card = after.edits[0].direction.card
    assert card == {"method": "likeness", "edits": {"w-7": 1.5}}


def test_a_second_one_takes_the_place_of_the_first():
    generator, _, before = edited("skip", "w+")
    once, twice = keep_identity(generator, before), keep_identity(generator, keep_identity(generator, before))
    assert len(twice.edits) == 2 and torch.equal(once.edits[0].direction.vector, twice.edits[0].direction.vector)


def test_codes_that_tint_stay():
    generator, _, before = edited("skip", "w+")
    vector = keep_identity(generator, before).edits[0].direction.vector
    assert vector.shape == (generator.num_codes, generator.w_dim) and vector.abs().amax(1).min() > 0
    fine = [layer.code for layer in generator.layers if layer.resolution > 8]
    likeness_of_fewer = replace_tints(generator, before, 4)
    assert likeness_of_fewer[min(fine) :].abs().max() == 0 and likeness_of_fewer[0].abs().max() > 0


def replace_tints(generator, before, tints):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likeness, "TINTS", tints)
        return keep_identity(generator, before).edits[0].direction.vector


def test_what_cannot_be_kept_alike(monkeypatch):
    generator, plain, before = edited("skip", "f/z+")
    on_sphere = edit(generator, plain, {direction_of(generator): 1.5}, move="sphere")
    one_code = latent_at(make_space("w", generator), n=1)
    refused = [
        plain, on_sphere, edit(generator, one_code, {direction_of(generator): 1.0}),
        edit(generator, latent_at(make_space("f/z+", generator)), {direction_of(generator): 1.0}),
        replace(before, added={generator.layers[0].name: torch.zeros(1, 8, 4, 4)}),
    ]  # fmt: skip
    for latent in refused:
        with pytest.raises(ZplusError, match="one face that was edited straight"):
            keep_identity(generator, latent)
    monkeypatch.undo()
    with pytest.raises(FaceError, match="No face"):
        keep_identity(generator, before)
