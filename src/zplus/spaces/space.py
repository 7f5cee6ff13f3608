"""What an inverted code is: the base of the code spaces, each alone (`z+`) or under a feature map F (`f/z+`)."""

from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.generators import Generator, Signals, State, Statistics, statistics


class Space:
    """A space of codes [N, K, D] of one generator, with truncation as part of decoding.

    In an F/X space `layer` is the index of the layer whose state F replaces; codes that feed only layers up to there
    are inert. psi, cutoff: w_mean + psi (w - w_mean) for the first `cutoff` codes (all if None), in every space alike.
    """

    kind: ClassVar[str]
    per_layer: ClassVar[bool]  # one code a layer (K = L), or one for all (K = 1)

    def __init__(
        self,
        generator: Generator,
        layer: int | None = None,
        psi: float = 1.0,
        cutoff: int | None = None,
        noise: str = "const",
    ):
        self.generator, self.layer, self.psi, self.cutoff = generator, layer, psi, cutoff
        self.noise_mode, self.noise = noise, generator.noise(noise)

    @property
    def name(self) -> str:
        """Its name: "z+", or "f/z+" under a feature map."""
        return self.kind if self.layer is None else f"f/{self.kind}"

    @cached_property
    def statistics(self) -> Statistics:
        """The statistics of the generator's prior."""
        return statistics(self.generator)

    @property
    def shape(self) -> tuple[int, int]:
        """(K, D) of a code."""
        return (self.generator.num_codes if self.per_layer else 1, self.width)

    @property
    def width(self) -> int:
        """D, the length of one code."""
        raise NotImplementedError

    def sample(self, n: int, seed: int = 0) -> Float[Tensor, "n k d"]:
        """Codes drawn from the generator's prior; per layer independently where there is one code a layer."""
        raise NotImplementedError

    def mean(self, n: int) -> Float[Tensor, "n k d"]:
        """The code of the mean face (for z, z+: the sample whose w is nearest to the mean)."""
        raise NotImplementedError

    def common_sample(self, n: int, seed: int = 0) -> Float[Tensor, "n k d"]:
        """Codes drawn from the prior, the same for all layers."""
        code = self.sample(n, seed)[:, :1]
        return code.expand(-1, self.shape[0], -1).clone()

    @property
    def spread(self) -> Float[Tensor, "1 1 #d"]:
        """The standard deviation of a coordinate over the prior, the unit of learning rates."""
        raise NotImplementedError

    def raw_styles(self, code: Float[Tensor, "n k d"]) -> tuple[Tensor, ...]:
        """Styles before truncation, one [N, C_k] per modulated operation."""
        raise NotImplementedError

    def retract(self, code: Float[Tensor, "n k d"]) -> Float[Tensor, "n k d"]:
        """The nearest code that lies in the space."""
        return code

    def tangent(self, code: Float[Tensor, "n k d"], vector: Float[Tensor, "n k d"]) -> Float[Tensor, "n k d"]:
        """The part of a vector along which the code can move."""
        return vector

    def move(self, code: Float[Tensor, "n k d"], vector: Float[Tensor, "n k d"]) -> Float[Tensor, "n k d"]:
        """The code at the end of the geodesic that starts along `vector`, of the length of its tangent part."""
        return code + self.tangent(code, vector)

    def interpolate(self, a: Float[Tensor, "n k d"], b: Float[Tensor, "n k d"], t: float) -> Float[Tensor, "n k d"]:
        """The code at fraction t of the way from a to b."""
        return torch.lerp(a, b, t)

    def signals(self, code: Float[Tensor, "n k d"]) -> Signals:
        """The signals of a code alone, truncated, without any feature map."""
        return Signals(self.truncate(self.raw_styles(code)), self.noise)

    def decode(self, code: Float[Tensor, "n k d"], state: State | None = None) -> Signals:
        """The signals of a code; in an F/X space under F = `state`, or under head(code) where that is None."""
        signals = self.signals(code)
        if self.layer is None:
            return signals
        return signals.with_feature(self.layer, state or self.generator.head(signals, self.layer))

    def head(self, code: Float[Tensor, "n k d"]) -> State:
        """The state after this space's layer that the code alone gives."""
        assert self.layer is not None, f"{self.name} has no feature map"
        return self.generator.head(self.signals(code), self.layer)

    def truncate(self, styles: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Truncation at the level of the styles: the affine layers make it the same as truncating w."""
        if self.psi == 1:
            return styles
        centre = self.statistics.style_mean.split(self.generator.style_sizes)
        cutoff = self.generator.num_codes if self.cutoff is None else self.cutoff
        return tuple(
            torch.lerp(mean.expand_as(style), style, self.psi) if code < cutoff else style
            for style, mean, code in zip(styles, centre, self.generator.style_codes, strict=True)
        )
