"""What a visitor does, without a page: photo, faces, inversion, sliders, undo, paste, files, and what stays of it."""

import errno
import io
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import needs_faces, needs_lpips, picture
from networks import random_encoder
from studio_program import temporary_files, until
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
from zplus.faces.detector import DetectedFace
from zplus.faces.paste import paste
from zplus.generators import save_generator
from zplus.images import read_image, to_pixels
from zplus.inversion import Progress
from zplus.latent import Point, load_latent
from zplus.spaces import latent_of, make_space, render
from zplus.studio import answers, jobs
from zplus.studio import session as module
from zplus.studio.entry import Entry
from zplus.studio.job import Job
from zplus.studio.jobs import compare, drag, invert, invert_all
from zplus.studio.models import Models, chosen
from zplus.studio.opened import Opened
from zplus.studio.saving import saved
from zplus.studio.session import Session
from zplus.studio.showing import failed
from zplus.workflow.sheet import RATE

MARK = b"compositeWithTrainedAlgorithmicMedia"


def finish(job: Job) -> None:
    job.wait(60.0)
    assert not job.running
    if job.error is not None:
        raise job.error


def move(session: Session, *first: float, feature: str = "moved", gesture: str = "") -> None:
    opened = session.something()
    opened.move((*first, *(0.0 for _ in opened.sliders[len(first) :])), feature, gesture)


def photo_now(session: Session):
    """The photo with all edits, as the page shows it."""
    return session.shown()[0].preview()


def save(session: Session, kind: str, in_photo: bool = False) -> tuple[bytes, str]:
    return saved(*session.shown(), kind, in_photo)


@pytest.fixture
def open_session(session):
    session.sample("tiny.safetensors", "f/z+", 3)
    return session


@needs_faces
@needs_lpips
def test_a_photo_becomes_an_edited_photo(session, how, photo):
    assert session.take(photo, "me.png") == "photo" and not session.entry.faces
    finish(invert(session, **how))
    opened = session.opened
    assert opened.has_photo and [s.name for s in opened.sliders] == [f"component {i}" for i in range(1, 6)]
    original = np.asarray(Image.open(io.BytesIO(photo)))
    assert (photo_now(session) == original).all()  # nothing moved, so every pixel is the owner's
    move(session, 2.0)
    after = photo_now(session)
    assert (after != original).any() and after.shape == original.shape
    assert (after[:, 0] == original[:, 0]).all()  # beyond the crop
    assert opened.after().shape == (32, 32, 3)


@needs_faces
@needs_lpips
def test_the_crop_of_a_photo_is_shown_in_its_light(session, how, photo):
    session.take(photo, "me.png")
    finish(invert(session, **how))
    opened = session.opened
    wanted, bare = (x.mean((0, 1)) for x in (opened.before(), to_pixels(opened.reconstruction)))
    assert abs(opened.after().mean((0, 1)) - wanted).max() < 0.7 * abs(bare - wanted).max()


@needs_faces
@needs_lpips
def test_progress_is_seen_and_true(session, how, photo, monkeypatch):
    seen, step = [], Job.step
    monkeypatch.setattr(Job, "step", lambda job, progress: (step(job, progress), seen.append(job.seen))[0])
    session.take(photo, "me.png")
    finish(invert(session, **how))
    assert [(one.step, one.steps) for one in seen] == [(1, 3), (2, 3), (3, 3)]
    assert {one.seconds_left for one in seen} == {None}  # three steps say nothing of the pace
    assert all(one.image.shape == (3, 32, 32) and one.stage == "Preparing the face" for one in seen)


@needs_faces
@needs_lpips
def test_doubts_about_an_inversion_are_told(session, how, photo, monkeypatch):
    monkeypatch.setattr(jobs, "crop_doubts", lambda target: ["12% of the crop lies outside the photo."])
    session.take(photo, "me.png")
    answers.inverted(session, how["model"], "f/z+", "standard", how["face"])
    session.job.wait(60.0)
    session.sample("tiny.safetensors", "z+", 1)  # meanwhile another face is looked at
    assert "Move a slider. 12% of the crop lies outside the photo." in answers.watched(session, -1)["words"]
    assert session.job is None


class Forever:
    """An inversion that never ends by itself."""

    def __call__(self, generator, photos, space, method, layer, psi, start, callback, *more, **changes):
        kind, image = make_space("z", generator), torch.zeros(1, 3, 32, 32)
        for step in range(1, 100_000):
            time.sleep(0.005)
            if callback(Progress(step, 100_000, torch.ones(1), image, step * 0.005)):
                return latent_of(kind, Point(kind.sample(1)), figures={"seconds": [step * 0.005]})
        raise AssertionError("it was not stopped")


