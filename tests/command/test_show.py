"""What a person sees, and what a program reads."""

import errno
import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from zplus.command import show
from zplus.command.show import Show, table
from zplus.errors import ImageError, sentence


def test_progress_in_lines_tells_the_time_left(capsys, monkeypatch):
    monkeypatch.setattr(show, "SOON", 0.0)
    monkeypatch.setattr(show, "PAUSE", 0.0)
    screen = Show()
    with screen.stage("Inverting", 10) as tick:
        for i in range(3):
            tick(i + 1, f"loss {1 / (i + 1):.2f}")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "Inverting ..." and lines[1] == "Inverting: 1/10 loss 1.00"
    assert lines[3].startswith("Inverting: 3/10 loss 0.33, ") and lines[3].endswith("s left")
    assert lines[-1].startswith("Inverting: done in ")
    assert set(screen.seconds) == {"Inverting"}


def test_progress_is_quiet_between(capsys):
    with Show().stage("Inverting", 1000) as tick:
        for i in range(1000):
            tick(i + 1, "")
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_progress_as_a_bar():
    screen, stream = Show(), io.StringIO()
    screen.console = Console(file=stream, force_terminal=True, width=100, markup=False, highlight=False)
    with screen.stage("Inverting [1]", 2) as tick:
        tick(1, "loss 0.50")
        screen.say("[a] note")
    assert "Inverting [1]" in stream.getvalue() and "[a] note" in stream.getvalue()


def test_the_result_is_one_object(capsys):
    screen = Show(as_json=True)
    screen.warn("weak")
    screen.result({"psnr": math.inf, "mse": math.nan, "latent": Path("a"), "warnings": screen.warnings}, "text")
    out, err = capsys.readouterr()
    assert out == '{"psnr": null, "mse": null, "latent": "a", "warnings": ["weak"]}\n'
    assert err == "Warning: weak\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ImageError("a.png is\nempty."), "a.png is empty."),
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory"),
        (OSError(errno.EACCES, "Permission denied", "b.png"), "b.png: Permission denied"),
        (RuntimeError("odd"), "Something unforeseen happened (RuntimeError: odd)"),
    ],
)
def test_every_error_is_a_sentence(error, words):
    assert words in sentence(error) and "\n" not in sentence(error)


def test_table_is_aligned():
    assert table(["a", "b"], [["long", 1]]).splitlines() == ["a     b", "long  1"]
