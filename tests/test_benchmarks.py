"""Every result in `benchmarks/results` is written by a script that is there, and every script says how it is run."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("*.py"))
RESULTS = sorted((BENCHMARKS / "results").glob("*.json"))


def names_written(script):
    """Patterns of the names that a script gives to `save_result`; what is filled in may be anything."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "save_result":
            name = node.args[0]
            parts = name.values if isinstance(name, ast.JoinedStr) else [name]
            yield "".join(re.escape(x.value) if isinstance(x, ast.Constant) else ".*" for x in parts)


PATTERNS = {script.stem: set(names_written(script)) for script in SCRIPTS}


def writers(result):
    return [script for script, names in PATTERNS.items() if any(re.fullmatch(name, result) for name in names)]


@pytest.mark.parametrize("result", [path.stem for path in RESULTS])
def test_a_result_is_written_by_one_script(result):
    assert len(writers(result)) == 1, writers(result)


@pytest.mark.parametrize("script", [path.stem for path in SCRIPTS])
def test_no_script_writes_names_that_could_be_any(script):
    assert not PATTERNS[script] & {".*", ""}, "a name begins with words, so that its writer is found"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_how_it_is_run(script):
    text = script.read_text(encoding="utf-8")
    words = ast.get_docstring(ast.parse(text)) or ""
    assert ("__main__" in text) == (f"    python benchmarks/{script.name}" in words)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_script_imports_of_the_package_is_there(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zplus"):
            module = importlib.import_module(node.module)
            for name in (one.name for one in node.names):
                assert hasattr(module, name) or importlib.util.find_spec(f"{node.module}.{name}"), name


def test_every_planted_fault_has_its_place(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    mutants = importlib.import_module("mutants")
    for mutant in mutants.MUTANTS:
        text = (BENCHMARKS.parent / "src" / "zplus" / mutant.file).read_text(encoding="utf-8")
        assert text.count(mutant.before) == 1, mutant.name
    known = json.loads((BENCHMARKS / "results" / "mutants.json").read_text(encoding="utf-8"))["mutants"]
    assert known.keys() <= {mutant.name for mutant in mutants.MUTANTS} and set(known.values()) == {"killed"}


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("kept")


def test_a_row_is_measured_once(kept, tmp_path):
    rows, asked = kept.Kept(tmp_path / "a.jsonl", "name", "steps"), []
    for steps in (1, 2, 1):
        rows.row({"name": "a", "steps": steps}, lambda: asked.append(1) or {"value": len(asked)})
    again = kept.Kept(tmp_path / "a.jsonl", "name", "steps")
    assert again.rows == rows.rows and [row["value"] for row in again.rows.values()] == [1, 2]


def test_what_is_kept_is_of_one_setting(kept, tmp_path):
    for _ in range(2):
        kept.check_settings(tmp_path, steps=3, names=("a", "b"))
    for other in ({"steps": 4, "names": ("a", "b")}, {"steps": 3}, {"steps": 3, "names": ("a", "b"), "more": 1}):
        with pytest.raises(SystemExit, match="was measured with other"):
            kept.check_settings(tmp_path, **other)


def test_the_index_names_every_script_and_result():
    index = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in (*SCRIPTS, *RESULTS) if f"`{path.name}`" not in index]
    assert not missing