@pytest.fixture
def endless(monkeypatch):
    monkeypatch.setattr("zplus.workflow.inverting.invert", Forever())


@needs_faces
def test_cancelled_work_leaves_what_was_there(session, how, photo, endless):
    session.take(photo, "me.png")
    job = invert(session, **how)
    until(lambda: job.seen.step > 10)
    assert job.seen.seconds_left == pytest.approx(0.005 * 100_000, rel=1)
    job.stop("drop")
    finish(job)
    assert session.opened is None and session.entry.photo is not None
    assert len(session.models.turns) == 0  # others may begin


def test_a_sample_that_is_worked_on_makes_no_room(session):
    session.sample("tiny.safetensors", "z+", 1)
    session.job = SimpleNamespace(running=True, entry=session.entry.number, kind="drag")
    first, opened = session.entry, session.opened.number
    with pytest.raises(ZplusError, match="Points are moving"):
        answers.moved(session, opened, "", [0.0] * len(session.opened.sliders), "moved", False)
    session.sample("tiny.safetensors", "z+", 2)
    assert first.number in session.entries
    answers.moved(session, session.opened.number, "", [0.0] * len(session.opened.sliders), "moved", False)


def test_a_gif_is_a_photo_whatever_its_height(session):
    for height in (0x7B, 0x17B):  # whose low byte is the sign that begins a header
        file = io.BytesIO()
        Image.new("RGB", (64, height), "grey").save(file, "GIF")
        assert session.take(file.getvalue(), "me.gif") == "photo"


@needs_faces
def test_stopped_work_is_kept(session, how, photo, endless):
    session.take(photo, "me.png")
    job = invert(session, **how)
    until(lambda: job.seen.step > 2)
    job.stop("keep")
    finish(job)
    assert session.opened is not None and job.stopped == "keep"


@needs_faces
def test_one_inversion_at_a_time(models, how, photo, endless):
    first, second = Session(models), Session(models)
    for session in (first, second):
        session.take(photo, "me.png")
    job = invert(first, **how)
    until(lambda: job.seen.step)
    with pytest.raises(ZplusError, match="is running"):
        invert(first, **how)
    other = invert(second, **how)
    until(lambda: other.seen.stage.startswith("Waiting"))
    job.stop("drop")
    until(lambda: other.seen.step)
    second.forget()  # who leaves gives the machine back
    finish(other)
    assert len(models.turns) == 0


@needs_faces
def test_errors_of_the_thread_reach_the_visitor(session, photo):
    session.take(photo, "me.png")
    with pytest.raises(FaceError, match="No face"):
        finish(invert(session, "tiny.safetensors", face=0))
    for unknown in (("tiny",), ("tiny.safetensors", "f/z++"), ("tiny.safetensors", "f/z+", "bst")):
        with pytest.raises(UnknownNameError):
            invert(session, *unknown)


@needs_lpips
def test_without_the_face_detector_pictures_go_as_they_are(session, how, photo, monkeypatch):
    def missing(pixels):
        raise DownloadError("The files of face_recognition_models are not on this machine: run 'zplus pull faces'.")

    monkeypatch.setattr(session.models.detector, "find", missing)
    session.take(photo, "me.png")
    assert "zplus pull faces" in session.entry.why_no_face
    finish(invert(session, **how))
    assert session.opened is not None


@needs_faces
def test_several_faces_can_be_chosen(session, two_faces):
    session.take(two_faces, "two.png")
    assert len(session.entry.faces) == 2 and sorted(session.entry.ranked) == [0, 1]
    generator = session.models.generator("tiny.safetensors")
    large, small = (jobs._cut(session.entry, face, generator).quad for face in (0, 1))
    assert large[:, 0].mean() < 250 < small[:, 0].mean()


def test_what_is_hardly_a_face_ranks_last(two_faces):
    def face(side, score):
        return DetectedFace((0.0, 0.0, float(side), float(side)), np.zeros((68, 2)), score=score)

    faces = [face(100, 0.3), face(80, 1.5), face(60, 1.5), face(300, 1.0)]
    assert Entry(1, "me", faces=faces).ranked == [3, 1, 2, 0]


