"""Connections that end where no request comes, or where nothing of an answer is taken. uvicorn would wait for ever.

Their number is bounded: beyond it, the one that has been there longest, of those without a request, makes room.
"""

import asyncio
import math
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

try:
    import resource
except ImportError:  # Windows, where connections are not counted as files
    resource = None  # type: ignore[assignment]

MAX_CONNECTIONS = 256  # at a time; a browser opens six
TICK = 10.0  # seconds from one look at a connection to the next, and in which the head of a request must come
UNTAKEN = 6  # looks after which an answer of which nothing more was taken is given up


class Connection(H11Protocol):
    """A connection of uvicorn's that does not wait for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to look at it now and then, and make room for it."""
        super().connection_made(transport)
        self._since, self._same, self._seen = self.loop.time(), 0, (None, True, 0)
        self._timer = self.loop.call_later(TICK, self._look)
        if len(self.connections) > max_connections():
            min((one for one in self.connections if one.waits), key=lambda one: one._since).drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """It was closed by either side."""
        self._timer.cancel()
        super().connection_lost(exc)

    @property
    def waits(self) -> bool:
        """Whether the head of a request is to come next."""
        return (self.cycle is None or self.cycle.response_complete) and not self._unsent

    @property
    def _unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    def drop(self) -> None:
        """Close it at once."""
        self.connections.discard(self)
        self.transport.abort()

    def _look(self) -> None:
        """Drop it if it has been waiting all the time since the last look, or longer for an answer to be taken."""
        now: tuple[Any, bool, int] = self.cycle, self.waits, self._unsent
        self._same = self._same + 1 if now == self._seen else 0
        self._seen = now
        if self._same >= (UNTAKEN if self._unsent else 1 if self.waits else math.inf):
            self.drop()
        else:
            self._timer = self.loop.call_later(TICK, self._look)


def max_connections() -> int:
    """How many connections there may be, so that half of the files that this program may open are left."""
    files = math.inf if resource is None else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_CONNECTIONS if files < 0 else int(min(MAX_CONNECTIONS, files // 2))
