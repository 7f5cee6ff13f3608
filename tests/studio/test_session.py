"""What a visitor does, without a page: photo, faces, inversion, sliders, undo, paste, files, and what stays of it."""

import errno
import io
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import needs_faces, needs_lpips, picture
from networks import random_encoder
from studio_program import temporary_files
from tiny import tiny_stylegan2
from zplus.editing import FINDERS, Search, edit
from zplus.errors import (
    DownloadError,
    FaceError,
    ImageError,
    LatentError,
    UnknownNameError,
    ZplusError,
)
from zplus.faces.align import whole
from zplus.faces.paste import paste
from zplus.generators import save_generator
from zplus.images import read_image, to_pixels
from zplus.inversion import Progress
from zplus.latent import Point, load_latent
from zplus.spaces import latent_of, render
from zplus.studio import session as module
from zplus.studio.answers import Visit, compared, inverted
from zplus.studio.job import Job
from zplus.studio.models import Models, chosen
from zplus.studio.opened import SliderState
from zplus.studio.parcels import Parcels
from zplus.studio.session import Session
from zplus.studio.showing import failed
from zplus.workflow.sheet import RATE

MARK = b"compositeWithTrainedAlgorithmicMedia"


def finish(job: Job) -> None:
    for _ in job.watch(0.02):
        pass


def state(session: Session, *first: float, feature: str = "moved") -> SliderState:
    assert session.opened is not None
    return SliderState((*first, *(0.0 for _ in session.opened.sliders[len(first) :])), feature)


@pytest.fixture
def open_session(session):
    session.sample("tiny.safetensors", "f/z+", 3)
    return session


@needs_faces
@needs_lpips
def test_a_photo_becomes_an_edited_photo(session, how, photo):
    assert session.take(photo, "me.png") == "photo" and session.faces == []
    finish(session.invert(**how))
    opened = session.opened
    assert opened.has_photo and [s.name for s in opened.sliders] == [f"component {i}" for i in range(1, 6)]
    original = np.asarray(Image.open(io.BytesIO(photo)))
    assert (opened.after(True) == original).all()  # nothing moved, so every pixel is the owner's
    session.opened.move(state(session, 2.0))
    assert (opened.after(True) != original).any() and opened.after(True).shape == original.shape
    assert (opened.after(True)[:, 0] == original[:, 0]).all()  # beyond the crop
    assert opened.after(False).shape == (32, 32, 3)


@needs_faces
@needs_lpips
def test_progress_is_seen_and_true(session, how, photo):
    session.take(photo, "me.png")
    job = session.invert(**how)
    seen = list(job.watch(0.001))
    steps = [one.step for one in seen if one.step]
    assert steps == sorted(steps) and all(one.steps == 3 for one in seen if one.step)
    assert {one.seconds_left for one in seen} == {None}  # three steps say nothing of the pace
    assert any(one.image is not None and one.image.shape == (3, 32, 32) for one in seen)
    assert seen[-1].stage != "Beginning"


@needs_faces
@needs_lpips
def test_doubts_about_an_inversion_are_told(session, how, photo, monkeypatch):
    monkeypatch.setattr(module, "crop_doubts", lambda target: ["12% of the crop lies outside the photo."])
    session.take(photo, "me.png")
    *_, last = inverted(Visit(session, "a", Parcels()), how["model"], "f/z+", "standard", how["face"])
    assert "Move a slider. 12% of the crop lies outside the photo." in last["status"]
    session.forget()
    assert session.doubts == []


class Forever:
    """An inversion that never ends by itself."""

    def __call__(self, generator, photos, space, method, layer, psi, start, callback, *more, **changes):
        kind, image = module.make_space("z", generator), torch.zeros(1, 3, 32, 32)
        for step in range(1, 100_000):
            time.sleep(0.005)
            if callback(Progress(step, 100_000, torch.ones(1), image, step * 0.005)):
                return latent_of(kind, Point(kind.sample(1)), figures={"seconds": [step * 0.005]})
        raise AssertionError("it was not stopped")


@pytest.fixture
def endless(monkeypatch):
    monkeypatch.setattr("zplus.workflow.inverting.invert", Forever())


