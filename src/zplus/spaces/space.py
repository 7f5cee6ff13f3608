"""The base class of the spaces of codes, each alone ("z+") or under a feature map F ("f/z+").

A space is a chart of W: it says how its codes become w, which code a w has, and how a code moves along a vector of W. A
new space is a class with `kind`, `dim`, `to_w` and `from_w`, and an entry in the registry. What a space does not
support raises; no other module tests for a space's name.
"""

from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from zplus.errors import LatentError, ZplusError
from zplus.generators import Generator, State, Statistics, SynthesisInputs, statistics
from zplus.generators.prior import feature_std, sample_w
from zplus.latent import Decoding
from zplus.spaces.mapping import jvp

STD_SAMPLES = 2000  # of the prior, for the deviation of a coordinate


class Space:
    """A space of codes [N, K, D] of one generator.

    Truncation, w_mean + psi (w - w_mean), is part of decoding in every space. In an F/X space `layer` is the index of
    the layer whose state F replaces. Codes that feed only layers up to there have no effect.
    """

    kind: ClassVar[str]  # its name without F
    extended: ClassVar[bool] = True  # whether layers can differ (Z+, W+, S), or one code is for all of them (Z, W)
    linear: ClassVar[bool] = False  # whether moving the code straight on moves w straight on
    has_angles: ClassVar[bool] = False  # whether codes are on a sphere, so that a move has an angle
    within_w: ClassVar[bool] = True  # whether its codes are those of some w; styles are more
    has_w_vectors: ClassVar[bool] = False  # whether its vectors are vectors of W, which every space can follow
    encoder_head: ClassVar[str] = "w+"  # which codes of an encoder are the nearest to its own

    def __init__(self, generator: Generator, layer: int | None = None, decoding: Decoding | None = None):
        decoding = decoding or Decoding()
        if decoding.transform is not None:
            generator = generator.with_transform(decoding.transform)
        elif generator.transform is not None:
            decoding = replace(decoding, transform=tuple(generator.transform.flatten().tolist()))
        self.generator, self.layer, self.decoding = generator, layer, decoding
        self.noise = generator.noise(self.decoding.noise)

    def with_(self, layer: int | None, decoding: Decoding) -> "Space":
        """The same kind of space with F at another layer (None for no F) and another decoding."""
        return type(self)(self.generator, layer, decoding)

    # what a class says of itself

    @property
    def dim(self) -> int:
        """D, the length of one code."""
        raise NotImplementedError

    def to_w(self, code: Float[Tensor, "n k d"]) -> Float[Tensor, "n l w"]:
        """The w of a code before truncation: [N, 1, w_dim] for all layers, or [N, L, w_dim]."""
        raise NotImplementedError

    def from_w(self, w: Float[Tensor, "n l w"]) -> Float[Tensor, "n k d"]:
        """The code of a w [N, 1, w_dim] or [N, L, w_dim]: exact where the space contains it, else the nearest."""
        raise NotImplementedError

    # what follows from it, unless a class knows better

    def nearest_w(self, code: Float[Tensor, "n k d"]) -> Float[Tensor, "n 1 w"]:
        """The single w, for all layers, that is nearest to what a code shows."""
        return self.to_w(code).mean(1, keepdim=True)

    def rescaled(self, code: Float[Tensor, "n _ d"], factor: Float[Tensor, "l 1"]) -> Float[Tensor, "n k d"]:
        """The code whose w is w_mean + factor (w - w_mean), layer by layer."""
        return self.from_w(torch.lerp(self.statistics.w_mean, self.to_w(code), factor))

    def tangent_along(
        self,
        code: Float[Tensor, "n k d"],
        vector: Float[Tensor, "n l w"],
        excluded: Float[Tensor, "m l w"] | None = None,
    ) -> Float[Tensor, "n k d"]:
        """The tangent that moves a code along a vector of W: d from_w / dw times the vector.

        Args:
            code: [N, K, D].
            vector: [N, K or L, w_dim].
            excluded: [M, K or L, w_dim], vectors of W along which w must not move where the tangent is not exact.
        """
        w = self.to_w(code).expand_as(vector)
        return jvp(self.from_w, w, vector)

    def sample(self, n: int, seed: int = 0) -> Float[Tensor, "n k d"]:
        """n codes of the generator's prior; codes of different layers are independent, but those of S are of one w."""
        rows = self.shape[0]
        return self.from_w(sample_w(self.generator, n * rows, seed).view(n, rows, -1))

    def mean(self, n: int) -> Float[Tensor, "n k d"]:
        """The code of the mean image (in Z and Z+: the sample whose w is nearest to the mean), n times."""
        return self.from_w(self.statistics.w_mean.expand(n, self.shape[0], -1)).clone()

    @cached_property
    def std(self) -> Float[Tensor, "1 1 #d"]:
        """The standard deviation of a coordinate over the prior: the unit of learning rates and penalties."""
        return self.from_w(sample_w(self.generator, STD_SAMPLES)[:, None]).std(0).mean().view(1, 1, 1)

    def whitened(self, code: Float[Tensor, "n k d"]) -> Float[Tensor, "n l w"]:
        """The code in P space, C^T (LeakyReLU_5(w) - mean) / sqrt(lambda) (Zhu et al. 2020, arXiv 2012.09036, eq. 4).

        Raises:
            ZplusError: The code is not that of a w (S).
        """
        if not self.within_w:
            raise ZplusError(f"There is no P-norm in {self.name}, whose codes are more than w: choose w+ or z+.")
        return (F.leaky_relu(self.to_w(code), 5.0) - self.statistics.p_mean) @ self.statistics.whitening

    def untruncated_styles(self, code: Float[Tensor, "n k d"]) -> tuple[Tensor, ...]:
        """Styles before truncation, one [N, C_k] per modulated operation."""
        return self.generator.styles(self.to_w(code).expand(-1, self.generator.num_codes, -1))

    def retract(self, code: Float[Tensor, "n k d"]) -> Float[Tensor, "n k d"]:
        """The nearest code that lies in the space."""
        return code

    def tangent(self, code: Float[Tensor, "n k d"], vector: Float[Tensor, "n k d"]) -> Float[Tensor, "n k d"]:
        """The part of a vector that is tangent to the space at a code."""
        return vector

    def move(self, code: Float[Tensor, "n k d"], vector: Float[Tensor, "n k d"]) -> Float[Tensor, "n k d"]:
        """The exponential map: the end of the geodesic that starts along `vector` and has its tangent part's length."""
        return code + self.tangent(code, vector)

    def log(self, code: Float[Tensor, "n k d"], end: Float[Tensor, "n k d"]) -> Float[Tensor, "n k d"]:
        """The logarithm: the tangent at `code` whose geodesic ends at `end`."""
        return end - code

    def interpolate(self, a: Float[Tensor, "n k d"], b: Float[Tensor, "n k d"], t: float) -> Float[Tensor, "n k d"]:
        """The code at fraction t of the geodesic from a to b."""
        return torch.lerp(a, b, t)

    def layer_mask(self, layers: tuple[int, int]) -> Bool[Tensor, "1 _ _"]:
        """Which numbers of a code belong to the layers first..last-1: bool [1, L, 1], or [1, 1, sum of C_k] for styles.

        Raises:
            ZplusError: There is no such range.
            LatentError: The space has one code for all layers.
        """
        generator, (first, last) = self.generator, layers
        if not 0 <= first < last <= generator.num_codes:
            there = f"{generator.name} has 0..{generator.num_codes - 1}"
            raise ZplusError(f"Layers {first}..{last - 1} do not exist: {there}.")
        if not self.extended:
            raise LatentError(f"Some layers alone cannot be changed in {self.name}: it has one code for all of them.")
        index = torch.arange(generator.num_codes, device=generator.device)
        return ((index >= first) & (index < last))[None, :, None]

    @property
    def required_fingerprint(self) -> str:
        """The fingerprint that codes and directions depend on: of the mapping, or of the generator."""
        return self.generator.mapping_fingerprint

    # what is the same for all

    @property
    def name(self) -> str:
        """The name: "z+", or "f/z+" with F."""
        return self.kind if self.layer is None else f"f/{self.kind}"

    @property
    def shape(self) -> tuple[int, int]:
        """(K, D) of a code."""
        return (self.generator.num_codes if self.extended else 1, self.dim)

    @cached_property
    def statistics(self) -> Statistics:
        """The statistics of the generator's prior."""
        return statistics(self.generator)

    @cached_property
    def state_std(self) -> tuple[float, float]:
        """The standard deviations of F and of its RGB over the prior: the units of their rates and penalties."""
        assert self.layer is not None, f"{self.name} has no feature map"
        return feature_std(self.generator, self.layer)

    def broadcast_sample(self, n: int, seed: int = 0) -> Float[Tensor, "n k d"]:
        """n codes of the prior, the same for all layers."""
        return self.onto_rows(self.sample(n, seed)[:, :1]).clone()

    def onto_rows(self, code: Float[Tensor, "n _ d"]) -> Float[Tensor, "n k d"]:
        """Codes with as many rows as the space has: one repeated, or several averaged."""
        rows = self.shape[0]
        return code.mean(1, keepdim=True) if rows == 1 else code.expand(-1, rows, -1)

    def inputs(self, code: Float[Tensor, "n k d"]) -> SynthesisInputs:
        """The synthesis inputs of a code, truncated, without F."""
        return SynthesisInputs(self.truncate(self.untruncated_styles(code)), self.noise)

    def decode(self, code: Float[Tensor, "n k d"], state: State | None = None) -> SynthesisInputs:
        """The synthesis inputs of a code; in an F/X space with F = `state`, or head(code) if that is None."""
        inputs = self.inputs(code)
        if self.layer is None:
            return inputs
        return inputs.with_feature(self.layer, state or self.generator.head(inputs, self.layer))

    def head(self, code: Float[Tensor, "n k d"]) -> State:
        """The state after this space's layer that the code alone gives."""
        assert self.layer is not None, f"{self.name} has no feature map"
        return self.generator.head(self.inputs(code), self.layer)

    def truncate(self, styles: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Truncation of styles. The affine layers make it equal to truncation of w."""
        if self.decoding.psi == 1:
            return styles
        centre = self.statistics.style_mean.split(self.generator.style_sizes)
        psi = self.truncation
        return tuple(
            torch.lerp(mean.expand_as(style), style, psi[code]) if psi[code] != 1 else style
            for style, mean, code in zip(styles, centre, self.generator.style_codes, strict=True)
        )

    @property
    def truncation(self) -> list[float]:
        """psi of each code; 1 from the cutoff on."""
        count, decoding = self.generator.num_codes, self.decoding
        truncated = count if decoding.cutoff is None else min(decoding.cutoff, count)
        return [decoding.psi] * truncated + [1.0] * (count - truncated)


def same_chart(a: Space, b: Space) -> bool:
    """Whether two spaces have the same kind of codes (Z and Z+, W and W+)."""
    return isinstance(a, type(b)) or isinstance(b, type(a))
