"""Whether an edited photo still shows the same person, among all people of a run."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.images import to_pixels
from zplus.perception.identity import Identity, distance, rank

FALSE_ACCEPTS = 1e-3  # the share of pairs of two people that the threshold takes for one
PAIRS = 1000  # of two photos: below, not one may be taken for one
UNCHANGED = 0.02  # of the range of pixels: where an edit changed less, it is to be as sharp as the photo


class People:
    """The people of a benchmark by the names of their photos; `photos` are images [3,R,R] in [-1,1]."""

    def __init__(self, names: Sequence[str], photos: Iterable[Tensor], identity: Identity):
        self.names, self.identity = list(names), identity
        self.known = np.stack([identity.embed(to_pixels(x)) for x in photos])

    def compare(self, image: Float[Tensor, "3 r r"], name: str) -> dict[str, float]:
        """The distance of the face in a picture to the person, and the person's rank among all, if known."""
        own, found = self.names.index(name), self.identity.embed(to_pixels(image))
        if np.isnan(self.known[own]).any():  # the photo itself shows no face to this network
            return {}
        return {"identity_distance": distance(found, self.known[own]), "rank": rank(found, self.known, own)}

    @cached_property
    def threshold(self) -> float | None:
        """The distance below which at most `FALSE_ACCEPTS` of the pairs of photos lie, as if all were other people.

        None where there are fewer than `PAIRS` of them (46 photos).
        """
        apart = np.linalg.norm(self.known[:, None] - self.known[None], axis=2)
        pairs = apart[np.triu_indices(len(apart), 1)]
        pairs = pairs[np.isfinite(pairs)]
        return float(np.quantile(pairs, FALSE_ACCEPTS, method="lower")) if len(pairs) >= PAIRS else None


def sharpness(
    edited: Float[Tensor, "n 3 r r"], reconstruction: Float[Tensor, "n 3 r r"], photo: Float[Tensor, "n 3 r r"]
) -> Float[Tensor, " n"]:
    """How much fine detail an edit keeps of the photo where it changes nothing: the ratio of |Laplacian|, 1 if all."""
    still = (F.avg_pool2d(edited - reconstruction, 9, 1, 4).abs().amax(1) < 2 * UNCHANGED).float()  # [N, R, R]
    return (still * _detail(edited)).sum((1, 2)) / (still * _detail(photo)).sum((1, 2)).clamp(min=1e-6)


def _detail(image: Tensor) -> Tensor:
    """The size of the Laplacian of the grey picture, [N,R,R]."""
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).to(image)[None, None]
    return F.conv2d(F.pad(image.mean(1, keepdim=True), [1] * 4, mode="replicate"), kernel)[:, 0].abs()