def test_sliders_move_the_picture_and_come_back(open_session):
    opened = open_session.opened
    before = opened.after()
    move(open_session, 1.5)
    moved = opened.after()
    assert (moved != before).any()
    move(open_session, 1.5, feature="fixed")
    assert (opened.after() != moved).any()
    opened.history.undo()
    assert (opened.after() == moved).all()
    opened.history.undo()
    assert (opened.after() == before).all()
    opened.history.redo()
    assert (opened.after() == moved).all()
    opened.reset()
    assert (opened.after() == before).all() and opened.history.undo().strengths[0] == 1.5


def test_a_drag_of_a_slider_is_undone_at_once(open_session):
    for strength in (0.5, 1.0, 1.5):
        move(open_session, strength, gesture="g1")
    move(open_session, 1.5, 1.0, gesture="g2")
    history = open_session.opened.history
    assert history.undo().strengths[:2] == (1.5, 0.0) and history.undo().strengths[0] == 0.0


@pytest.mark.parametrize("strengths", [(1.0,), (float("nan"),) * 5, (float("inf"),) * 5])
def test_sliders_that_are_none_are_refused(open_session, strengths):
    with pytest.raises(ZplusError, match="do not fit"):
        open_session.opened.move(strengths, "moved")


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
    with pytest.raises(ZplusError, match="Move a slider"):
        save(open_session, "strip")
    move(open_session, 1.0, -0.5)
    latent, name = save(open_session, "latent")
    assert name == "face-3.latent.safetensors"
    (tmp_path / name).write_bytes(latent)
    edited = load_latent(tmp_path / name)
    generator = open_session.models.generator("tiny.safetensors")
    assert sorted(edit.strength for edit in edited.edits) == [-0.5, 1.0]
    content, name = save(open_session, "picture")
    assert name.endswith(".png") and MARK in content
    (tmp_path / name).write_bytes(content)
    assert (read_image(tmp_path / name) == to_pixels(render(generator, edited)[0])).all()
    strip, _ = save(open_session, "strip")
    assert Image.open(io.BytesIO(strip)).width > 5 * 96 and MARK in strip
    film, name = save(open_session, "animation")
    with Image.open(io.BytesIO(film)) as image:
        assert name.endswith(".webp") and image.n_frames > 23 and MARK in film
        lasting = 0
        for i in range(image.n_frames):  # of frames that look the same one is kept, and lasts longer
            image.seek(i)
            image.load()
            lasting += image.info["duration"]
    assert lasting == 46 * round(1000 / RATE)


def test_a_saved_latent_opens_with_its_sliders(open_session, models):
    move(open_session, 1.0, -0.5, feature="added")
    content, name = save(open_session, "latent")
    picture = open_session.opened.after()
    other = Session(models)
    assert other.take(content, name) == "latent"
    assert other.opened.state == open_session.opened.state and other.entry.name == "face-3"
    assert np.abs(other.opened.after().astype(int) - picture).max() <= 1
    other.opened.reset()
    assert (other.opened.after() == other.opened.target.pixels).all()


@pytest.mark.parametrize("way", ["straight", "sphere"])
def test_a_saved_latent_opens_with_its_move(open_session, models, way):
    generator, latent = models.generator("tiny.safetensors"), open_session.opened.latent
    slider, other = open_session.opened.sliders[:2]
    edited = edit(generator, latent, {slider: 1.5}, move=way)
    open_session.open_latent(edited, "with")
    opened = open_session.opened
    assert np.abs(opened.after().astype(int) - to_pixels(render(generator, edited)[0])).max() <= 1
    move(open_session, 1.5, -1.0)
    expected = edit(generator, edited, {other: -1.0})
    assert expected.move == opened.edited(opened.state).move == way
    assert np.abs(opened.after().astype(int) - to_pixels(render(generator, expected)[0])).max() <= 1


def test_edits_without_a_slider_stay(open_session, models):
    generator = models.generator("tiny.safetensors")
    foreign = FINDERS["principal"](generator, Search(count=8))[7]
    edited = edit(generator, open_session.opened.latent, {foreign: 2.0})
    open_session.open_latent(edited, "with")
    opened = open_session.opened
    assert not any(opened.state.strengths) and [one.direction.name for one in opened.latent.edits] == [foreign.name]
    assert (opened.after() == to_pixels(render(generator, edited)[0])).all()
    target = whole(opened.target.pixels[::-1].copy(), 32)
    open_session.open_latent(edited, "with", target)
    content, _ = save(open_session, "picture", True)  # in the photo they show as well
    expected = paste(target, *(render(generator, x)[0] for x in (replace(edited, edits=(), edited=None), edited)))
    saved = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    assert (expected != target.photo).any() and np.abs(saved - expected).mean() < np.abs(saved - target.photo).mean()
    assert (photo_now(open_session) != target.photo).any()