def until(condition) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


@needs_faces
def test_cancelled_work_leaves_what_was_there(session, how, photo, endless):
    session.take(photo, "me.png")
    job = session.invert(**how)
    until(lambda: job.seen.step > 10)
    assert job.seen.seconds_left == pytest.approx(0.005 * 100_000, rel=1)
    job.stop("drop")
    finish(job)
    assert session.opened is None and session.photo is not None
    assert session.models.turn.acquire(blocking=False)  # others may begin


@needs_faces
def test_stopped_work_is_kept(session, how, photo, endless):
    session.take(photo, "me.png")
    job = session.invert(**how)
    until(lambda: job.seen.step > 2)
    job.stop("keep")
    finish(job)
    assert session.opened is not None and job.stopped == "keep"


@needs_faces
def test_one_inversion_at_a_time(models, how, photo, endless):
    first, second = Session(models), Session(models)
    for session in (first, second):
        session.take(photo, "me.png")
    job = first.invert(**how)
    until(lambda: job.seen.step)
    with pytest.raises(ZplusError, match="is running"):
        first.invert(**how)
    other = second.invert(**how)
    until(lambda: other.seen.stage.startswith("Waiting"))
    job.stop("drop")
    until(lambda: other.seen.step)
    second.forget()  # who leaves gives the machine back
    finish(other)
    assert models.turn.acquire(blocking=False)


@needs_faces
def test_errors_of_the_thread_reach_the_visitor(session, photo):
    session.take(photo, "me.png")
    with pytest.raises(FaceError, match="No face"):
        finish(session.invert("tiny.safetensors", face=0))
    for unknown in (("tiny",), ("tiny.safetensors", "f/z++"), ("tiny.safetensors", "f/z+", "bst")):
        with pytest.raises(UnknownNameError):
            session.invert(*unknown)


@needs_lpips
def test_without_the_face_detector_pictures_go_as_they_are(session, how, photo, monkeypatch):
    def missing(pixels):
        raise DownloadError("The files of face_recognition_models are not on this machine: run 'zplus pull faces'.")

    monkeypatch.setattr(session.models.detector, "find", missing)
    session.take(photo, "me.png")
    assert "zplus pull faces" in session.why_no_face
    finish(session.invert(**how))
    assert session.opened is not None


@needs_faces
def test_several_faces_can_be_chosen(session, two_faces):
    session.take(two_faces, "two.png")
    assert len(session.faces) == 2 and [x.shape for x in session.thumbnails()] == [(128, 128, 3)] * 2
    generator = session.models.generator("tiny.safetensors")
    large, small = (session._cut(session.photo, face, generator).quad for face in (0, 1))
    assert large[:, 0].mean() < 250 < small[:, 0].mean()


def test_sliders_move_the_picture_and_come_back(open_session):
    opened = open_session.opened
    before = opened.after(False)
    open_session.opened.move(state(open_session, 1.5))
    moved = opened.after(False)
    assert (moved != before).any()
    open_session.opened.move(state(open_session, 1.5, feature="fixed"))
    assert (opened.after(False) != moved).any()
    opened.history.undo()
    assert (opened.after(False) == moved).all()
    opened.history.undo()
    assert (opened.after(False) == before).all()
    opened.history.redo()
    assert (opened.after(False) == moved).all()
    opened.reset()
    assert (opened.after(False) == before).all() and opened.history.undo().strengths[0] == 1.5


@pytest.mark.parametrize("strengths", [(1.0,), (float("nan"),) * 5, (float("inf"),) * 5])
def test_sliders_that_are_none_are_refused(open_session, strengths):
    with pytest.raises(ZplusError, match="do not fit"):
        open_session.opened.move(SliderState(strengths))


@pytest.mark.parametrize("space", ["z", "z+", "w", "w+", "s", "f/w"])
def test_a_sample_is_the_same_face_in_every_space(session, space):
    session.sample("tiny.safetensors", "f/z+", 5)
    expected = session.opened.reconstruction
    session.sample("tiny.safetensors", space, 5)
    assert session.opened.latent.space == space
    assert torch.allclose(session.opened.reconstruction, expected, atol=1e-3)
    session.sample("tiny.safetensors", space, 6)
    assert not torch.allclose(session.opened.reconstruction, expected, atol=1e-1)


