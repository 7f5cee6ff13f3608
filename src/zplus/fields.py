"""What the fields of a file from anyone may hold: names, and plain data of limited size."""

from collections.abc import Iterator
from typing import Any

MAX_NAME = 255  # characters, as of the names of files
MAX_TEXT = 4096  # characters of one value, such as a path among settings
MAX_PARTS = 10_000  # keys and values of one object; the largest known has 200
MAX_DEPTH = 8  # of objects and lists in each other
JOINERS = str.maketrans("", "", "\u200c\u200d")  # which Persian, scripts of India and emoji need


def is_name(value: Any) -> bool:
    """Whether it is a short text without anything that acts on a terminal or turns the direction of writing.

    >>> is_name("smile \u263a"), is_name("\\x1b[2J"), is_name("a\\u202eb"), is_name(3)
    (True, False, False, False)
    """
    return isinstance(value, str) and len(value) <= MAX_NAME and value.translate(JOINERS).isprintable()


def check_plain(name: str, value: Any, max_parts: int = MAX_PARTS) -> None:
    """Raise ValueError where a value that was read from JSON holds more, or deeper, than any that zplus writes."""
    for count, part in enumerate(_parts(name, value, MAX_DEPTH), 1):
        if count > max_parts:
            raise ValueError(f"{name} holds more than {max_parts} parts")
        if isinstance(part, str) and (len(part) > MAX_TEXT or not part.isprintable()):
            raise ValueError(f"{name} holds a text that is too long, or of characters that cannot be shown")


def _parts(name: str, value: Any, room: int) -> Iterator[Any]:
    """All keys and values at any depth; None stands for an object or a list."""
    if not room:
        raise ValueError(f"{name} holds parts too deep in each other")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _parts(name, inner, room - 1)
    elif isinstance(value, list | tuple):
        yield None
        for inner in value:
            yield from _parts(name, inner, room - 1)
    else:
        yield value