@needs_faces
@needs_lpips
def test_the_same_edit_in_several_spaces(open_session):
    move(open_session, 2.0)
    job = compare(open_session, ("w+", "z+"))
    finish(job)
    found = job.result
    assert [caption for _, caption in found] == ["original", "W+", "Z+"]
    assert (found[0][0] == open_session.opened.before()).all() and (found[1][0] != found[2][0]).any()
    with open_session.models.turns.turn(lambda before: None):  # what was found is found no second time
        again = compare(open_session, ("w+", "z+"))
        finish(again)
    assert all((a == b).all() for (a, _), (b, _) in zip(again.result, found, strict=True))


def test_a_cancelled_comparison_shows_nothing(open_session, endless):
    job = compare(open_session, ("w+",), "quick")
    until(lambda: job.seen.step)
    answers.stopped(open_session, "drop")
    job.wait(10.0)
    told = answers.watched(open_session, -1)
    assert told["words"] == "Cancelled." and "spaces" not in told and told["opened"]["number"]


def test_points_are_dragged_in_one_step(open_session):
    move(open_session, 0.5)
    opened = open_session.opened
    before = opened.after()
    job = drag(open_session, [(10.0, 16.0, 16.0, 16.0)])
    seen = []
    until(lambda: not job.running or seen.append(job.seen))
    finish(job)
    after, state = opened.after(), opened.state
    assert (after != before).any() and len(state.drags) == 1 and state.strengths[0] == 0.5
    expected = edit(opened.generator, opened.latent, dict(opened.moved(state)), feature=state.feature)
    assert np.abs(after.astype(int) - to_pixels(render(opened.generator, expected)[0])).max() <= 1
    opened.history.undo()
    assert (opened.after() == before).all() and not opened.state.drags
    opened.history.redo()
    assert (opened.after() == after).all()
    content, name = save(open_session, "latent")
    other = Session(open_session.models)
    other.take(content, name)
    assert len(other.opened.state.drags) == 1 and np.abs(other.opened.after().astype(int) - after).max() <= 1
    other.opened.reset()
    assert (other.opened.after() == to_pixels(opened.reconstruction)).all()


def test_what_cannot_be_shown_is_not_open(open_session, monkeypatch):
    """As a latent whose last edit leads nowhere, which is seen only when it is rendered."""
    latent, shown = open_session.opened.latent, open_session.entry

    def broken(opened):
        raise LatentError("This edit leads nowhere.")

    with monkeypatch.context() as patched:
        patched.setattr(Opened, "after", broken)
        for target in (None, whole(open_session.opened.target.pixels, 32)):
            with pytest.raises(LatentError, match="leads nowhere"):
                open_session.open_latent(latent, "bad", target)
    assert list(open_session.entries.values()) == [shown] and open_session.entry is shown
    answers.hello(open_session)


def test_a_cancelled_drag_changes_nothing_and_a_stopped_one_is_kept(open_session, monkeypatch):
    started = Job.dragged
    for how, drags in (("drop", 0), ("keep", 1)):

        def stopping(job, seen, how=how):
            job.stop(how)
            return started(job, seen)

        monkeypatch.setattr(Job, "dragged", stopping)
        finish(drag(open_session, [(10.0, 16.0, 16.0, 16.0)]))
        assert len(open_session.opened.state.drags) == drags


def test_points_outside_the_paint_are_refused(open_session):
    with pytest.raises(ZplusError, match="lets nothing move"):
        finish(drag(open_session, [(10.0, 16.0, 16.0, 16.0)], [(25.0, 25.0, 4.0)]))
    finish(drag(open_session, [(10.0, 16.0, 12.0, 16.0)], [(11.0, 16.0, 8.0)]))
    assert len(open_session.opened.state.drags) == 1


@needs_faces
@needs_lpips
def test_faces_of_a_photo_are_pasted_together(session, how, two_faces):
    session.take(two_faces, "two.png")
    original = session.entry.photo.astype(int)
    for face in (0, 1):
        finish(invert(session, how["model"], face=face))
        move(session, 2.5)
    changed = np.abs(photo_now(session) - original).max((0, 2)) > 10
    assert changed[:290].any() and changed[310:].any()
    content, name = save(session, "picture", True)
    saved_photo = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    assert name == "two.edited.jpg" and np.abs(saved_photo - photo_now(session)).mean() < 2
    session.show(session.entry.number, 0)
    assert session.opened is session.entry.opened[0]
    session.opened.reset()
    changed = np.abs(photo_now(session) - original).max((0, 2)) > 10
    assert not changed[:290].any() and changed[310:].any()