def test_seeds_that_are_none(session):
    with pytest.raises(ZplusError, match="seed"):
        session.sample("tiny.safetensors", "z+", -1)


def test_files_to_save(open_session, tmp_path):
    opened = open_session.opened
    with pytest.raises(ZplusError, match="Move a slider"):
        opened.download("strip", False)
    open_session.opened.move(state(open_session, 1.0, -0.5))
    latent, name = opened.download("latent", False)
    assert name == "sample-3.latent.safetensors"
    (tmp_path / name).write_bytes(latent)
    edited = load_latent(tmp_path / name)
    generator = open_session.models.generator("tiny.safetensors")
    assert sorted(edit.strength for edit in edited.edits) == [-0.5, 1.0]
    content, name = opened.download("picture", False)
    assert name.endswith(".png") and MARK in content
    (tmp_path / name).write_bytes(content)
    assert (read_image(tmp_path / name) == to_pixels(render(generator, edited)[0])).all()
    strip, _ = opened.download("strip", False)
    assert Image.open(io.BytesIO(strip)).size == (5 * 32, 32) and MARK in strip
    film, name = opened.download("animation", False)
    with Image.open(io.BytesIO(film)) as image:
        assert name.endswith(".webp") and image.n_frames > 23 and MARK in film
        lasting = 0
        for i in range(image.n_frames):  # of frames that look the same one is kept, and lasts longer
            image.seek(i)
            image.load()
            lasting += image.info["duration"]
    assert lasting == 46 * round(1000 / RATE)


def test_a_saved_latent_opens_with_its_sliders(open_session, models):
    open_session.opened.move(state(open_session, 1.0, -0.5, feature="added"))
    content, name = open_session.opened.download("latent", False)
    picture = open_session.opened.after(False)
    other = Session(models)
    assert other.take(content, name) == "latent"
    assert other.opened.state == open_session.opened.state and other.name == "sample-3"
    assert np.abs(other.opened.after(False).astype(int) - picture).max() <= 1
    other.opened.reset()
    assert (other.opened.after(False) == other.opened.target.pixels).all()


@pytest.mark.parametrize("move", ["straight", "sphere"])
def test_a_saved_latent_opens_with_its_move(open_session, models, move):
    generator, latent = models.generator("tiny.safetensors"), open_session.opened.latent
    slider, other = open_session.opened.sliders[:2]
    edited = edit(generator, latent, {slider: 1.5}, move=move)
    open_session.open_latent(edited, "with")
    opened = open_session.opened
    assert np.abs(opened.after(False).astype(int) - to_pixels(render(generator, edited)[0])).max() <= 1
    opened.move(state(open_session, 1.5, -1.0))
    expected = edit(generator, edited, {other: -1.0})
    assert expected.move == opened.edited(opened.state).move == move
    assert np.abs(opened.after(False).astype(int) - to_pixels(render(generator, expected)[0])).max() <= 1


def test_edits_without_a_slider_stay(open_session, models):
    generator = models.generator("tiny.safetensors")
    foreign = FINDERS["principal"](generator, Search(count=8))[7]
    edited = edit(generator, open_session.opened.latent, {foreign: 2.0})
    open_session.open_latent(edited, "with")
    opened = open_session.opened
    assert not any(opened.state.strengths) and [one.direction.name for one in opened.latent.edits] == [foreign.name]
    assert (opened.after(False) == to_pixels(render(generator, edited)[0])).all()
    target = whole(opened.target.pixels[::-1].copy(), 32)
    open_session.open_latent(edited, "with", target)
    content, _ = open_session.opened.download("picture", True)  # in the photo they show as well
    expected = paste(target, *(render(generator, x)[0] for x in (replace(edited, edits=(), edited=None), edited)))
    saved = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    assert (expected != target.photo).any() and np.abs(saved - expected).mean() < np.abs(saved - target.photo).mean()
    assert (open_session.opened.after(True) != target.photo).any()


