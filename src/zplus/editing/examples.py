"""A direction from images that a person sorted into those with and those without an attribute."""

import numpy as np
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.svm import LinearSVC

from zplus.direction import Direction
from zplus.editing.boundary import on_layers
from zplus.editing.search import Search
from zplus.errors import ZplusError
from zplus.generators import Generator
from zplus.spaces import make_space

MIN_EXAMPLES = 2  # pictures of either kind
SAMPLES = 10_000  # of the prior, for the unit


def learn_from_examples(generator: Generator, search: Search) -> list[Direction]:
    """Learn the normal of the boundary between the w codes of two groups of images.

    Args:
        generator: The generator.
        search: Reads name, examples and layers.

    Returns:
        One direction of W; one unit is one standard deviation of w along it over the prior. Its card has the
        leave-one-out accuracy, which is unreliable for few images.

    Raises:
        ZplusError: There are fewer than two examples in a group.
    """
    positive, negative = search.examples.positive, search.examples.negative
    if min(len(positive), len(negative)) < MIN_EXAMPLES:
        raise ZplusError(
            f"There are {len(positive)} examples for and {len(negative)} against: give at least {MIN_EXAMPLES} of each."
        )
    prior = make_space("w", generator).sample(SAMPLES, seed=1)[:, 0].cpu()
    x = ((torch.cat([positive, negative]).cpu() - prior.mean(0)) / prior.std()).numpy()
    y = np.repeat([1, -1], [len(positive), len(negative)])
    machine = LinearSVC(C=1e-3, dual=True, class_weight="balanced", max_iter=20_000, random_state=0).fit(x, y)
    accuracy = cross_val_score(machine, x, y, cv=LeaveOneOut()).mean()
    normal = torch.from_numpy(machine.coef_[0] / np.linalg.norm(machine.coef_)).float()
    kind, vector = on_layers(generator, "w", normal * (prior @ normal).std(), search.layers)
    card = {
        "method": "examples", "positive": len(positive), "negative": len(negative), "model": generator.name,
        "accuracy": round(float(accuracy), 4), "layers": list(search.layers or (0, generator.num_codes)),
    }  # fmt: skip
    return [Direction(search.name, kind, vector, make_space(kind, generator).required_fingerprint, card)]
