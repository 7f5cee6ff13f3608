"""Directions that need no scores: principal components of the prior, and eigenvectors of the weights."""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.direction import Direction
from zplus.editing.boundary import on_layers
from zplus.editing.scored import codes_in
from zplus.editing.search import Search
from zplus.errors import ZplusError
from zplus.generators import Generator
from zplus.spaces import make_space

SAMPLES = 20_000  # for components of some hundred numbers


@torch.no_grad()
def principal(generator: Generator, search: Search) -> list[Direction]:
    """The directions along which w varies most (GANSpace: Härkönen et al. 2020, arXiv 2004.02546, section 2.1).

    In W these are the principal components. In Z and S they are the regression of the space's codes on the coordinates
    along the components (equation 4).

    Args:
        generator: The generator.
        search: Reads count (1..w_dim), space, layers and seed.

    Returns:
        `count` directions, largest variance first. One unit is one standard deviation over the prior: of w along the
        component, or in Z and S the movement that accompanies it on average. Cards have the share of the variance.

    Raises:
        ZplusError: `count` lies outside 1..w_dim.
    """
    z, w = _prior(generator, search.seed)
    variances, axes = torch.linalg.eigh(w.T.cov())  # ascending
    variances, axes = variances.flip(0), _signed(axes.flip(1))
    count = _checked(search.count, generator)
    along = (w - w.mean(0)) @ axes[:, :count] / variances[:count].clamp(min=1e-12).sqrt()
    vectors = torch.linalg.lstsq(along, codes_in(make_space(search.space, generator), z)).solution  # a component a row
    return _directions(generator, "principal", search.space, vectors, search.layers, variances / variances.sum())


@torch.no_grad()
def factorize(generator: Generator, search: Search) -> list[Direction]:
    """The directions of W that change the styles most (SeFa: Shen and Zhou 2021, arXiv 2007.06600, equation 5).

    They are the eigenvectors of A^T A, where A stacks the affine layers of the codes that move.

    Args:
        generator: The generator.
        search: Reads count (1..w_dim) and layers.

    Returns:
        `count` directions, largest eigenvalue first. One unit is one standard deviation of w along the direction over
        the prior. Cards have the share of the eigenvalue.

    Raises:
        ZplusError: `count` lies outside 1..w_dim.
    """
    identity = torch.eye(generator.w_dim, device=generator.device)[:, None].expand(-1, generator.num_codes, -1)
    styles = torch.cat(generator.styles(identity), 1) - torch.cat(generator.styles(torch.zeros_like(identity)), 1)
    rows = styles.T  # A [sum of C_k, w_dim]
    if search.layers is not None:
        rows = rows * on_layers(generator, "s", torch.ones(len(rows)), search.layers)[1].T.to(rows)
    values, axes = torch.linalg.eigh(rows.T @ rows)
    values, axes = values.flip(0), _signed(axes.flip(1))
    spread = (_prior(generator)[1] @ axes).std(0)
    vectors = (axes * spread).T[: _checked(search.count, generator)]
    return _directions(generator, "factorize", "w", vectors, search.layers, values / values.sum())


def _directions(
    generator: Generator,
    method: str,
    space: str,
    vectors: Float[Tensor, "n d"],
    layers: tuple[int, int] | None,
    shares: Float[Tensor, " w"],
) -> list[Direction]:
    found = []
    for i, (vector, share) in enumerate(zip(vectors.cpu(), shares.tolist(), strict=False)):
        kind, rows = on_layers(generator, space, vector, layers)
        card = {
            "method": method, "component": i, "share": round(share, 5), "model": generator.name,
            "layers": list(layers or (0, generator.num_codes)),
        }  # fmt: skip
        found.append(Direction(f"{method}-{i:02d}", kind, rows, make_space(kind, generator).required_fingerprint, card))
    return found


def _prior(generator: Generator, seed: int = 1) -> tuple[Float[Tensor, "m z"], Float[Tensor, "m w"]]:
    z = make_space("z", generator).sample(SAMPLES, seed)
    return z[:, 0], generator.map(z)[:, 0]


def _signed(axes: Float[Tensor, "d n"]) -> Float[Tensor, "d n"]:
    """Eigenvectors with a fixed sign: the entry of largest magnitude is positive, so that results repeat."""
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    return axes * largest.sign()


def _checked(count: int, generator: Generator) -> int:
    if not 1 <= count <= generator.w_dim:
        raise ZplusError(f"{count} components cannot be had: {generator.name} has 1 to {generator.w_dim}.")
    return count
