"""What the directions that come with the package are called in words: one table for pages, the studio and reports."""

from typing import NamedTuple


class Ends(NamedTuple):
    """What an edit of a negative and of a positive strength shows."""

    less: str
    more: str


ENDS = {
    "smile": Ends("less smile", "more smile"),
    "age": Ends("younger", "older"),
    "gender": Ends("perceived more as a woman", "perceived more as a man"),
    "yaw": Ends("turned to the left", "turned to the right"),
    "pitch": Ends("head down", "head up"),
    "mouth_open": Ends("mouth closed", "mouth open"),
    "eyeglasses": Ends("glasses off", "glasses on"),
}


def described(name: str, strength: float) -> str:
    """An edit in words.

    >>> described("age", 1.5), described("beard", -1)
    ('older', 'less beard')
    """
    return ENDS.get(name, Ends(f"less {name}", f"more {name}"))[strength > 0]


def signed(strength: float) -> str:
    """A strength as people write it.

    >>> signed(1.5), signed(0.0), signed(-2.0)
    ('+1.5', '0', '-2')
    """
    return f"{strength:+g}" if strength else "0"
