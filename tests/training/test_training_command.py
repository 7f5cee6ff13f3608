"""The command: a folder of pictures to a generator, further on a second run, and what is said where it cannot be."""

import json
import re
import sys

import pytest

from command_line import picture
from zplus.command.app import run
from zplus.generators import load_generator

SMALL = ("--resolution", "8", "--z-dim", "8", "--channel-max", "4", "--batch", "4", "--cpu")


@pytest.fixture
def photos(tmp_path):
    for i in range(5):
        picture(tmp_path / "photos" / f"{i}.jpg", seed=i)
    return tmp_path / "photos"


def test_a_second_run_goes_on(photos, tmp_path, capsys):
    for kimg in (0.004, 0.008):
        asked = ["--kimg", kimg, "--holdout", 1, *SMALL, "-o", tmp_path / "run", "--json"]
        assert run([str(x) for x in ("train", "generator", photos, *asked)]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["kimg"] == kimg
    assert load_generator(found["generator"]).resolution == 8
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2


def test_without_accelerate_the_extra_is_named(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    for name in ("generator", "trainer", "publish"):
        monkeypatch.delitem(sys.modules, f"zplus.training.{name}", raising=False)
    assert run(["train", "generator", str(photos), *SMALL, "-o", str(tmp_path / "run")]) == 2
    assert re.search(r"accelerate is needed .*zplus\[train\]", capsys.readouterr().err)
    assert not (tmp_path / "run").exists()
