"""The directions that come with the package, one file each; a fingerprint links them to their generator."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from zplus.direction import Direction, load_direction
from zplus.errors import LatentError, UnknownNameError
from zplus.generators import Generator
from zplus.spaces import make_space
from zplus.spaces.registry import CODES


@cache
def builtin_directions() -> tuple[Direction, ...]:
    """The directions of all models, in the order of model and name."""
    folder = Path(str(files("zplus.editing") / "directions"))
    return tuple(load_direction(path) for path in sorted(folder.glob("*/*.safetensors")))


def directions_of(generator: Generator) -> dict[str, Direction]:
    """The built-in directions of this generator, by name; empty where there are none."""
    return {d.name: d for d in builtin_directions() if belongs(d, generator)}


def belongs(direction: Direction, generator: Generator) -> bool:
    """Whether a direction applies to a generator.

    Directions of Z and W apply to every generator with the same mapping network, directions of S to one generator only.
    """
    if direction.space not in CODES:
        return False
    space = make_space(direction.space, generator)
    rows, dim = space.shape
    vectors = [direction.vector, *(() if direction.excluded is None else direction.excluded)]
    fit = all(tuple(x.shape) in ((1, dim), (rows, dim)) for x in vectors)
    return fit and direction.belongs_to == space.required_fingerprint


def find_direction(name: str, generator: Generator) -> Direction:
    """A direction by name or from a file.

    Args:
        name: The name of a built-in direction, or a path that ends in .safetensors.
        generator: The generator that it must belong to.

    Raises:
        UnknownNameError: No built-in direction has this name.
        LatentError: The file is damaged, or its direction belongs to another generator.
    """
    known = directions_of(generator)
    if name in known:
        return known[name]
    if not name.endswith(".safetensors"):
        raise UnknownNameError("direction", name, known)
    direction = load_direction(name)
    if not belongs(direction, generator):
        raise LatentError(f"The direction {name} belongs to another generator than {generator.name}: learn it again.")
    return direction
