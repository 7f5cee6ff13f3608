"""What can be had by name; what is said when it cannot be had."""

import pytest

from command_line import assert_refused, picture
from zplus.workflow import models as pulling
from zplus.workflow.models import KNOWN


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """No model, no network, and an index that cannot be reached."""
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("ZPLUS_ARCHIVES", raising=False)
    return tmp_path


def test_models_says_what_under_which_terms(zplus, empty_cache):
    rows = {row["name"]: row for row in zplus("models", "--json").json["results"]}
    assert set(rows) == set(KNOWN)
    assert "non-commercial use" in rows["ffhq-mobile"]["licence"] and "1024 px" in rows["ffhq-mobile"]["what"]
    assert all(row["here"] == (row["megabytes"] == 0) for row in rows.values())  # what is shipped is never fetched
    assert [name for name, row in rows.items() if row["here"]] == ["avatars64"]
    text = zplus("models").out
    assert "non-commercial use" in text and "exclude commercial use" in text


def test_help_names_all(zplus):
    assert "or all" in zplus("pull", "--help").out


def test_pull_offers_the_nearest_name(zplus, empty_cache):
    result = zplus("pull", "ffhq-mobil")
    assert_refused(result)
    assert "did you mean 'ffhq-mobile'?" in result.err


def test_pull_without_network(zplus, empty_cache):
    result = zplus("pull", "emotion", "--json")
    assert result.code == 2
    assert result.json["failed"][0]["name"] == "emotion" and "check the network" in result.err
    assert not list((empty_cache / "cache").rglob("*.hdf5"))


def test_pull_of_an_archive_cut_short(zplus, empty_cache, monkeypatch):
    archive = pulling.NETWORKS["emotion"].archive
    (empty_cache / archive.filename).write_bytes(b"PK\x03\x04 cut short")
    monkeypatch.setenv("ZPLUS_ARCHIVES", str(empty_cache))
    result = zplus("pull", "emotion")
    assert result.code == 2 and "damaged, cut short or another file" in result.err and "Traceback" not in result.err
    assert not list((empty_cache / "cache").rglob("*.hdf5"))


def test_pull_names_each_that_failed(zplus, empty_cache, monkeypatch):
    monkeypatch.setattr(pulling, "pull_one", lambda name, callbacks: None if name == "emotion" else 1 / 0)
    result = zplus("pull", "emotion", "faces", "--json")
    assert result.code == 1
    assert [row["name"] for row in result.json["results"]] == ["emotion"]
    assert [row["name"] for row in result.json["failed"]] == ["faces"]


def test_missing_models_are_announced(zplus, empty_cache, monkeypatch):
    """edit and demo pull what is missing, after saying its name, size and terms."""
    photo = picture(empty_cache / "me.png")
    for arguments in (
        ["edit", photo, "-d", "smile", "-o", empty_cache / "o.png"],
        ["demo", photo, "-o", empty_cache / "d"],
    ):
        result = zplus(*arguments)
        assert result.code == 2 and result.out == ""
        assert "Not here yet, so it is pulled: ffhq-mobile, 38 MB, non-commercial use" in result.err
        assert "Not here yet, so it is pulled: lpips, 64 MB" in result.err


@pytest.mark.parametrize("command", ["invert", "sample", "directions"])
def test_other_commands_say_what_to_pull(zplus, empty_cache, command):
    out = empty_cache / "out"
    arguments = {"invert": [empty_cache / "me.png", "-o", out], "sample": ["-o", out], "directions": ["list"]}
    result = zplus(command, *arguments[command])
    assert_refused(result)
    assert "run 'zplus pull ffhq-mobile' first" in result.err


def test_a_file_without_a_suffix_is_a_model_too(model, tmp_path):
    path = tmp_path / "mine"
    path.write_bytes(model.read_bytes())
    assert pulling.needed(str(path)) == list(pulling.NETWORKS)


def test_nothing_is_fetched_for_a_bad_photo_or_an_unknown_model(zplus, empty_cache):
    bad, good = empty_cache / "bad.jpg", picture(empty_cache / "me.png")
    bad.write_text("no picture", encoding="utf-8")
    for arguments, words in (([bad], "bad.jpg"), ([good, "--model", "ffhq-mobil"], "did you mean 'ffhq-mobile'?")):
        for command in (["edit", *arguments, "-d", "smile", "-o", empty_cache / "o.png"], ["demo", *arguments]):
            result = zplus(*command, *(["-o", empty_cache / "demo"] if command[0] == "demo" else []))
            assert_refused(result)
            assert words in result.err and "pulled" not in result.err
