"""The lines of Python that the README shows, run as they stand, with an inversion of few steps."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from command_line import ASTRONAUT
from zplus.inversion.settings import PRESETS
from zplus.workflow.models import KNOWN, is_here

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
MISSING = [name for name in KNOWN if not is_here(name)]


@pytest.mark.skipif(bool(MISSING), reason=f"run 'zplus pull' first: {', '.join(MISSING)} are not here")
@pytest.mark.skipif(not BLOCKS, reason="the README shows no Python yet")
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_of_the_readme_runs(number, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    for name in ("default", "hybrid"):
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], steps=2, candidates=1))
    monkeypatch.setenv("ZPLUS_EAGER", "1")
    monkeypatch.chdir(tmp_path)
    shutil.copy(ASTRONAUT, tmp_path / "me.jpg")
    (tmp_path / "examples").mkdir()
    shutil.copy(ASTRONAUT, tmp_path / "examples")
    before = set(tmp_path.iterdir())
    exec(compile(BLOCKS[number], "README.md", "exec"), {})
    assert set(tmp_path.iterdir()) - before, "the lines write a picture"