@needs_faces
@needs_lpips
def test_photos_that_wait_are_inverted_one_after_the_other(session, how, two_faces):
    session.take(two_faces, "a.png")
    session.take(two_faces[:], "b.png", show=False)
    assert session.entry.name == "a" and len(session.entries) == 2
    finish(invert_all(session, how["model"]))
    assert [list(x.opened) for x in session.entries.values()] == [[x.ranked[0]] for x in session.entries.values()]
    with pytest.raises(ZplusError, match="No photo with a face"):
        invert_all(session, how["model"])


def test_a_sample_that_nobody_edited_makes_room(session, photo):
    session.sample("tiny.safetensors", "z+", 1)
    session.sample("tiny.safetensors", "z+", 2)
    assert [x.name for x in session.entries.values()] == ["face-2"]
    move(session, 1.0)
    session.sample("tiny.safetensors", "z+", 3)
    assert [x.name for x in session.entries.values()] == ["face-2", "face-3"]
    session.delete()
    assert session.entry.name == "face-2" and session.opened.state.strengths[0] == 1.0


def test_not_too_much_is_open_at_once(session, monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    for seed in range(2):
        session.sample("tiny.safetensors", "z+", seed)
        move(session, 1.0)
    with pytest.raises(ZplusError, match="Too much is open"):
        session.sample("tiny.safetensors", "z+", 3)
    assert [x.name for x in session.entries.values()] == ["face-0", "face-1"]


def test_a_photo_that_is_refused_takes_no_place(open_session, photo, monkeypatch):
    monkeypatch.setattr(module, "MAX_PIXELS", 10)
    sample = open_session.entry
    with pytest.raises(ZplusError, match="Too much is open"):
        open_session.take(photo, "me.png")
    assert open_session.entry is sample


def test_the_studio_has_no_labels(open_session, tiny, tmp_path):
    save_generator(tiny_stylegan2(c_dim=3), tmp_path / "g.safetensors")
    models = Models([tmp_path / "g.safetensors", tiny])
    with pytest.raises(ZplusError, match="the studio has no labels"):
        models.generator("g.safetensors")
    other = Session(models)
    other.open_latent(open_session.opened.latent, "me")  # of the other model
    assert other.opened.model == "tiny.safetensors"


def test_what_went_wrong_with_a_file_is_said_as_on_the_command_line():
    told = failed(OSError(errno.EACCES, "Permission denied", "b.png"))["error"]
    assert "b.png: Permission denied: check the name" in told


def test_latents_of_other_models_are_refused(open_session, tiny, tmp_path):
    content, name = save(open_session, "latent")
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
    assert "/" not in str(told.value).replace("or a", "") and session.entry is None
    assert temporary_files() == before


def test_a_bad_latent_is_not_called_a_picture(session):
    for content in (b"", b"nonsense", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(LatentError, match="damaged or not a latent"):
            session.take(content, "me.safetensors")


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
    session.open_latent(latent_of_tiny(session), "me", whole(session.entry.photo, 32))
    move(session, 1.0)
    content, name = save(session, "picture", True)
    assert name == "me.edited.jpg" and MARK in content and b"secret" not in content
    assert dict(Image.open(io.BytesIO(content)).getexif()) == {}


def latent_of_tiny(session):
    other = Session(session.models)
    other.sample("tiny.safetensors", "z+", 0)
    return other.opened.latent


def test_what_is_deleted_is_gone(open_session):
    open_session.delete()
    assert open_session.opened is None and open_session.entries == {}
    with pytest.raises(ZplusError, match="nothing to edit"):
        open_session.something()


def test_quick_is_the_encoder_where_there_is_one(models, monkeypatch):
    generator = models.generator("tiny.safetensors")
    assert chosen(generator, "quick")[0] == "default"
    monkeypatch.setattr("zplus.studio.models.encoder_of", random_encoder)
    assert chosen(generator, "quick")[0] == "e4e" and chosen(generator, "standard")[0] == "hybrid"
    assert chosen(generator, "best")[1].steps > chosen(generator, "standard")[1].steps
