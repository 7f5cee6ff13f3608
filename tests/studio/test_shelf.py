"""The gallery: nothing is lost, nothing but what is in it can be reached, and what is deleted is gone from the disk."""

import json
import os
from contextlib import suppress
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from starlette.responses import JSONResponse

from command_line import leftovers, needs_faces, needs_lpips
from studio_program import kept_in
from zplus.errors import ZplusError
from zplus.studio import session as module
from zplus.studio.jobs import invert
from zplus.studio.session import Session
from zplus.studio.shelf import LATENT, LOOK, MAX_FACTS, PHOTO, Shelf
from zplus.studio.showing import everything, gallery


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "kept" / "here")


@pytest.fixture
def kept(models, shelf):
    """A session whose face is on the shelf."""
    session = Session(models, shelf)
    put(session, 1)
    return session


def put(session, seed):
    session.sample("tiny.safetensors", "z+", seed)
    opened = session.opened
    look = opened.after()
    opened.about.kept = session.shelf.add(session.entry.name, opened.model, opened.latent, None, look)


@needs_faces
@needs_lpips
def test_an_inversion_is_kept_with_its_photo_and_edits(models, shelf, how, photo, tmp_path):
    session = Session(models, shelf)
    session.take(photo, "me.png")
    invert(session, **how).wait(60.0)
    session.opened.move((1.0, 0.0, 0.0, 0.0, 2.0), "moved")
    session.save_soon(session.opened)
    session.save_now()
    expected = session.entry.preview()
    other = Session(models, Shelf(shelf.folder))  # as if the program had been killed and started again
    (item,) = other.shelf.items()
    assert (item.name, item.model, item.space) == ("me", "tiny.safetensors", "f/z+")
    other.reopen(item.key)
    assert other.opened.state == session.opened.state and other.opened.has_photo
    assert np.abs(other.entry.preview().astype(int) - expected).max() <= 1
    stored = Image.open(shelf.folder / item.key / PHOTO)
    assert (np.asarray(stored) == session.entry.photo).all() and "Comment" not in stored.info  # nothing edited it
    assert b"compositeWithTrained" in (shelf.folder / item.key / LOOK).read_bytes()
    assert not leftovers(tmp_path)


class Bell:
    """A timer that rings when it is told to, and once cancelled never."""

    def __init__(self, seconds, work):
        self.seconds, self.work, self.on = seconds, work, False
        self.bells.append(self)

    def start(self):
        self.on = True

    def cancel(self):
        self.on = False

    def ring(self):
        if self.on:
            self.work()


@pytest.fixture
def bells(monkeypatch):
    """All timers of sessions."""
    monkeypatch.setattr(Bell, "bells", [], raising=False)
    monkeypatch.setattr(module, "Timer", Bell)
    return Bell.bells


def test_edits_are_saved_once_the_sliders_rest(kept, shelf, bells, monkeypatch):
    saved = []
    update = shelf.update
    monkeypatch.setattr(shelf, "update", lambda *a: saved.append(a[1]) or update(*a))
    for strength in (0.5, 1.0, 1.5):
        kept.opened.move((strength, 0.0, 0.0, 0.0, 0.0), "moved")
        kept.save_soon(kept.opened)
    for bell in bells:
        bell.ring()
    assert [bell.seconds for bell in bells] == [module.REST] * 3
    assert [one.edits[0].strength for one in saved] == [1.5]
    assert shelf.latent(kept.opened.about.kept).edits[0].strength == 1.5


def test_what_cannot_be_saved_is_told(kept, shelf, bells, monkeypatch):
    def full(*_):
        raise ZplusError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(shelf, "update", full)
        kept.save_soon(kept.opened)
        bells[-1].ring()
    assert "not in the gallery: the disk is full" in kept.trouble
    kept.save_soon(kept.opened)
    kept.save_now()
    assert kept.trouble == ""


def test_deleting_takes_it_from_the_disk(kept, shelf, bells):
    kept.opened.move((1.0, 0.0, 0.0, 0.0, 0.0), "moved")
    kept.save_soon(kept.opened)
    kept.delete()
    for bell in bells:
        bell.work()  # even one that was ringing already
    assert kept_in(shelf.folder) == [] and shelf.items() == [] and kept.opened is None


def test_what_somebody_else_deleted_is_deleted(kept, shelf):
    shelf.delete(kept.opened.about.kept)
    kept.delete()
    assert kept.entries == {}
    with pytest.raises(ZplusError, match="no longer in the gallery"):
        shelf.delete("../kept")
    shelf.folder.rmdir()
    assert shelf.items() == []


def test_an_edit_is_saved_though_another_face_is_shown(kept, shelf):
    first = kept.opened
    put(kept, 2)
    first.move((1.0, 0.0, 0.0, 0.0, 0.0), "moved")
    kept.save_soon(first)
    kept.opened.move((2.0, 0.0, 0.0, 0.0, 0.0), "moved")
    kept.save_soon(kept.opened)
    kept.save_now()
    assert [shelf.latent(x.about.kept).edits[0].strength for x in (first, kept.opened)] == [1.0, 2.0]


def test_leaving_keeps_it_with_the_last_edit(kept, shelf):
    kept.opened.move((1.0, 0.0, 0.0, 0.0, 0.0), "moved")
    kept.save_soon(kept.opened)
    kept.forget()  # before the sliders have rested
    (item,) = shelf.items()
    assert shelf.latent(item.key).edits[0].strength == 1.0