@needs_faces
@needs_lpips
def test_the_same_edit_in_several_spaces(open_session):
    open_session.opened.move(state(open_session, 2.0))
    job = open_session.compare(("w+", "z+"))
    finish(job)
    found = job.result
    assert [caption for _, caption in found] == ["W+", "Z+"]
    assert (found[0][0] != found[1][0]).any()
    open_session.models.turn.acquire()  # what was found is found no second time
    again = open_session.compare(("w+", "z+"))
    finish(again)
    assert all((a == b).all() for (a, _), (b, _) in zip(again.result, found, strict=True))


def test_a_comparison_can_only_be_cancelled(open_session, endless):
    offered = set()
    for values in compared(Visit(open_session, "a", Parcels()), "quick"):
        offered |= {name for name in ("stop", "cancel") if values.get(name, {}).get("visible")}
        open_session.job.stop("drop")
    assert offered == {"cancel"}


def test_the_studio_has_no_labels(open_session, tiny, tmp_path):
    save_generator(tiny_stylegan2(c_dim=3), tmp_path / "g.safetensors")
    models = Models([tmp_path / "g.safetensors", tiny])
    with pytest.raises(ZplusError, match="the studio has no labels"):
        models.generator("g.safetensors")
    other = Session(models)
    other.open_latent(open_session.opened.latent, "me")  # of the other model
    assert other.opened.model == "tiny.safetensors"


def test_what_went_wrong_with_a_file_is_said_as_on_the_command_line(session):
    told = failed(OSError(errno.EACCES, "Permission denied", "b.png"), session)["status"]
    assert "b.png: Permission denied: check the name" in told


def test_latents_of_other_models_are_refused(open_session, tiny, tmp_path):
    content, name = open_session.opened.download("latent", False)
    without = Session(Models([]))
    with pytest.raises(LatentError, match="is not here"):
        without.take(content, name)
    with pytest.raises(LatentError, match="damaged"):
        open_session.take(content[:-100], name)
    assert open_session.opened is not None


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"0" * 100, b"01234567{"])
def test_files_that_are_neither(session, content):
    before = temporary_files()
    with pytest.raises((ImageError, LatentError)) as told:
        session.take(content, "../../etc/passwd")
    assert "/" not in str(told.value).replace("or a", "") and session.photo is None
    assert temporary_files() == before


def test_pictures_of_too_many_pixels_are_refused(session):
    content = io.BytesIO()
    Image.new("1", (9000, 9000)).save(content, "PNG")
    with pytest.raises(ImageError, match="million pixels"):
        session.take(content.getvalue(), "bomb.png")


@needs_faces
def test_nothing_but_pixels_is_taken_from_a_file(session, tmp_path):
    path = picture(tmp_path / "me.jpg")
    exif = Image.Exif()
    exif[0x010E] = "secret words"
    exif.get_ifd(0x8825)[1] = "N"
    with Image.open(path) as image:
        image.save(path, exif=exif)
    assert b"secret" in path.read_bytes()
    session.take(path.read_bytes(), "me.jpg")
    session.open_latent(latent_of_tiny(session), "me", whole(session.photo, 32))
    session.opened.move(state(session, 1.0))
    content, name = session.opened.download("picture", True)
    assert name == "me.edited.jpg" and MARK in content and b"secret" not in content
    assert dict(Image.open(io.BytesIO(content)).getexif()) == {}


def latent_of_tiny(session):
    other = Session(session.models)
    other.sample("tiny.safetensors", "z+", 0)
    return other.opened.latent


def test_what_is_deleted_is_gone(open_session):
    open_session.delete()
    assert open_session.opened is None and open_session.photo is None and open_session._latents == {}
    with pytest.raises(ZplusError, match="nothing to edit"):
        open_session.something()


def test_quick_is_the_encoder_where_there_is_one(models, monkeypatch):
    generator = models.generator("tiny.safetensors")
    assert chosen(generator, "quick")[0] == "default"
    monkeypatch.setattr("zplus.studio.models.encoder_of", random_encoder)
    assert chosen(generator, "quick")[0] == "e4e" and chosen(generator, "standard")[0] == "hybrid"
    assert chosen(generator, "best")[1].steps > chosen(generator, "standard")[1].steps
