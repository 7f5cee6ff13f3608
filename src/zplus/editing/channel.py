"""Single channels of S that change one attribute (StyleSpace: Wu et al. 2020, arXiv 2011.12799, section 4.2)."""

import numpy as np
import torch

from zplus.direction import Direction
from zplus.editing.scored import codes_in, measured_slope
from zplus.editing.search import Search
from zplus.errors import ZplusError
from zplus.generators import Generator
from zplus.spaces import make_space

FRACTION = 0.05  # of the samples, those with the highest scores, that are exemplars
TRIED = 10  # channels whose effect is rendered, of those that rank first
MIN_EXEMPLARS = 10


def learn_channel(generator: Generator, search: Search) -> list[Direction]:
    """Find the one channel of S that moves an attribute most.

    Styles are measured in standard deviations from the prior's mean. Channels are ranked by |mean| / standard deviation
    over the `search.fraction` of samples with the highest scores. The first ten are moved, and the score is measured.

    Args:
        generator: The generator.
        search: Reads name, attribute, scored and fraction.

    Returns:
        One direction of S; one unit moves the score by one standard deviation. Its card has the channel and its rank.

    Raises:
        ZplusError: Too few samples have a score, or none of the ten channels raises it.
    """
    space, attribute = make_space("s", generator), search.attribute
    z, values = search.scored.known(attribute)
    count = int((search.fraction or FRACTION) * len(values))
    if count < MIN_EXEMPLARS:
        raise ZplusError(f"Only {len(values)} samples have a score of {attribute}: raise the number of samples.")
    styles = codes_in(space, z).cpu()
    mean, spread = styles.mean(0), styles.std(0)
    exemplars = (styles[torch.from_numpy(values.argsort()[-count:].copy())] - mean) / spread.clamp(min=1e-8)
    relevance = exemplars.mean(0) / exemplars.std(0).clamp(min=1e-8)
    ranked = relevance.abs().argsort(descending=True)[:TRIED].tolist()
    slopes = []
    for channel in ranked:
        step = torch.zeros(1, space.dim)
        step[0, channel] = spread[channel] * relevance[channel].sign()
        slopes.append(measured_slope(generator, "s", step, attribute, search.scored.score))
    best = int(np.argmax(slopes))
    if not slopes[best] > 0:
        raise ZplusError(f"None of the {TRIED} likeliest channels raises the score of {attribute}: try a boundary.")
    channel, deviation = ranked[best], float(values.std())
    vector = torch.zeros(1, space.dim)
    vector[0, channel] = spread[channel] * relevance[channel].sign() * deviation / slopes[best]
    card = {
        "method": "channel", "attribute": attribute, "samples": len(values), "channel": _label(generator, channel),
        "rank": best, "relevance": round(float(relevance[channel].abs()), 4), "score_std": round(deviation, 5),
        "unit_in_prior_deviations": round(deviation / slopes[best], 4), "model": generator.name,
    }  # fmt: skip
    return [Direction(search.name, "s", vector, space.required_fingerprint, card)]


def _label(generator: Generator, channel: int) -> str:
    """A channel as operation:number; operations are numbered in the order of the generator's styles."""
    for operation, size in enumerate(generator.style_sizes):
        if channel < size:
            return f"{operation}:{channel}"
        channel -= size
    raise IndexError(channel)
