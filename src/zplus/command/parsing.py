"""What the options of `edit` say, as text: directions with a strength, sweeps, and scores to reach."""

import math
import re
from typing import NamedTuple

from zplus.direction import MOST
from zplus.errors import ZplusError

MAX_FRAMES = 200


class Sweep(NamedTuple):
    """A direction and the strengths that it takes one after the other."""

    name: str
    strengths: tuple[float, ...]


def parse_strengths(directions: tuple[str, ...]) -> dict[str, float]:
    """ "smile=1.5" or "smile" (which is 1) by name; the same name adds up.

    >>> parse_strengths(("smile", "age=-2", "smile=0.5"))
    {'smile': 1.5, 'age': -2.0}
    """
    found: dict[str, float] = {}
    for text in directions:
        name, equals, number = text.rpartition("=")
        if not equals:
            name, number = text, "1"
        try:
            strength = float(number)
        except ValueError:
            raise ZplusError(f"The strength in {text!r} is not a number: write it like {name}=1.5.") from None
        found[name] = found.get(name, 0.0) + strength
        if not name or math.isnan(found[name]):  # also of opposite infinities
            raise ZplusError(f"{text!r} is not a direction with a strength: write it like smile=1.5.")
    return found


def parse_own(directions: tuple[str, ...]) -> tuple[dict[str, float], dict[int, dict[str, float]]]:
    """Strengths of all faces, and of single ones, such as "0:smile=1" of the largest.

    >>> parse_own(("age=1", "0:smile", "2:smile=-1"))
    ({'age': 1.0}, {0: {'smile': 1.0}, 2: {'smile': -1.0}})
    """
    parts = [re.fullmatch(r"(?:(\d{1,9}):)?(.*)", text, re.DOTALL) for text in directions]
    found = [(x[1], x[2]) for x in parts if x]
    numbers = sorted({int(number) for number, _ in found if number})
    own = {n: parse_strengths(tuple(text for number, text in found if number and int(number) == n)) for n in numbers}
    return parse_strengths(tuple(text for number, text in found if not number)), own


def parse_sweep(text: str) -> Sweep:
    """NAME=FROM:TO:COUNT.

    >>> parse_sweep("smile=-1:1:3")
    Sweep(name='smile', strengths=(-1.0, 0.0, 1.0))
    """
    name, _, numbers = text.rpartition("=")
    try:
        first, last, count = numbers.split(":")
        ends, steps = (float(first), float(last)), int(count)
    except ValueError:
        raise ZplusError(f"{text!r} is no sweep: write it like smile=-2:2:5.") from None
    if not name or not 2 <= steps <= MAX_FRAMES or not all(abs(x) <= MOST for x in ends):  # nor NaN
        raise ZplusError(f"{text!r} needs 2 to {MAX_FRAMES} pictures, and strengths in -{MOST:g}..{MOST:g}.")
    return Sweep(name, tuple(ends[0] + (ends[1] - ends[0]) * i / (steps - 1) for i in range(steps)))


def parse_targets(targets: tuple[str, ...]) -> dict[str, float]:
    """ "smile=0.8" by name."""
    found = {}
    for text in targets:
        name, _, number = text.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise ZplusError(f"The target in {text!r} is not a number: write it like smile=0.8.") from None
        if not name or not math.isfinite(found[name]):
            raise ZplusError(f"{text!r} is no target: write it like smile=0.8.")
    return found


def parse_pairs(begin: tuple[str, ...], to: tuple[str, ...]) -> tuple[tuple[float, float, float, float], ...]:
    """Points "x,y" and their targets, as x, y, x, y.

    >>> parse_pairs(("10,20",), ("10,15.5",))
    ((10.0, 20.0, 10.0, 15.5),)
    """
    if len(begin) != len(to) or not begin:
        raise ZplusError(
            f"There are {len(begin)} points (--from) and {len(to)} targets (--to): give one target for each point, "
            "such as --from 420,610 --to 410,590."
        )
    return tuple((*_point(a), *_point(b)) for a, b in zip(begin, to, strict=True))


def _point(text: str) -> tuple[float, float]:
    """X,Y."""
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        raise ZplusError(f"{text[:60]!r} is no point: write it like 420,610, x before y, in pixels.") from None
    return x, y
