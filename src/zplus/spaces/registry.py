"""The ten spaces by name. A new space is one class and one entry here."""

from zplus.errors import UnknownNameError, ZplusError
from zplus.generators import Generator
from zplus.latent import Decoding
from zplus.spaces.linear import S, W, WPlus
from zplus.spaces.space import Space
from zplus.spaces.sphere import Z, ZPlus

CODES: dict[str, type[Space]] = {x.kind: x for x in (Z, ZPlus, W, WPlus, S)}
SPACES = (*CODES, *(f"f/{name}" for name in CODES))


def space_class(name: str) -> type[Space]:
    """The class of a space by name, with or without F. Raises UnknownNameError."""
    kind = name.removeprefix("f/")
    if kind not in CODES:
        raise UnknownNameError("space", name, SPACES)
    return CODES[kind]


def extended(kind: str) -> str:
    """The space with one code per layer for the same kind of codes: "z+" for "z"."""
    found = space_class(kind)
    return next(name for name, one in CODES.items() if one.extended and issubclass(found, one))


def make_space(name: str, generator: Generator, layer: str | None = None, decoding: Decoding | None = None) -> Space:
    """A space of a generator by name.

    Args:
        name: A name of `SPACES`, such as "z+" or "f/z+".
        generator: The generator.
        layer: Where F sits, "32" or "b32.conv1"; None for `default_layer`.
        decoding: Truncation and noise; None for the defaults.

    Raises:
        UnknownNameError: There is no such space or layer.
        ZplusError: A layer was given for a space without F.
    """
    kind = space_class(name)
    if not name.startswith("f/"):
        if layer is not None:
            raise ZplusError(f"{name} has no feature map that could sit at layer {layer}: choose f/{name}.")
        return kind(generator, None, decoding)
    return kind(generator, generator.layer(layer) if layer else default_layer(generator), decoding)


def straight(space: Space) -> Space:
    """The space in which a movement along W is a straight line: W or W+ for Z or Z+, else the space itself.

    F, its layer and the decoding stay the same.
    """
    if space.linear:
        return space
    return (WPlus if space.extended else W)(space.generator, space.layer, space.decoding)


def default_layer(generator: Generator) -> int:
    """The last layer at 1/32 of the generator's resolution (32x32 of 1024 px), and at 8x8 or the coarsest at least."""
    wanted = min(generator.resolution, max(8, generator.resolution // 32))
    return generator.layer(str(min(x.resolution for x in generator.layers if x.resolution >= wanted)))
