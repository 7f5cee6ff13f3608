"""Errors. Each message says in a sentence what was found, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class ZplusError(Exception):
    """The base class of all foreseen errors. The command line prints the message and exits with 2."""


class ImageError(ZplusError):
    """A file that is not a usable image."""


class FaceError(ZplusError):
    """There is no face, or not the requested one."""


class CheckpointError(ZplusError):
    """A file of weights that is damaged, unknown or refused."""


class LatentError(ZplusError):
    """A latent or direction that is damaged, or does not belong to this generator or space."""


class DownloadError(ZplusError):
    """A package archive that could not be fetched, or whose hash is wrong."""


class DivergedError(ZplusError):
    """An optimisation without a finite loss."""


class MissingExtraError(ZplusError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str):
        super().__init__(f"{package} is needed here but not installed: run pip install 'zplus[{extra}]'.")


class UnknownNameError(ZplusError):
    """A name that is not in a registry; the message offers the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        names = sorted(known)
        near = get_close_matches(name[:60], names, n=1)
        others = f"known are: {', '.join(names)}." if names else "there is none here."
        hint = f"did you mean {near[0]!r}?" if near else others
        super().__init__(f"Unknown {kind} {name[:60]!r}: {hint}")


LONGEST = 1000  # characters of a message, which may quote what a file holds


def printable(text: str) -> str:
    r"""The text with what could act on a terminal, all but line ends, written as its escape.

    >>> printable("a\x1b[2J")
    'a\\x1b[2J'
    """
    return "".join(x if x.isprintable() or x == "\n" else x.encode("unicode_escape").decode() for x in text)


def one_line(text: str) -> str:
    r"""As `printable`, with line ends as their escape too: what a file is called must not look like our next line.

    >>> one_line("a\nb")
    'a\\nb'
    """
    return printable(text).replace("\n", "\\n")


def reason(error: BaseException) -> str:
    """What an error of a library says of a file, which it may quote, as part of a line for a person."""
    return printable(" ".join(str(error).split()))[:200]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, in the words of Python, torch and CUDA."""
    said = isinstance(error, RuntimeError) and ("allocate memory" in str(error) or "out of memory" in str(error))
    return said or isinstance(error, MemoryError)


def sentence(error: BaseException) -> str:
    """What went wrong, in one line for a person."""
    return printable(_sentence(error))[:LONGEST]


def _sentence(error: BaseException) -> str:
    if isinstance(error, ZplusError):
        return " ".join(str(error).split())
    if is_out_of_memory(error):
        return "There is not enough memory: close other programs, or use a smaller picture."
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}: check the name, the permissions and the space that is left."
    words = " ".join(str(error).split())
    return f"Something unforeseen happened ({type(error).__name__}: {words[:300]}): --debug shows where."
