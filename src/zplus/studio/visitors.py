"""Who is visiting: a session each, by the id that the page chose at random, and what became of those that left."""

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from zplus.errors import ZplusError
from zplus.studio.parcels import Parcels

if TYPE_CHECKING:
    from zplus.studio.models import Models
    from zplus.studio.session import Session
    from zplus.studio.shelf import Shelf

MAX_VISITORS = 16  # visitors at a time; the one that was away longest makes room
UPLOADS = "uploads"  # the owner of files that nobody has opened yet


class Visitors:
    """All sessions of this program. torch and the models are loaded with the first, once the page is up."""

    def __init__(self, keep: Path | None = None, files: Sequence[Path] = (), device: str = "cpu"):
        self.keep, self.parcels = keep, Parcels()
        self._files, self._device = files, device
        self._lock = Lock()
        self._sessions: dict[str, Session] = {}  # who was here last comes last

    def session(self, key: str) -> "Session":
        """The session of a visitor, a new one upon the first call. Raises ZplusError for one without an id."""
        if not key:
            raise ZplusError("This page has lost its name: load it again.")
        with self._lock:
            if key in self._sessions:
                self._sessions[key] = self._sessions.pop(key)
            else:
                while len(self._sessions) >= MAX_VISITORS:
                    self._close(next(iter(self._sessions)))
                self._sessions[key] = import_module("zplus.studio.session").Session(*self._shared)
            return self._sessions[key]

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
        self.parcels.forget(key)
        if key in self._sessions:
            self._sessions.pop(key).forget()

    @cached_property
    def _shared(self) -> "tuple[Models, Shelf | None]":
        models = import_module("zplus.studio.models").Models(self._files, self._device)
        return models, None if self.keep is None else import_module("zplus.studio.shelf").Shelf(self.keep)
