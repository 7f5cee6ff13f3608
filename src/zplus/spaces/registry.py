"""The ten spaces by name. A new space is one class and one line here."""

from zplus.errors import UnknownNameError, ZplusError
from zplus.generators import Generator
from zplus.latent import Decoding
from zplus.spaces.linear import S, W, WPlus
from zplus.spaces.space import Space
from zplus.spaces.sphere import Z, ZPlus

CODES: dict[str, type[Space]] = {x.kind: x for x in (Z, ZPlus, W, WPlus, S)}
SPACES = (*CODES, *(f"f/{name}" for name in CODES))


def space_class(name: str) -> type[Space]:
    """The class of a space by its name, with or without F. Raises UnknownNameError."""
    kind = name.removeprefix("f/")
    if kind not in CODES:
        raise UnknownNameError("space", name, SPACES)
    return CODES[kind]


def extended(kind: str) -> str:
    """The kind of the same codes in which layers can differ: "z+" for "z"."""
    found = space_class(kind)
    return next(name for name, one in CODES.items() if one.extended and issubclass(found, one))


def make_space(name: str, generator: Generator, layer: str | None = None, decoding: Decoding | None = None) -> Space:
    """A space by name ("z+", "f/z+") over a generator; layer says where F sits ("32" or "b32.conv1").

    Without a layer, F sits where `default_layer` says. Raises UnknownNameError, and ZplusError for what cannot be.
    """
    kind = space_class(name)
    if not name.startswith("f/"):
        if layer is not None:
            raise ZplusError(f"{name} has no feature map that could sit at layer {layer}: choose f/{name}.")
        return kind(generator, None, decoding)
    return kind(generator, generator.layer(layer) if layer else default_layer(generator), decoding)


def straight(space: Space) -> Space:
    """Where every move along W is straight, with exact codes for all of this space: W or W+ for one whose chart bends.

    What stands beside the code (F and its layer, the decoding) stays.
    """
    if space.linear:
        return space
    return (WPlus if space.extended else W)(space.generator, space.layer, space.decoding)


def default_layer(generator: Generator) -> int:
    """After the last convolution at 1/32 of the generator's side (32x32 of 1024 px), and at 8x8 at least."""
    return generator.layer(str(min(generator.resolution, max(8, generator.resolution // 32))))
