"""The command line as a whole: quick to answer, plain about wrong usage, and torch only where it is needed."""

import json
import os
import signal
import subprocess
import sys

import pytest

import zplus as package
from command_line import assert_refused
from zplus.command import app as module

SILENT = """
import sys
from zplus.command.app import run
print(run({}), "torch" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["invert", "--help"],
        ["edit", "--help"],
        ["studio", "--help"],
        ["bench", "spaces", "--help"],
        ["report", "--help"],
        ["--version"],
        ["inver"],
    ],
)
def test_answers_without_torch(arguments):
    done = subprocess.run([sys.executable, "-c", SILENT.format(arguments)], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] in ("0 False", "2 False")


def test_the_package_is_imported_without_torch():
    code = "import sys, zplus; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_version(zplus):
    result = zplus("--version")
    assert (result.code, result.out) == (0, f"zplus {package.__version__}\n")


def test_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "zplus", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"zplus {package.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["inver", "me.jpg"],
        ["invert"],
        ["invert", "me.jpg"],
        ["invert", "me.jpg", "-o", "out", "--steps", "0"],
        ["invert", "me.jpg", "-o", "out", "--steps", "many"],
        ["invert", "me.jpg", "-o", "out", "--nothing"],
        ["edit", "me.jpg", "-o", "out.png", "-d", "smile", "--paste", "glue"],
        ["align", "me.jpg", "-o", "a.png", "--face", "-1"],
    ],
)
def test_wrong_usage_is_explained(zplus, arguments):
    result = zplus(*arguments)
    assert result.code == 2
    assert result.out == "" and "Traceback" not in result.err and len(result.err.splitlines()) > 1


@pytest.mark.parametrize(("name", "near"), [("gpu", "cuda"), ("GPU:0", "cuda"), ("cpux", "cpu"), ("tpu-v4", None)])
@pytest.mark.parametrize("command", [["studio", "--no-open"], ["sample", "-o", "out"]])
def test_an_unknown_device_is_refused_at_once_with_those_there_are(zplus, command, name, near):
    result = zplus(*command, "--device", name)
    assert_refused(result)
    hint = "there are cpu, cuda and mps." if near is None else f"did you mean '{near}'? There are cpu, cuda and mps."
    assert result.err == f"zplus: Unknown device '{name}': {hint}\n"


def test_a_near_command_is_offered(zplus):
    assert "invert" in zplus("inver", "me.jpg").err


def test_debug_shows_where(zplus, tmp_path, monkeypatch):
    monkeypatch.setenv("ZPLUS_DEBUG", "")
    result = zplus("align", tmp_path / "none.png", "-o", tmp_path / "out.png", "--debug")
    assert result.code == 2 and "Traceback" in result.err


def test_errors_are_json_too(zplus, tmp_path):
    result = zplus("align", tmp_path / "none.png", "-o", tmp_path / "out.png", "--json")
    assert result.code == 2
    assert "does not exist" in result.json["error"] and "does not exist" in result.err


@pytest.mark.skipif(os.name == "nt", reason="POSIX streams")
def test_names_that_a_terminal_cannot_show(tmp_path):
    name = tmp_path / "Зоя ñ 顔.png"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    command = [sys.executable, "-m", "zplus", "align", str(name), "-o", str(tmp_path / "o.png"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2 and "does not exist" in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize("wrong", [["align", "x.jpg"], ["align", "x.jpg", "-o", "a.png", "--size", "5"], ["nonsense"]])
def test_wrong_usage_is_told_to_programs_as_well(zplus, wrong):
    result = zplus(*wrong, "--json")
    assert result.code == 2 and result.json["error"] and result.json["error"] in result.err.replace("\n", " ")


def test_an_interruption_is_told_to_programs_as_well(zplus, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("zplus.command.align.output_file", stop)
    result = zplus("align", "x.jpg", "-o", "a.png", "--json")
    assert (result.code, result.json, result.err) == (130, {"error": "Interrupted."}, "zplus: Interrupted.\n")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("ending", [KeyboardInterrupt, ImportError("an interrupted import")])
def test_a_request_to_end_is_one_line_and_its_own_exit_code(number, code, ending, monkeypatch, capsys):
    def work(*_, **__):
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            os.kill(os.getpid(), number)  # a second request does not disturb the end
            raise ending from None

    handlers = {x: signal.signal(x, signal.SIG_DFL) for x in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(module, "RECEIVED", [])
    monkeypatch.setattr(module, "app", work)
    monkeypatch.setattr(sys, "argv", ["zplus", "models", "--json"])
    try:
        with pytest.raises(SystemExit) as end:
            module.main()
    finally:
        for x, handler in handlers.items():
            signal.signal(x, handler)
    assert end.value.code == code
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"error": "Interrupted."}, "zplus: Interrupted.\n")
