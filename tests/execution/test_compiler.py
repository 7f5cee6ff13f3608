"""Whatever goes wrong with the compiler, the work goes on, one sentence says why, and the latent says what ran."""

import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from compiling import TORCHS_OWN_WARNINGS
from tiny import tiny_mobile
from zplus.execution import Execution, best_execution, compiler, mode, trouble

COMPILED = Execution("float32", True)
pytestmark = TORCHS_OWN_WARNINGS


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """A machine that has never compiled anything."""
    monkeypatch.setattr(compiler, "_trouble", None)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.delenv("ZPLUS_EAGER", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    torch._dynamo.reset()
    return tmp_path / "compiled"


def program(path, text: str) -> str:
    """An executable that is a compiler by name alone."""
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def full(tmp_path, monkeypatch, folder) -> None:
    monkeypatch.setenv("CXX", program(tmp_path / "c++", "echo 'No space left on device' >&2; exit 1"))


def broken(tmp_path, monkeypatch, folder) -> None:
    monkeypatch.setenv("CXX", program(tmp_path / "c++", "exit 1"))


def without_headers(tmp_path, monkeypatch, folder) -> None:
    """The real compiler, which is not told where Python's headers are."""
    without = """for x; do shift; case $x in -I*/include/python*) ;; *) set -- "$@" "$x" ;; esac; done"""
    monkeypatch.setenv("CXX", program(tmp_path / "c++", f'{without}\nexec g++ "$@"'))


def missing(tmp_path, monkeypatch, folder) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")


def slow(tmp_path, monkeypatch, folder) -> None:
    monkeypatch.setattr(compiler, "PATIENCE", 8.0)
    monkeypatch.setenv("CXX", program(tmp_path / "c++", "sleep 60"))


FAULTS = {
    full: "the disk is full: free some space",
    broken: "which CXX names, does not work: unset CXX",
    without_headers: "python3-dev",
    missing: "no-such-compiler, which CXX names",
    slow: "not ready with a tiny function in 8 s.",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_machine_whose_compiler_does_not_work_is_told_once(fault, tmp_path, monkeypatch, folder):
    fault(tmp_path, monkeypatch, folder)
    generator = tiny_mobile()
    with pytest.warns(UserWarning, match=FAULTS[fault]) as told:
        chosen = best_execution(generator)
        best_execution(generator)
    assert not chosen.compiled and len(told) == 1
    words = str(told[0].message)
    assert ("\n" not in words and "Traceback" not in words and words.endswith(".")) or fault is slow


def test_a_compiler_that_works_is_asked_once(monkeypatch, folder):
    generator, asked = tiny_mobile(), []
    real = subprocess.run
    monkeypatch.setattr(
        compiler.subprocess, "run", lambda command, **more: asked.append(command) or real(command, **more)
    )
    assert best_execution(generator).compiled and best_execution(generator).compiled
    assert len(asked) == 1 and trouble() is None


def test_a_fault_in_the_middle_of_the_work_does_not_end_it(tmp_path, monkeypatch, folder):
    broken(tmp_path, monkeypatch, folder)
    done = inverted(monkeypatch)
    assert done.stdout == "False [3]\n"
    assert done.stderr.count("Networks run uncompiled") == 1 and "Traceback" not in done.stderr
    assert not list(folder.glob("zplus-*"))


def test_compiled_code_that_cannot_be_kept_where_it_should_is_kept_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("where the folder should be")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("ZPLUS_CACHE", str(tmp_path / "cache"))
    done = inverted(monkeypatch)
    assert done.stdout == "True [3]\n" and list((tmp_path / "cache" / "compiled").iterdir())
    assert done.stderr.count("cannot be written, so") == 1 and "Traceback" not in done.stderr


def inverted(monkeypatch) -> subprocess.CompletedProcess:
    """A short compiled inversion in a process of its own, because torch keeps what it once compiled in memory."""
    script = """
from networks import random_lpips
from tiny import tiny_mobile
from zplus.execution import Execution
from inverting import solved
from zplus.inversion.settings import Settings
from zplus.spaces import make_space
space = make_space("f/w+", tiny_mobile())
target = space.generator.synthesize(space.decode(space.sample(1, 3), space.head(space.sample(1, 3)))).clamp(-1, 1)
settings = Settings(steps=3, lpips_size=32, candidates=2)
latent = solved(space, target, random_lpips("vgg"), settings, execution=Execution("float32", True))
print(latent.mode["compiled"], latent.figures["steps"])
"""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)


def test_a_fault_of_the_function_itself_is_not_laid_to_the_compiler():
    def wrong(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        compiler.guarded(wrong)(torch.ones(1))
    assert trouble() is None


def test_one_variant_too_many_is_no_secret(monkeypatch):
    monkeypatch.setattr(compiler, "VARIANTS", 2)
    double = compiler.guarded(lambda x: 2 * x)
    with pytest.warns(UserWarning, match="uncompiled"):
        for n in range(1, 5):
            assert double(torch.ones(n)).sum() == 2 * n
    assert trouble()


def test_little_work_is_not_compiled_for_unless_that_was_done_before(monkeypatch, folder):
    monkeypatch.setattr(compiler, "_probed", lambda: "")
    monkeypatch.setattr(mode, "PAYS_AFTER", {"bfloat16": 50, "float32": 50})
    generator = tiny_mobile()
    assert not best_execution(generator, 49).compiled
    enough = best_execution(generator, 50)
    assert enough.compiled and not enough.is_ready(generator)
    enough.remember(generator)
    assert best_execution(generator, 1) == enough and enough.is_ready(generator)


def test_what_pulling_leaves_behind_does_not_keep_the_compiler_from_working(folder):
    """setuptools switches off its distutils where someone looks for pip, and torch's compiler imports setuptools."""
    script = (
        "import setuptools; from zplus import archives; archives._pip();"
        "from zplus.execution.compiler import probe; probe()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_said_where_nothing_is_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiler.guarded(lambda x: x.sin())(torch.zeros(3)).sum() == 0
