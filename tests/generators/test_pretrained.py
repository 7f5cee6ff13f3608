"""A generator as a folder, and on a hub: a server on this machine that answers what huggingface_hub asks."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import load_file

import zplus
from points import direction_of, generator_of
from tiny import TINY, tiny_stylegan2
from zplus.direction import save_direction
from zplus.errors import CheckpointError, MissingExtraError, UnknownNameError, ZplusError
from zplus.generators import pretrained
from zplus.spaces import render, sample

Generator = zplus.Generator
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path):
    generator_of("skip").save_pretrained(tmp_path / "made" / "tiny")
    return tmp_path / "made" / "tiny"


def rewrite(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def refused(name):
    with pytest.raises(ZplusError) as caught:
        Generator.from_pretrained(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Names


def test_models_are_listed_by_name_and_by_what_they_draw():
    assert zplus.list_models() == list(zplus.MODELS)
    assert zplus.list_models("AVATARS*") == ["avatars64"]
    assert zplus.list_models("*face*") == [x for x, model in zplus.MODELS.items() if "face" in model.about]
    assert zplus.list_models("face") == []


def test_a_model_by_name_is_pulled(monkeypatch):
    asked = []
    monkeypatch.setattr(pretrained, "pull", lambda name, report: asked.append(name))
    assert Generator.from_pretrained("avatars64").fingerprint == zplus.load_generator("avatars64").fingerprint
    assert asked == ["avatars64"]


# Folders


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_a_folder_gives_the_same_generator(architecture, tmp_path):
    generator = generator_of(architecture)
    generator.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    found = Generator.from_pretrained(tmp_path)
    assert (type(found), found.name, found.config) == (type(generator), generator.name, generator.config)
    assert (found.fingerprint, found.mapping_fingerprint) == (generator.fingerprint, generator.mapping_fingerprint)
    latent = sample(generator, 2, seed=3)
    torch.testing.assert_close(render(found, latent), render(generator, latent), atol=1e-5, rtol=0)
    zplus.save_generator(generator, tmp_path / "file.safetensors")
    assert torch.equal(render(found, latent), render(zplus.load_generator(tmp_path / "file.safetensors"), latent))


def test_the_weights_are_plain_tensors_under_their_names(folder):
    held, own = load_file(folder / "model.safetensors"), generator_of("skip").state_dict()
    assert held.keys() == own.keys() and all(torch.equal(held[name], own[name]) for name in own)
    assert zplus.load_generator(folder / "model.safetensors").fingerprint == generator_of("skip").fingerprint


def test_a_label_is_given_again(tmp_path):
    bound = tiny_stylegan2(resolution=8, c_dim=3).with_label(1)
    bound.save_pretrained(tmp_path)
    assert Generator.from_pretrained(str(tmp_path), label=1).fingerprint == bound.fingerprint
    assert Generator.from_pretrained(str(tmp_path)).label is None
    other = Generator.from_pretrained(str(tmp_path), label=2)
    assert other.name.count("under label") == other.with_label(0).name.count("under label") == 1
    assert Generator.from_pretrained(str(tmp_path)).name == bound.plain_name


def test_a_tuned_generator_becomes_one_of_its_own(tmp_path):
    tuned = generator_of("skip").tuned({"synthesis.b4.const": torch.ones(8, 4, 4)})
    tuned.save_pretrained(tmp_path)
    assert Generator.from_pretrained(tmp_path).fingerprint != tuned.fingerprint


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe{}", b"[" * 90_000, b'{"config": ' + b"9" * 5000 + b"}", b" " * 200_000],
)
def test_a_damaged_config_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    assert "config.json is damaged" in refused(folder)


@pytest.mark.parametrize(
    "changes",
    [{"fingerprint": "0" * 16}, {"fingerprint": None}, {"architecture": "stylegan3"}, {"config": {}}, {"config": 3}],
)
def test_a_config_of_other_weights_is_refused(folder, changes):
    rewrite(folder, **changes)
    message = refused(folder)
    assert "do not belong together" in message and next(iter(changes)) in message


def test_a_config_may_say_more(folder):
    rewrite(folder, license="cc0", name="of my own")
    assert Generator.from_pretrained(folder).name == generator_of("skip").name


def test_what_is_missing_is_named(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    assert "There is no file" in refused(folder) and "model.safetensors" in refused(folder)
    (folder / "config.json").unlink()
    assert "There is no config.json" in refused(folder)
    for missing in (tmp_path / "no" / "folder.safetensors", "no/folder.safetensors"):  # no hub is asked for a file
        assert "There is no file" in refused(missing)
    with pytest.raises(UnknownNameError, match="did you mean 'avatars64'"):
        Generator.from_pretrained("avatars")


def test_weights_of_another_kind_are_refused(folder):
    save_direction(direction_of(generator_of("skip")), folder / "model.safetensors")
    assert "model.safetensors" in refused(folder)
    (folder / "model.safetensors").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "model.safetensors" in refused(folder)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot be made"):
        generator_of("skip").save_pretrained(tmp_path / "file" / "below")


# A hub


@pytest.fixture
def hub(folder):
    """The address of a hub that has ada/tiny, whole, and ada/half, without weights; and what it was asked."""
    files = {f"/ada/tiny/resolve/main/{path.name}": path.read_bytes() for path in folder.iterdir()}
    files["/ada/half/resolve/main/config.json"] = (folder / "config.json").read_bytes()
    files |= {path.replace("/main/", "/v1/"): content for path, content in files.items()}
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self, body=False):
            asked.append((self.command, self.path))
            content, known = files.get(self.path), self.path.startswith(("/ada/tiny/", "/ada/half/"))
            self.send_response(404 if content is None else 200)
            if content is None:
                self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            else:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if body and content:
                self.wfile.write(content)

        def do_GET(self):
            self.do_HEAD(body=True)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


PROGRAM = """
import json, sys
from zplus import Generator, ZplusError
for name, revision in json.loads(sys.argv[1]):
    try:
        print(Generator.from_pretrained(name, revision=revision).fingerprint)
    except ZplusError as error:
        print(type(error).__name__, error)
"""


def fetched(address, cache, *names):
    """A line for each (name, revision): the fingerprint, or what went wrong. Without an address there is no network."""
    environment = {**os.environ, "HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"HF_ENDPOINT": address} if address else {"HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", PROGRAM, json.dumps(names)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def test_a_generator_comes_from_a_hub_once(hub, tmp_path):
    address, asked = hub
    own = generator_of("skip").fingerprint
    assert fetched(address, tmp_path / "hub", ("ada/tiny", None), ("ada/tiny", None), ("ada/tiny", "v1")) == [own] * 3
    assert [path for command, path in asked if command == "GET"] == [
        f"/ada/tiny/resolve/main/{name}" for name in ("config.json", "model.safetensors")
    ]
    assert all(path.startswith("/ada/tiny/resolve/") for _, path in asked)
    assert fetched("", tmp_path / "hub", ("ada/tiny", None)) == [own]


def test_what_a_hub_lacks_is_told_in_a_sentence(hub, tmp_path):
    names = [("ada/half", None), ("ada/none", None), ("ada/tiny", "v9"), ("ada/..", None)]
    lines = fetched(hub[0], tmp_path / "hub", *names)
    assert len(lines) == len(names)
    for (name, _), line in zip(names, lines, strict=True):
        assert line.startswith(f"DownloadError {name} cannot be fetched from the hub (")
    assert fetched("", tmp_path / "other", ("ada/tiny", None))[0].startswith("DownloadError ada/tiny")


def test_a_hub_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"zplus\[hub\]"):
        Generator.from_pretrained("ada/tiny")
