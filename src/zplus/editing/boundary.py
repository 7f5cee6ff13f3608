"""Directions as normals of a hyperplane between samples of high and low score in Z, W or S.

InterFaceGAN: Shen et al. 2020, arXiv 1907.10786.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from sklearn.svm import LinearSVC
from torch import Tensor

from zplus.direction import Direction
from zplus.editing.scored import codes_in, measured_slope
from zplus.editing.search import Search
from zplus.errors import ZplusError
from zplus.generators import Generator
from zplus.spaces import make_space
from zplus.spaces.registry import extended

FRACTION = 0.2  # of the samples, at either end, that the hyperplane must separate
HELD_OUT = 0.2  # of the samples: they judge the boundary and take no part in finding it
MIN_EXTREMES = 10  # samples at either end


def learn_boundary(generator: Generator, search: Search) -> list[Direction]:
    """Learn the direction of an attribute from scored samples; it moves the score by one standard deviation.

    `search.conditioned_on` is projected out (section 3.3) and stored with the direction, because it must be projected
    out again after the pull-back to the sphere.

    Args:
        generator: The generator.
        search: Reads name, attribute, scored, space ("z", "w" or "s"), fraction (default .2), layers, conditioned_on.

    Returns:
        One direction. Its card has the accuracy on the extremes of held-out samples, the mean and standard deviation of
        the score over the prior, and the length of a unit.

    Raises:
        ZplusError: Too few samples have a score, or moving along the direction does not raise it.
    """
    space, attribute, others = search.space, search.attribute, search.conditioned_on
    fraction = search.fraction or FRACTION
    z, values = search.scored.known(attribute)
    held = int(HELD_OUT * len(values))
    extremes, fresh_extremes = int(fraction * (len(values) - held)), int(fraction * held)
    if extremes < MIN_EXTREMES or not fresh_extremes:
        raise ZplusError(f"Only {len(values)} samples have a score of {attribute}: raise the number of samples.")
    where = make_space(space, generator)
    codes = codes_in(where, z).cpu().numpy()
    scale = where.std[0, 0].cpu().numpy() + 1e-8
    x = (codes - codes.mean(0)) / scale
    machine = LinearSVC(C=1e-3, dual=True, max_iter=20_000, random_state=0).fit(
        *_extremes(x[held:], values[held:], extremes)
    )
    accuracy = machine.score(*_extremes(x[:held], values[:held], fresh_extremes))

    normal = torch.from_numpy(machine.coef_[0] / scale).float()
    along = codes @ (normal / normal.norm()).numpy()
    kind, vector = on_layers(generator, space, normal, search.layers)
    vector = project_out(vector, [one.vector for one in others])
    kind = extended(space) if len(vector) > 1 else kind
    vector = vector * (float(along.std()) / vector.norm(dim=1).max())
    slope, deviation = measured_slope(generator, kind, vector, attribute, search.scored.score), float(values.std())
    if not slope > 0:
        raise ZplusError(f"Moving along the boundary of {attribute} does not raise its score: take more samples.")
    card = {
        "method": "boundary", "attribute": attribute, "samples": len(values), "fraction": fraction,
        "accuracy": round(accuracy, 4), "score_mean": round(float(values.mean()), 5),
        "score_std": round(deviation, 5), "correlation": round(float(np.corrcoef(along, values)[0, 1]), 4),
        "unit_in_prior_deviations": round(deviation / slope, 4), "model": generator.name,
        "layers": list(search.layers or (0, generator.num_codes)), "without": [one.name for one in others],
    }  # fmt: skip
    owner = make_space(kind, generator).required_fingerprint
    excluded = torch.stack([one.vector.expand(len(vector), -1) for one in others]) if others else None
    return [Direction(search.name, kind, vector * (deviation / slope), owner, card, excluded)]


def project_out(vector: Float[Tensor, "k d"], others: Sequence[Float[Tensor, "_ d"]]) -> Float[Tensor, "l d"]:
    """The part of the vector [k, d] that is orthogonal to all others, over the codes that it moves."""
    if not others:
        return vector
    rows = max(len(x) for x in (vector, *others))
    vector, moving = vector.expand(rows, -1), vector.expand(rows, -1).abs().amax(1, keepdim=True) > 0
    flat = torch.stack([(x.expand(rows, -1) * moving).flatten() for x in others], 1)  # [K D, others]
    basis, sizes, _ = torch.linalg.svd(flat, full_matrices=False)
    basis = basis[:, sizes > 1e-5 * sizes.max()]  # others may move no code that this one moves, or be alike
    rest = vector.flatten() - basis @ (basis.T @ vector.flatten())
    if rest.norm() < 1e-3 * vector.norm():
        raise ZplusError("Nothing is left of the direction once the others are projected out: leave some of them in.")
    return rest.view(rows, -1)


def on_layers(
    generator: Generator, kind: str, vector: Float[Tensor, " d"], layers: tuple[int, int] | None
) -> tuple[str, Float[Tensor, "k d"]]:
    """A vector [d] of Z, W or S applied to some layers only: the space (Z+ or W+ where needed) and vector."""
    if layers is None:
        return kind, vector[None]
    target = make_space(extended(kind), generator)
    return target.kind, (vector.to(generator.device) * target.layer_mask(layers)).view(-1, len(vector)).cpu()


def _extremes(x: np.ndarray, values: np.ndarray, extremes: int) -> tuple[np.ndarray, np.ndarray]:
    """The samples with the highest and those with the lowest values, and which of both they are."""
    order = values.argsort()
    return np.concatenate([x[order[-extremes:]], x[order[:extremes]]]), np.repeat([1, -1], extremes)
