"""What an encoder gives for photos: a point of any space to be shown or to begin with, its F alone, or a penalty.

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
    """An encoder with the trunk that sees for it; photos are RGB in [-1, 1] at the generator's resolution."""

    def __init__(self, encoder: Encoder, lpips: LPIPS, space: Space, context: torch.autocast):
        self.encoder, self.lpips, self.space, self.context = encoder, lpips, space, context
        self.form = "z+" if space.kind in ("z", "z+") else "w+"
        if encoder.config.forms and self.form not in encoder.config.forms:
            raise ZplusError(f"This encoder has no codes in {self.form}: choose another space, or train one that has.")

    def see(self, photos: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n c g g"]:
        """What the encoder sees of them."""
        with self.context:
            return sight(self.lpips, at(photos, self.encoder.config.side)).float()

    @torch.no_grad()
    def point(self, photos: Float[Tensor, "n 3 r r"]) -> Point:
        """The point of the space, with F where it has one."""
        code = self.code(photos)
        return Point(code, *(self.base_code(photos, code) or ()))

    def code(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n k d"]:
        """The code in the space, with gradients to the images."""
        if not self.encoder.config.forms:
            raise ZplusError("This encoder gives F alone, no codes: train one with 'zplus train encoder'.")
        source = make_space(self.form, self.space.generator)
        return convert_code(source, self.encoder.code(self.see(images), self.form), self.space)

    @torch.no_grad()
    def base_code(self, photos: Float[Tensor, "n 3 r r"], code: Float[Tensor, "n k d"]) -> State | None:
        """The state F in an F/X space, RGB as the code gives it.

        It is carried on to the space's layer where that is a later one than the encoder's, and head(code) at earlier
        ones.
        """
        space, layer = self.space, self.encoder.config.layer
        if space.layer is None:
            return None
        source = make_space(space.name, space.generator, layer, space.psi, space.cutoff, space.noise_mode)
        point = Point(code, self.encoder.base_code(self.see(photos)), source.head(code).rgb)
        return state_of(convert(source, point, space)[0])

    @torch.no_grad()
    def strangeness(self, photos: Float[Tensor, "n 3 r r"]) -> Float[Tensor, " n"]:
        """How far photos lie from what the encoder learnt from, in standard deviations."""
        return self.encoder.strangeness(self.see(photos))
