"""What the directions that come with the package are called in words: one table for pages, the studio and reports."""

from typing import NamedTuple


class Words(NamedTuple):
    """What an edit of a negative and of a positive strength shows, and a hint for a slider of both."""

    less: str
    more: str
    hint: str


WORDS = {
    "smile": Words("less smile", "more smile", "less or more"),
    "age": Words("younger", "older", "perceived: younger or older"),
    "gender": Words("perceived more as a woman", "perceived more as a man", "perceived: more as a woman or as a man"),
    "yaw": Words("turned to the left", "turned to the right", "head turned to the left or to the right"),
    "pitch": Words("head down", "head up", "head down or up"),
    "mouth_open": Words("mouth closed", "mouth open", "closed or open"),
    "eyeglasses": Words("glasses off", "glasses on", "off or on"),
}


def described(name: str, strength: float) -> str:
    """An edit in words.

    >>> described("age", 1.5), described("beard", -1.0)
    ('older', 'less beard')
    """
    words = WORDS.get(name) or Words(f"less {name}", f"more {name}", "")
    return words.more if strength > 0 else words.less


def signed(strength: float) -> str:
    """A strength as people write it.

    >>> signed(1.5), signed(0.0), signed(-2.0)
    ('+1.5', '0', '-2')
    """
    return f"{strength:+g}" if strength else "0"
