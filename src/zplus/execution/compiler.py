"""torch.compile as an optional optimisation: if it fails, the same functions run eagerly.

Before anything else a tiny function is compiled, run and differentiated in a separate process, so that a compiler that
crashes or hangs does no harm. Success is recorded beside torch's cache of compiled code.
"""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import torch

from zplus.cache import cache_folder, writable
from zplus.files import make_folder

PATIENCE = 120.0  # seconds that the tiny function may take, for which usual compilers need 5 to 15
VARIANTS = 64  # of one function (batch sizes, layers, precisions) that are compiled in a process
PROBE = "from zplus.execution.compiler import probe; probe()"
NOT_WRITABLE = "{folder} cannot be written: set TORCHINDUCTOR_CACHE_DIR to a folder of your own."
SIGNS = {  # what stands in a failure, and what it means
    "TimeoutExpired": "the compiler was not ready with a tiny function in {patience:.0f} s.",
    "Python.h": "the headers of Python are missing: install them (python3-dev on Debian, python3-devel on Fedora).",
    "No space left": "the disk is full: free some space where {folder} is.",
    "Permission denied": NOT_WRITABLE,
    "PermissionError": NOT_WRITABLE,
    "Read-only file system": NOT_WRITABLE,
    "Not a directory": NOT_WRITABLE,
    "FileExistsError": NOT_WRITABLE,
}
LONGEST = 200  # characters of what a compiler says that are told

_trouble: str | None = None


def trouble() -> str | None:
    """Why this process no longer compiles, as a sentence; None while nothing failed."""
    return _trouble


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled for the shapes it is given; eager after the first failure, with one warning."""
    compiled = functools.cache(lambda: torch.compile(function, dynamic=False))  # later: even this may fail

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        if _trouble is not None:
            return function(*args)
        try:
            with _strict():
                return compiled()(*args)
        except Exception as error:
            result = function(*args)  # raises by itself where the compiler is not to blame
            _give_up(error)
            return result

    return run


def usable() -> bool:
    """Whether this machine's compiler works: probed once per version of torch, Python, processor and compiler."""
    if _trouble is None and not (marker := _marker("probe")).exists():
        if failure := _probed():
            _give_up(failure)
        else:
            _touch(marker)
    return _trouble is None


def was_compiled(what: str) -> bool:
    """Whether `what`, any name, was compiled on this machine before, so that it is ready in seconds."""
    return _marker(what).exists()


def remember_compiled(what: str) -> None:
    """Record `what` for `was_compiled`, also in later processes."""
    if _trouble is None:
        _touch(_marker(what))


def compiled_folder() -> Path:
    """Torch's folder of compiled code: TORCHINDUCTOR_CACHE_DIR if writable, else one in our cache."""
    given = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    if given is None or not writable(Path(given)):
        own = os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache_folder() / "compiled")
        if given is not None:
            warnings.warn(f"TORCHINDUCTOR_CACHE_DIR {given} cannot be written, so {own} is used.", stacklevel=2)
    return Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])


def probe() -> None:
    """Compile, run and differentiate a tiny function. Raises whatever fails."""
    x = torch.linspace(-1, 1, 64).requires_grad_()
    with _strict():
        torch.compile(lambda x: (x.sin() * x).sum(), dynamic=False)(x).backward()
    wanted = x.detach().cos() * x.detach() + x.detach().sin()
    assert x.grad is not None and torch.allclose(x.grad, wanted, atol=1e-5), "compiled code computes wrong numbers"


def _strict() -> ExitStack:
    """Compile backward passes at once, and fail at one variant too many: both where we can catch the error."""
    from torch._dynamo import config as dynamo  # noqa: PLC0415  # a second, and only where something is compiled
    from torch._functorch import config as functorch  # noqa: PLC0415

    stack = ExitStack()
    stack.enter_context(dynamo.patch(recompile_limit=VARIANTS, fail_on_recompile_limit_hit=True))
    stack.enter_context(functorch.patch(force_non_lazy_backward_lowering=True))
    return stack


def _probed() -> str:
    """The error message of the probe; empty where it succeeded."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROBE],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "TimeoutExpired"
    except OSError as error:
        return f"no process could be started for it ({error.strerror})."
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""


def _give_up(failure: str | Exception) -> None:
    """Stop compiling in this process, and say why."""
    global _trouble  # noqa: PLW0603
    if _trouble is None:
        _trouble = f"Networks run uncompiled, up to twice as slow, because {_reason(str(failure))}"
        warnings.warn(_trouble, stacklevel=4)


def _reason(failure: str) -> str:
    """Why compiling failed and how to fix it, as the second half of a sentence."""
    if known := next((reason for sign, reason in SIGNS.items() if sign in failure), None):
        return known.format(folder=compiled_folder(), patience=PATIENCE)
    if own := os.environ.get("CXX"):
        return f"the compiler {own}, which CXX names, does not work: unset CXX, or name one that does."
    if not any(map(shutil.which, ("g++", "clang++", "cl"))):
        return "there is no C++ compiler: install one (g++ on Debian, Xcode's tools on macOS)."
    errors = [line.strip() for line in failure.splitlines() if "Error" in line] or [" ".join(failure.split())]
    return f"the compiler failed: {errors[-1][:LONGEST]}"


def _marker(what: str) -> Path:
    """The empty file that records a success with this torch, Python, processor and compiler."""
    compiler = shutil.which(os.environ.get("CXX") or "g++") or ""
    facts = [
        what,
        torch.__version__,
        sys.version,
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        compiler,
    ]
    return compiled_folder() / f"zplus-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _touch(marker: Path) -> None:
    with suppress(OSError):  # it is only asked again
        make_folder(marker.parent)
        marker.touch()


compiled_folder()  # now, because torch's optimizers import what makes this folder, and fail where it cannot be made