@needs_faces
@needs_lpips
def test_deleting_what_is_just_being_kept(models, shelf, how, photo, monkeypatch):
    session, add, deleting = Session(models, shelf), shelf.add, []

    def add_slowly(*what):
        deleting.append(Thread(target=session.delete))
        deleting[0].start()
        deleting[0].join(0.2)
        return add(*what)

    monkeypatch.setattr(shelf, "add", add_slowly)
    session.take(photo, "me.png")
    invert(session, **how).wait(60.0)
    deleting[0].join()
    assert kept_in(shelf.folder) == [] and session.opened is None


def test_what_cannot_be_kept_leaves_no_photo(session, shelf, photo, monkeypatch):
    def full(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(shelf, "update", full)
    session.sample("tiny.safetensors", "z+", 1)
    with pytest.raises(OSError, match="full"):
        shelf.add("me", "tiny.safetensors", session.opened.latent, session.opened.target, session.opened.after())
    assert kept_in(shelf.folder) == []


def test_a_missing_look_is_passed_over(kept, shelf):
    put(kept, 2)
    assert [item.name for _, item in shelf.looks(shelf.items())] == ["face-2", "face-1"]
    (shelf.folder / kept.opened.about.kept / LOOK).unlink()
    assert [item.name for _, item in shelf.looks(shelf.items())] == ["face-1"]


@pytest.mark.parametrize("key", ["", ".", "..", "../..", "/etc", "0" * 32, "0" * 31 + "/", "a" * 33, "~"])
def test_only_ids_of_the_gallery_are_opened_or_deleted(kept, shelf, tmp_path, key):
    (tmp_path / "kept" / "precious").write_text("x", encoding="utf-8")
    gone = key == "0" * 32  # an id like the others, so there is nothing left to delete
    for call in (kept.reopen, shelf.latent) if gone else (kept.reopen, shelf.delete, shelf.latent):
        with pytest.raises(ZplusError, match="no longer"):
            call(key)
    assert len(shelf.items()) == 1 and (tmp_path / "kept" / "precious").exists()


def test_a_link_out_of_the_gallery_is_not_followed(kept, shelf, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (shelf.folder / ("b" * 32)).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(ZplusError, match="no longer"):
        shelf.delete("b" * 32)
    assert (tmp_path / "elsewhere").is_dir()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"time": "soon"}', "nonsense"])
def test_what_is_damaged_is_passed_over(kept, shelf, text):
    (shelf.folder / ("c" * 32)).mkdir()
    (shelf.folder / ("c" * 32) / "facts.json").write_text(text, encoding="utf-8")
    (shelf.folder / "a file").write_text("x", encoding="utf-8")
    assert [item.key for item in shelf.items()] == [kept.opened.about.kept]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "\ud800"}, {"model": "a\x1b[2J"}, {"space": "w\u202e"}, {"day": 3}, {"name": ["a"]},
        {"name": "a" * 300}, {"time": float("nan")}, {"time": 10**400}, {"more": "a" * MAX_FACTS},
    ],
)  # fmt: skip
def test_facts_that_no_gallery_holds_are_passed_over(kept, shelf, wrong):
    facts = json.loads((shelf.folder / kept.opened.about.kept / "facts.json").read_text(encoding="utf-8"))
    (shelf.folder / ("c" * 32)).mkdir()
    (shelf.folder / ("c" * 32) / "facts.json").write_text(json.dumps(facts | wrong), encoding="utf-8")
    assert [item.key for item in shelf.items()] == [kept.opened.about.kept]
    JSONResponse(everything(kept, ""))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("name", ["facts.json", LOOK, PHOTO, LATENT])
def test_a_pipe_in_the_gallery_is_not_waited_for(kept, shelf, name):
    path = shelf.folder / kept.opened.about.kept / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    threads = [Thread(target=gallery, args=(kept,), daemon=True)]
    if name == LATENT:
        threads.append(Thread(target=suppressed, args=(shelf.latent, path.parent.name), daemon=True))
    for thread in threads:
        thread.start()
        thread.join(10.0)
        assert not thread.is_alive()


def suppressed(work, *values):
    with suppress(ZplusError, OSError):
        work(*values)


def test_a_damaged_place_of_the_crop_is_refused(kept, shelf):
    facts = shelf.folder / kept.opened.about.kept / "facts.json"
    Image.new("RGB", (64, 64)).save(shelf.folder / kept.opened.about.kept / PHOTO)
    far = [[0, 0], [0, 64], [64, 64], [1e30, 0]]
    for quad in ([[1, 2]], [[float("nan")] * 2] * 4, "x", None, far, [[10**400, 0]] * 4, [[9, 9]] * 4):
        facts.write_text(json.dumps({**json.loads(facts.read_text()), "quad": quad}), encoding="utf-8")
        with pytest.raises(ZplusError, match="damaged"):
            Session(kept.models, shelf).reopen(kept.opened.about.kept)


def test_the_newest_comes_first(kept, shelf):
    put(kept, 2)
    assert [item.name for item in shelf.items()] == ["face-2", "face-1"]


def test_a_place_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ZplusError, match="cannot be made"):
        Shelf(tmp_path / "file")


def test_without_a_folder_nothing_is_reopened(session):
    with pytest.raises(ZplusError, match="--keep"):
        session.reopen("0" * 32)


def test_faces_of_nobody_are_not_kept(models, shelf):
    session = Session(models, shelf)
    session.sample("tiny.safetensors", "z+", 1)
    session.save_soon(session.opened)
    session.save_now()
    assert session.opened.about.kept is None and shelf.items() == []
