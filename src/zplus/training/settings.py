"""How a generator is trained: sizes, rates and lengths."""

import math
from dataclasses import dataclass
from typing import Literal

from zplus.errors import ZplusError
from zplus.generators.contract import WIDEST


@dataclass(frozen=True)
class TrainSettings:
    """Sizes of the networks and how they learn. A kimg is a thousand real pictures shown."""

    resolution: int = 64  # a size at which a face can be told and a CPU learns within hours
    z_dim: int = 128  # of z and of w: small sets need fewer than the 512 of FFHQ
    mapping_layers: int = 4  # 8 in the paper; StyleGAN3 needs only 2
    channel_base: int = 2048  # channels * resolution where channels are below channel_max; 32768 in the paper
    channel_max: int = 128  # 512 in the paper, for pictures of 1024 px
    batch: int = 16  # of all devices together; smaller ones make the spread of a batch noisy
    kimg: float = 1000.0  # ten hours or so of two CPU cores at 64 px; the paper trains for 25,000
    learning_rate: float = 0.002  # the paper's, for both networks
    r1_gamma: float | None = None  # None is 0.0002 * resolution^2 / batch, the heuristic of StyleGAN2-ADA
    path_length: float = 0.0  # weight of that regularisation, 2 in StyleGAN2: it smooths w, but costs time
    mixing: float = 0.9  # rows with two codes, as in the paper: W+ and Z+ then make sense
    ema_kimg: float = 10.0  # half-life of the averaged generator, as in the paper
    ema_rampup: float = 0.05  # and never more than this part of what was seen, so that early samples are not stale
    augment: bool = False  # for sets below some ten thousand pictures
    flip: bool = False  # mirrored pictures as well, where left and right do not matter
    seed: int = 0  # of all that is random
    precision: Literal["float32", "bfloat16"] = "float32"  # bfloat16 is faster where the hardware has it
    snapshot_minutes: float = 10.0  # the most that a killed run loses

    def __post_init__(self) -> None:
        positive = ["z_dim", "mapping_layers", "channel_base", "channel_max", "batch", "kimg", "learning_rate"]
        positive += ["ema_kimg", "ema_rampup"]
        wrong = [name for name in positive if not getattr(self, name) > 0]  # nor NaN
        wrong += [] if math.isfinite(self.kimg) else ["kimg"]
        wrong += [] if self.seed >= 0 else ["seed"]
        wrong += [] if self.z_dim <= WIDEST else ["z_dim"]
        wrong += [] if self.path_length >= 0 else ["path_length"]
        wrong += [] if 0 <= self.mixing <= 1 else ["mixing"]
        wrong += [] if self.r1_gamma is None or self.r1_gamma >= 0 else ["r1_gamma"]
        if wrong:
            raise ZplusError(
                f"{wrong[0]} is {getattr(self, wrong[0])}, which no training can have: choose another value."
            )
        if self.channel_base < self.resolution:
            raise ZplusError(
                f"A channel base of {self.channel_base} leaves no channels at {self.resolution} px: raise it."
            )

    @property
    def channels(self) -> dict[int, int]:
        """Feature maps by resolution, of both networks."""
        sides = (2**i for i in range(2, self.resolution.bit_length()))
        return {side: min(self.channel_base // side, self.channel_max) for side in sides}

    @property
    def gamma(self) -> float:
        """The weight of the R1 penalty."""
        return 0.0002 * self.resolution**2 / self.batch if self.r1_gamma is None else self.r1_gamma

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        return math.ceil(self.kimg * 1000 / self.batch)
