"""The ten spaces by name. A new space is one class and one line here."""

from zplus.errors import UnknownNameError, ZplusError
from zplus.generators import Generator
from zplus.spaces.linear import S, W, WPlus
from zplus.spaces.space import Space
from zplus.spaces.sphere import Z, ZPlus

CODES: dict[str, type[Space]] = {"z": Z, "z+": ZPlus, "w": W, "w+": WPlus, "s": S}
SPACES = (*CODES, *(f"f/{name}" for name in CODES))


def make_space(
    name: str,
    generator: Generator,
    layer: str | None = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise: str = "const",
) -> Space:
    """A space by name ("z+", "f/z+") over a generator; layer says where F sits ("32" or "b32.conv1").

    Without a layer, F sits where `default_layer` says. Raises UnknownNameError, and ZplusError for what cannot be.
    """
    if name not in SPACES:
        raise UnknownNameError("space", name, SPACES)
    if not 0 <= psi <= 1:
        raise ZplusError(f"Truncation psi is {psi}, but must lie between 0 and 1.")
    kind = CODES[name.removeprefix("f/")]
    if not name.startswith("f/"):
        if layer is not None:
            raise ZplusError(f"{name} has no feature map that could sit at layer {layer}: choose f/{name}.")
        return kind(generator, None, psi, cutoff, noise)
    return kind(generator, generator.layer(layer) if layer else default_layer(generator), psi, cutoff, noise)


def default_layer(generator: Generator) -> int:
    """After the last convolution at 1/32 of the generator's side (32x32 of 1024 px), and at 8x8 at least."""
    return generator.layer(str(max(8, generator.resolution // 32)))
