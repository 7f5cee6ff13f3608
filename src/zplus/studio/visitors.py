"""Who is visiting: a session each, by the id that the page chose at random, and what became of those that left."""

import re
import time
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from zplus.errors import ZplusError

if TYPE_CHECKING:
    from zplus.studio.models import Models
    from zplus.studio.session import Session
    from zplus.studio.shelf import Shelf

MAX_VISITORS = 16  # visitors at a time; the one that was away longest makes room
SILENT = 3600.0  # seconds without a sign of its page, after which a visitor has left
KEY = re.compile(r"[0-9a-f]{32}")


class Visitors:
    """All sessions of this program. torch and the models are loaded with the first, once the page is up."""

    def __init__(self, keep: Path | None = None, files: Sequence[Path] = (), device: str = "cpu"):
        self.keep, self._files, self._device = keep, files, device
        self._lock = Lock()
        self._sessions: dict[str, Session] = {}  # who was here last comes last
        self._heard: dict[str, float] = {}

    @staticmethod
    def is_key(key: str) -> bool:
        """Whether a text is an id as the page makes them."""
        return KEY.fullmatch(key) is not None

    def session(self, key: str) -> "Session":
        """The session of a visitor, a new one upon the first call. Raises ZplusError for one without an id."""
        if not self.is_key(key):
            raise ZplusError("This page has lost its name: load it again.")
        with self._lock:
            if key in self._sessions:
                self._sessions[key] = self._sessions.pop(key)
            else:
                while len(self._sessions) >= MAX_VISITORS:
                    self._close(next(iter(self._sessions)))
                self._sessions[key] = import_module("zplus.studio.session").Session(*self._shared)
            self._heard[key] = time.monotonic()
            return self._sessions[key]

    def heard(self, key: str) -> None:
        """The page of a visitor is still there. Those that were silent for long are forgotten."""
        with self._lock:
            if key in self._sessions:
                self._heard[key] = time.monotonic()
        self.sweep()

    def sweep(self) -> None:
        """Forget those that were silent for long."""
        now = time.monotonic()
        with self._lock:
            for old in [old for old, when in self._heard.items() if now - when > SILENT]:
                self._close(old)

    def watch(self) -> None:
        """Sweep now and then, also where nobody else is there; it does not end."""
        while True:
            time.sleep(SILENT / 60)
            self.sweep()

    def warm_up(self) -> None:
        """Load what all visitors share."""
        with self._lock:
            self._shared  # noqa: B018

    def leave(self, key: str) -> None:
        """A visitor has closed the page: nothing of theirs stays in memory."""
        with self._lock:
            self._close(key)

    def __len__(self) -> int:
        return len(self._sessions)

    def _close(self, key: str) -> None:
        self._heard.pop(key, None)
        if key in self._sessions:
            self._sessions.pop(key).forget()

    @cached_property
    def _shared(self) -> "tuple[Models, Shelf | None]":
        models = import_module("zplus.studio.models").Models(self._files, self._device)
        return models, None if self.keep is None else import_module("zplus.studio.shelf").Shelf(self.keep)
