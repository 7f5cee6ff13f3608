"""What an encoder gives for photos: a code of any space, and F, to be shown, to begin with, or to be held to.

As an inversion of its own this is e4e (Tov et al. 2021, arXiv 2102.02766), here in W+ and, on the sphere, in Z+.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import ZplusError
from zplus.generators import State
from zplus.inversion.encoder import Encoder, sight
from zplus.latent import Point
from zplus.perception.lpips import LPIPS, at
from zplus.spaces import Space, convert, make_space, state_of
from zplus.spaces.convert import convert_code


class Encoding:
    """What an encoder makes of N photos, RGB in [-1, 1] at the generator's resolution, in one space.

    The trunk that sees for it, by far the dearest part, looks at the photos once.
    """

    def __init__(
        self,
        encoder: Encoder,
        lpips: LPIPS,
        space: Space,
        context: torch.autocast,
        photos: Float[Tensor, "n 3 r r"],
    ):
        self.encoder, self.lpips, self.space, self.context = encoder, lpips, space, context
        self.form = "z+" if space.kind in ("z", "z+") else "w+"
        if encoder.has_codes and self.form not in encoder.config.forms:
            raise ZplusError(f"This encoder has no codes in {self.form}: choose another space, or train one that has.")
        with torch.no_grad():
            self.seen = self._see(photos)

    def _see(self, images: Tensor) -> Tensor:
        with self.context:
            return sight(self.lpips, at(images, self.encoder.config.side)).float()

    def _code(self, seen: Tensor) -> Tensor:
        if not self.encoder.has_codes:
            raise ZplusError("This encoder gives F alone, no codes: train one with 'zplus train encoder'.")
        source = make_space(self.form, self.space.generator, None, self.space.psi, self.space.cutoff)
        return convert_code(source, self.encoder.code(seen, self.form), self.space)

    @torch.no_grad()
    def code(self) -> Float[Tensor, "n k d"]:
        """The photos' code in the space."""
        return self._code(self.seen)

    def code_of(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n k d"]:
        """The code of other images, with gradients to them."""
        return self._code(self._see(images))

    @torch.no_grad()
    def base_code(self, code: Float[Tensor, "n k d"]) -> State | None:
        """The photos' state F in an F/X space, RGB as the code gives it.

        It is carried on to the space's layer where that is a later one than the encoder's, and head(code) at earlier
        ones.
        """
        space, layer = self.space, self.encoder.config.layer
        if space.layer is None:
            return None
        source = make_space(space.name, space.generator, layer, space.psi, space.cutoff, space.noise_mode)
        point = Point(code, self.encoder.base_code(self.seen), source.head(code).rgb)
        return state_of(convert(source, point, space)[0])

    @torch.no_grad()
    def strangeness(self) -> Float[Tensor, " n"]:
        """How far the photos lie from what the encoder learnt from, in standard deviations."""
        return self.encoder.strangeness(self.seen)
