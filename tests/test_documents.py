"""Code in the documents, run as it stands, and facts that stand in several places."""

import doctest
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

import zplus
from command_line import needs_lpips

ROOT = Path(__file__).parents[1]
NOTEBOOK = json.loads((ROOT / "examples" / "avatars64.ipynb").read_text(encoding="utf-8"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))
CODE_CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def python_blocks(path: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text_of(path), re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, where networks run as they do for a new user."""
    torch.set_num_threads(1)
    monkeypatch.setenv("ZPLUS_EAGER", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@needs_lpips
def test_notebook_runs_and_leaves_no_file(here):
    names: dict[str, object] = {}
    for cell in CODE_CELLS:
        exec(compile("".join(cell["source"]), f"avatars64.ipynb, {cell['id']}", "exec"), names)
    assert not list(here.iterdir())
    assert len(names["edits"]) == 5


def test_notebook_is_stored_without_outputs():
    assert len(CODE_CELLS) > 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CODE_CELLS)


@needs_lpips
def test_python_page_runs(here):
    _, *blocks = python_blocks("docs/python.md")
    exec(compile("\n".join(blocks), "docs/python.md", "exec"), {})
    hair = {"hair-1.png", "hair+0.png", "hair+1.png"}
    written = {"my-faces", "sample.png", "me.latent.safetensors", *hair, "warmth.safetensors"}
    assert {path.name for path in here.iterdir()} == written


def test_python_page_edits_a_photo_as_the_readme_does():
    assert python_blocks("docs/python.md")[0] == python_blocks("README.md")[0]


def test_python_page_lists_every_name():
    table = text_of("docs/python.md").partition("## Names")[2]
    assert set(re.findall(r"`(\w+)`", table)) == set(zplus.__all__)


def test_version_is_the_same_everywhere():
    assert f'\nversion = "{zplus.__version__}"\n' in text_of("pyproject.toml")
    assert f"\nversion: {zplus.__version__}\n" in text_of("CITATION.cff")
    assert f"\n## {zplus.__version__}" in text_of("CHANGELOG.md")


@pytest.mark.parametrize("path", [x for x in SOURCES if ">>>" in x.read_text(encoding="utf-8")], ids=lambda x: x.stem)
def test_examples_in_docstrings_give_what_they_show(path):
    module = import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted and not found.failed
