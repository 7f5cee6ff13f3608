"""The command: a folder of pictures to a generator, further on a second run, and what is said where it cannot be."""

import json
import sys

import pytest

from command_line import picture
from zplus.command.show import Show
from zplus.command.training import train_generator
from zplus.errors import MissingExtraError
from zplus.generators import load_generator

WISHES = {"z_dim": 8, "mapping_layers": 2, "channel_max": 4, "batch": 4, "seed": None}


@pytest.fixture
def photos(tmp_path):
    for i in range(5):
        picture(tmp_path / "photos" / f"{i}.jpg", seed=i)
    return tmp_path / "photos"


def test_a_second_run_goes_on(photos, tmp_path, capsys):
    for kimg in (0.004, 0.008):
        train_generator(photos, tmp_path / "run", 8, 1, True, None, WISHES | {"kimg": kimg}, Show(as_json=True))
        found = json.loads(capsys.readouterr().out)
        assert found["kimg"] == kimg
    assert load_generator(found["generator"]).resolution == 8
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2


def test_without_accelerate_the_extra_is_named(photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    for name in ("generator", "trainer", "publish"):
        monkeypatch.delitem(sys.modules, f"zplus.training.{name}", raising=False)
    with pytest.raises(MissingExtraError, match=r"accelerate is needed .*zplus\[train\]"):
        train_generator(photos, tmp_path / "run", 8, 0, True, None, WISHES, Show())
    assert not (tmp_path / "run").exists()
