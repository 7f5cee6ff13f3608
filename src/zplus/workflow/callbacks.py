"""Functions that the caller of a workflow passes in, to follow the work and to stop it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from zplus.image_limits import quiet_decoders

Tick = Callable[[int, str], None]  # how many steps are done, and a note on the last one


@contextmanager
def unwatched(title: str, total: int | None = None) -> Iterator[Tick]:
    """The stage of work that nobody follows."""
    yield lambda done, note: None


def unheard(line: str) -> None:
    """Drop a message."""


def go_on(progress: Any) -> bool:
    """Let an inversion run to its end."""
    return False


@dataclass(frozen=True)
class Callbacks:
    """Functions that a workflow calls while it runs. Each may raise an exception to stop the work.

    Attributes:
        stage: Called with the title of a stage and its number of steps (None if unknown). It returns a context manager
            whose value is called with the number of finished steps and a note on the last one.
        step: Called with every `zplus.inversion.Progress`. True stops the inversion and keeps its present result.
        say: Called with a message for the user.
        warn: Called with a warning for the user.
    """

    stage: Callable[[str, int | None], AbstractContextManager[Tick]] = unwatched
    step: Callable[[Any], bool] = go_on
    say: Callable[[str], None] = unheard
    warn: Callable[[str], None] = unheard


SILENT = Callbacks()  # nobody follows


@contextmanager
def python_warnings(callbacks: Callbacks) -> Iterator[None]:
    """Pass the Python warnings of a block to `callbacks.warn`, each once.

    Without a `warn` callback warnings are not caught. Catching them is not thread-safe.
    """
    if callbacks.warn is unheard:
        yield
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet_decoders()  # photos may be read in another thread
        yield
    for line in dict.fromkeys(str(warning.message) for warning in caught):
        callbacks.warn(line)


def collecting(callbacks: Callbacks) -> tuple[Callbacks, list[str]]:
    """The callbacks, and a list to which each warning is added as well."""
    lines: list[str] = []

    def warn(line: str) -> None:
        lines.append(line)
        callbacks.warn(line)

    return replace(callbacks, warn=warn), lines
