"""How whoever asks for work follows it and ends it: functions that are called while it runs."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

Tick = Callable[[int, str], None]  # how many steps are done, and a note on the last one


@contextmanager
def unwatched(title: str, total: int | None = None) -> Iterator[Tick]:
    """A stage that nobody follows."""
    yield lambda done, note: None


def unheard(line: str) -> None:
    """A line that nobody reads."""


def go_on(progress: Any) -> bool:
    """An inversion that runs to its end."""
    return False


@dataclass(frozen=True)
class Callbacks:
    """What work calls while it runs. Any of them may raise, which ends the work.

    stage: opens a stage of the work by its title and number of steps (None: unknown); the context gives a Tick.
    step: is given each `zplus.inversion.Progress`; True ends the inversion and keeps the latent of that step.
    say, warn: take a line for a person.
    """

    stage: Callable[[str, int | None], AbstractContextManager[Tick]] = unwatched
    step: Callable[[Any], bool] = go_on
    say: Callable[[str], None] = unheard
    warn: Callable[[str], None] = unheard


SILENT = Callbacks()  # nobody follows


@contextmanager
def python_warnings(callbacks: Callbacks) -> Iterator[None]:
    """Give Python's warnings of a block to `callbacks.warn`, each once; where nobody hears, they are left alone.

    Not for threads, which share the state that catches warnings.
    """
    if callbacks.warn is unheard:
        yield
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for line in dict.fromkeys(str(warning.message) for warning in caught):
        callbacks.warn(line)


def collecting(callbacks: Callbacks) -> tuple[Callbacks, list[str]]:
    """The callbacks, and a list of all that they will have warned of."""
    lines: list[str] = []

    def warn(line: str) -> None:
        lines.append(line)
        callbacks.warn(line)

    return replace(callbacks, warn=warn), lines
