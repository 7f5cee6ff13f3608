"""The initial code, from an encoder or from samples of the prior.

As a method of its own the encoder is e4e (Tov et al. 2021, arXiv 2102.02766), here in W+ and, on the sphere, in Z+.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.errors import ZplusError
from zplus.generators import State
from zplus.inversion.encoder import Encoder, vgg_features
from zplus.inversion.settings import Settings
from zplus.latent import Point
from zplus.perception.lpips import LPIPS, at
from zplus.spaces import Space, convert, make_space
from zplus.spaces.conversion import convert_code

COARSE = 32  # side in pixels at which candidates are compared: pose, skin and background, nothing finer


class EncoderOutput:
    """The encoder's output for N images in [-1, 1], RGB, at the generator's resolution, in any space.

    VGG16, by far the most expensive part, runs once per image. Codes are for psi = 1, which the encoder was trained
    with.
    """

    def __init__(self, encoder: Encoder, lpips: LPIPS, context: torch.autocast, photos: Float[Tensor, "n 3 r r"]):
        self.encoder, self.lpips, self.context = encoder, lpips, context
        with torch.no_grad():
            self.seen = self._see(photos)

    def _see(self, images: Tensor) -> Tensor:
        with self.context:
            return vgg_features(self.lpips, at(images, self.encoder.config.side)).float()

    def _head(self, space: Space) -> Space:
        """The space, without truncation, of the encoder's codes that are nearest to those of `space`."""
        if not self.encoder.has_codes:
            raise ZplusError("This encoder gives F alone, no codes: train one with 'zplus train encoder'.")
        if space.encoder_head not in self.encoder.config.forms:
            raise ZplusError(
                f"This encoder has no codes in {space.encoder_head}: choose another space, or train one that has."
            )
        decoding = space.decoding
        plain = replace(decoding, psi=1.0, cutoff=None) if decoding.psi else decoding  # at psi 0 no code shows
        return make_space(space.encoder_head, space.generator, decoding=plain)

    @torch.no_grad()
    def code(self, space: Space) -> Float[Tensor, "n k d"]:
        """The images' code in a space, corrected for its truncation."""
        head = self._head(space)
        return convert_code(head, self.encoder.code(self.seen, head.kind), space)

    def styles(self, space: Space, images: Float[Tensor, "n 3 r r"]) -> tuple[Tensor, ...]:
        """The styles of other images' codes, as for `space`, with gradients to the images."""
        head = self._head(space)
        return head.inputs(self.encoder.code(self._see(images), head.kind)).styles

    @torch.no_grad()
    def state(self, space: Space, code: Float[Tensor, "n k d"]) -> State:
        """The images' state F in an F/X space; its RGB is that of the code.

        If the space's layer lies after the encoder's, the state is computed on to it. If it lies before, F is
        head(code).
        """
        source = space.with_(space.generator.layer(self.encoder.config.layer), space.decoding)
        point = Point(code, State(self.encoder.base_code(self.seen), source.head(code).rgb))
        state = convert(source, point, space)[0].state
        assert state is not None, f"{space.name} has no feature map"
        return state

    @torch.no_grad()
    def domain_distance(self) -> Float[Tensor, " n"]:
        """The distance of the images from the encoder's training images, in standard deviations."""
        return self.encoder.domain_distance(self.seen)


@torch.no_grad()
def initial_code(
    space: Space, target: Float[Tensor, "n 3 r r"], encoded: EncoderOutput | None, settings: Settings
) -> Float[Tensor, "n k d"]:
    """The initial code of each image, by `settings.init`.

    - "encoder": the encoder's code.
    - "random": a sample of the prior (per layer in Z+).
    - "mean": the code of the mean image.
    - "common": one code for all layers, the best of a few samples and the mean by MSE at 32x32.
    - "auto": "encoder" if the encoder gives codes, else "common".
    """
    init = settings.init
    if encoded is not None and (init == "encoder" or (init == "auto" and encoded.encoder.has_codes)):
        return encoded.code(space)
    n = len(target)
    if init == "random":
        return space.sample(1, settings.seed).repeat(n, 1, 1)  # the same for each, as if it were alone
    if init == "mean":
        return space.mean(n)
    codes = space.mean(1)
    if settings.candidates:
        codes = torch.cat([codes, space.broadcast_sample(settings.candidates, settings.seed)])
    images = [F.adaptive_avg_pool2d(space.generator.synthesize(space.inputs(code[None])), COARSE) for code in codes]
    wanted = F.adaptive_avg_pool2d(target, COARSE)
    return codes[torch.cdist(wanted.flatten(1), torch.cat(images).flatten(1)).argmin(1)].clone()
