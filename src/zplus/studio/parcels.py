"""Files on their way into or out of the page: bytes in memory under ids that nobody can guess, never paths."""

import secrets
from threading import Lock
from typing import NamedTuple

KEPT = 4  # files an owner may have waiting; the oldest leaves first


class Parcel(NamedTuple):
    """A file, the name under which it is saved, and the visitor that it belongs to."""

    content: bytes
    name: str
    owner: str


class Parcels:
    """Files by id."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._parcels: dict[str, Parcel] = {}

    def put(self, content: bytes, name: str, owner: str) -> str:
        """The id of a new file; the owner's oldest makes room for it."""
        key = secrets.token_hex(16)
        with self._lock:
            self._parcels[key] = Parcel(content, name, owner)
            for old in self._of(owner)[:-KEPT]:
                del self._parcels[old]
        return key

    def get(self, key: str) -> Parcel | None:
        """The file of an id, which stays."""
        return self._parcels.get(key)

    def take(self, key: str) -> Parcel | None:
        """The file of an id, which is gone afterwards."""
        with self._lock:
            return self._parcels.pop(key, None)

    def forget(self, owner: str) -> None:
        """Drop all files of an owner."""
        with self._lock:
            for key in self._of(owner):
                del self._parcels[key]

    def _of(self, owner: str) -> list[str]:
        return [key for key, parcel in self._parcels.items() if parcel.owner == owner]
