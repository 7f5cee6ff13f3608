"""The directions that come with the package: one small file each, found by the generator that they belong to."""

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
    """All of them, of all models."""
    folder = Path(str(files("zplus.editing") / "directions"))
    return tuple(load_direction(path) for path in sorted(folder.glob("*/*.safetensors")))


def directions_of(generator: Generator) -> dict[str, Direction]:
    """The directions that come for this generator, by name."""
    return {d.name: d for d in builtin_directions() if belongs(d, generator)}


def belongs(direction: Direction, generator: Generator) -> bool:
    """Whether a direction was found for this generator, or for one with the same mapping network (z and w)."""
    if direction.space not in CODES:
        return False
    space = make_space(direction.space, generator)
    rows, dim = space.shape
    vectors = [direction.vector, *(() if direction.excluded is None else direction.excluded)]
    fit = all(tuple(x.shape) in ((1, dim), (rows, dim)) for x in vectors)
    return fit and direction.belongs_to == space.required_fingerprint


def find_direction(name: str, generator: Generator) -> Direction:
    """A direction by its name among those that come with the package, or by the path of its file."""
    known = directions_of(generator)
    if name in known:
        return known[name]
    if not name.endswith(".safetensors"):
        raise UnknownNameError("direction", name, known)
    direction = load_direction(name)
    if not belongs(direction, generator):
        raise LatentError(f"The direction {name} belongs to another generator than {generator.name}: learn it again.")
    return direction
