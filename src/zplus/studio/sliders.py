"""What the page is told of each slider: its words, its ends, and where faces held in the measurements."""

import math
from collections.abc import Sequence
from typing import Any

from zplus.direction import UNMEASURED, Direction
from zplus.errors import LatentError
from zplus.wording import words_of

REACH = 3.0  # standard deviations to either side, more only where a latent has more


def described(slider: Direction, strength: float, ends: Sequence[str]) -> dict[str, Any]:
    """A slider in words and numbers.

    Args:
        slider: The direction.
        strength: Where the slider stands.
        ends: Addresses of pictures of what it shows at either end, for one that has no words; else empty.
    """
    words, (low, high) = words_of(slider.name), held(slider)
    first, last = limits(slider, strength)
    told = {"name": slider.name, "title": words.title, "group": words.group, "less": words.less, "more": words.more}
    return told | {"low": first, "high": last, "held": [low, high], "ends": list(ends)}


def held(slider: Direction) -> tuple[float, float]:
    """Between which strengths faces held."""
    return _measured(slider) or UNMEASURED


def limits(slider: Direction, strength: float) -> tuple[float, float]:
    """Between which strengths a slider goes: one beyond where faces held, and as far as it stands; 0 is its middle."""
    low, high = _measured(slider) or (-REACH, REACH)
    end = max(min(max(-low, high) + 1, REACH), float(math.ceil(abs(strength))))
    return -end, end


def _measured(slider: Direction) -> tuple[float, float] | None:
    """The range in the card; None where there is none, or one that makes no sense."""
    try:
        return slider.range
    except LatentError:
        return None
