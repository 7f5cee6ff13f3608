"""The finders of directions by name. A new finder is one function and one entry here."""

from collections.abc import Callable, Set
from dataclasses import dataclass

from zplus.direction import Direction
from zplus.editing.boundary import learn_boundary
from zplus.editing.channel import learn_channel
from zplus.editing.components import factorize, principal
from zplus.editing.examples import learn_from_examples
from zplus.editing.search import Search
from zplus.errors import ZplusError
from zplus.generators import Generator


@dataclass(frozen=True)
class Finder:
    """A function that finds directions, and the fields of a `Search` that it uses.

    Attributes:
        find: (generator, search) -> directions.
        needs: The fields that must be given.
        reads: The fields that may be given.
        spaces: The spaces that it can search.
        gist: Why it ignores other fields, as the end of a sentence.
    """

    find: Callable[[Generator, Search], list[Direction]]
    needs: Set[str]
    reads: Set[str]
    spaces: tuple[str, ...]
    gist: str

    def __call__(self, generator: Generator, search: Search) -> list[Direction]:
        """Find directions.

        Raises:
            ZplusError: A field is missing, a field would be ignored, or the search fails.
        """
        given = search.given - {"space"} if search.space in self.spaces else search.given
        for names, word in ((self.needs - given, "Give"), (given - self.needs - self.reads, "Leave out")):
            if names:
                raise ZplusError(f"{word} {', '.join(sorted(names))}: {self.gist}.")
        return self.find(generator, search)


SCORES, ANY = {"name", "attribute", "scored"}, ("z", "w", "s")
FINDERS = {  # of those that need the same, the first is the command line's default
    "boundary": Finder(
        learn_boundary, SCORES, {"fraction", "layers", "conditioned_on"}, ANY, "a boundary separates scored samples"
    ),
    "channel": Finder(learn_channel, SCORES, {"fraction"}, ("s",), "one channel of S moves"),
    "principal": Finder(principal, {"count"}, {"layers", "seed"}, ANY, "components have no scores and no names"),
    "factorize": Finder(
        factorize, {"count"}, {"layers"}, ("w",), "the weights of all styles are decomposed, and nothing is drawn"
    ),
    "examples": Finder(
        learn_from_examples, {"name", "examples"}, {"layers"}, ("w",), "your pictures are separated by a boundary in w"
    ),
}
