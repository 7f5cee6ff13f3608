"""Directions of other programs: InterFaceGAN's and W+ .npy files, e4e's .pt files, GANSpace's .npz files."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from zplus.direction import Direction
from zplus.errors import LatentError
from zplus.generators import Generator
from zplus.generators.checkpoints.codes import read_code_arrays
from zplus.spaces import Space, make_space
from zplus.spaces.registry import extended

COMPONENTS = (("lat_comp", "lat_stdev"), ("comp", "std"))  # names in GANSpace's .npz, and in e4e's copy of it
SAMPLES = 10_000  # of the prior, for the unit


def read_directions(generator: Generator, path: Path, space: str) -> tuple[list[Direction], list[str]]:
    """Read the directions of a file. Nothing in it is executed.

    Args:
        generator: The generator that they were found for; the file cannot tell.
        path: A vector [D] or [1, D] moves all codes. Rows [L, D] move one code each (a direction of Z+ or W+), also
            as one vector [L * D] (StyleFeatureEditor); of more rows than the generator has codes, the first are taken.
            Components [N, 1, D] give N directions.
        space: "z" or "w", which the file cannot tell either.

    Returns:
        The directions, and notes for the user. One unit is one standard deviation of the prior along the vector, or the
        file's own for components, until `calibrated` measures a score.

    Raises:
        LatentError: The file is damaged, or its sizes are not those of this generator.
    """
    where = make_space(space, generator)
    arrays, notes, scaled = read_code_arrays(path), list[str](), False
    for axes, deviations in COMPONENTS:
        if axes in arrays and deviations in arrays:
            if not arrays[axes].ndim or len(arrays[axes]) != arrays[deviations].numel() or not len(arrays[axes]):
                raise LatentError(f"{path} holds components of which not each has one deviation: get it again.")
            vectors = arrays[axes].reshape(len(arrays[axes]), -1) * arrays[deviations].flatten()[:, None]
            named = {f"{path.stem}-{i:02d}": x[None] for i, x in enumerate(vectors)}
            break
    else:
        if len(arrays) != 1:
            raise LatentError(f"{path} holds {', '.join(sorted(arrays))[:200]}: one direction or components expected.")
        (vector,), scaled = arrays.values(), True
        named = {path.stem: _in_rows(vector.squeeze(0), where.dim)}
    found = []
    for name, vector in named.items():
        rows, width = vector.shape if vector.ndim == 2 else (0, 0)
        codes = generator.num_codes
        if width != where.dim or not (rows == 1 or rows >= codes):
            raise LatentError(
                f"{path} holds {tuple(vector.shape)}, but a direction of {generator.name} in {space} is "
                f"[1, {where.dim}] or [{codes}, {where.dim}]."
            )
        if rows > codes:
            notes.append(f"{generator.name} takes {codes} codes: the first of {rows} rows were taken.")
        kind = space if rows == 1 else extended(space)
        found.append(_in_deviations(make_space(kind, generator), name, vector[:codes], scaled))
    return found, notes


def _in_rows(vector: Tensor, width: int) -> Tensor:
    """A vector [D] as [1, D], one [L * D] as [L, D]; all else as it is."""
    if vector.ndim != 1:
        return vector
    rows, left = divmod(vector.numel(), width)
    return vector.reshape(1 if left else max(rows, 1), -1)


def _in_deviations(space: Space, name: str, vector: Float[Tensor, "k d"], scaled: bool) -> Direction:
    """Scaled so that the code that moves most moves by one standard deviation of the prior along it."""
    largest = vector[vector.norm(dim=1).argmax()]
    if not largest.norm() > 0:
        raise LatentError(f"The direction {name} is zero: there is nothing to move along.")
    if scaled:
        codes = space.broadcast_sample(SAMPLES, seed=1)[:, 0].cpu()
        vector = vector * (codes @ (largest / largest.norm())).std() / largest.norm()
    card = {"method": "imported", "model": space.generator.name}
    return Direction(name, space.kind, vector.contiguous(), space.required_fingerprint, card)
