"""What the directions that come with the package are called in words: one table for pages, the studio and reports."""

from typing import NamedTuple


class Words(NamedTuple):
    """What an edit of a negative and of a positive strength shows, and the name and group of a slider for both."""

    less: str
    more: str
    title: str
    group: str = "More"


WORDS = {
    "smile": Words("less smile", "more smile", "Smile", "Expression"),
    "mouth_open": Words("mouth closed", "mouth open", "Open mouth", "Expression"),
    "yaw": Words("turned to the left", "turned to the right", "Turn head", "Head"),
    "pitch": Words("head down", "head up", "Nod", "Head"),
    "age": Words("younger", "older", "Age, perceived", "Looks"),
    "gender": Words("perceived more as a woman", "perceived more as a man", "Gender, perceived", "Looks"),
    "eyeglasses": Words("glasses off", "glasses on", "Glasses", "Looks"),
}


def words_of(name: str) -> Words:
    """The words for a direction, whatever its name.

    >>> words_of("long_hair").title
    'Long hair'
    """
    plain = name.replace("_", " ")
    return WORDS.get(name) or Words(f"less {plain}", f"more {plain}", plain[:1].upper() + plain[1:])


def described(name: str, strength: float) -> str:
    """An edit in words.

    >>> described("age", 1.5), described("beard", -1.0)
    ('older', 'less beard')
    """
    words = words_of(name)
    return words.more if strength > 0 else words.less


def signed(strength: float) -> str:
    """A strength as people write it.

    >>> signed(1.5), signed(0.0), signed(-2.0)
    ('+1.5', '0', '-2')
    """
    return f"{strength:+g}" if strength else "0"
