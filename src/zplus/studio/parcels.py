"""Files on their way into or out of the page: bytes in memory under ids that nobody can guess, never paths."""

import secrets
from collections import OrderedDict
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
        self._parcels: OrderedDict[str, Parcel] = OrderedDict()

    def put(self, content: bytes, name: str, owner: str) -> str:
        """The id of a new file; the owner's oldest makes room for it."""
        with self._lock:
            theirs = [key for key, parcel in self._parcels.items() if parcel.owner == owner]
            for key in theirs[: max(0, len(theirs) - KEPT + 1)]:
                del self._parcels[key]
            key = secrets.token_hex(16)
            self._parcels[key] = Parcel(content, name, owner)
            return key

    def get(self, key: str) -> Parcel | None:
        """The file of an id, which stays."""
        with self._lock:
            return self._parcels.get(key)

    def take(self, key: str) -> Parcel | None:
        """The file of an id, which is gone afterwards."""
        with self._lock:
            return self._parcels.pop(key, None)

    def forget(self, owner: str) -> None:
        """Drop all files of an owner."""
        with self._lock:
            for key in [key for key, parcel in self._parcels.items() if parcel.owner == owner]:
                del self._parcels[key]
