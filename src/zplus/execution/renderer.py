"""From codes and F to images in an execution mode; compiled code is shared by all spaces of a generator."""

from jaxtyping import Float
from torch import Tensor

from zplus.execution.mode import Execution
from zplus.generators import Feature, Generator, State, SynthesisInputs
from zplus.spaces import Space
from zplus.spaces.registry import default_layer


class Renderer:
    """Renders codes and F of a space many times. A space without F uses the default layer."""

    def __init__(self, space: Space, execution: Execution):
        self.generator, self.noise, self.execution = space.generator, space.noise, execution
        self.layer = default_layer(space.generator) if space.layer is None else space.layer
        self._synthesize = execution.compile(synthesize)

    def head(self, inputs: SynthesisInputs) -> State:
        """head(code): F as the code alone gives it."""
        return self.generator.head(inputs, self.layer)

    def __call__(self, inputs: SynthesisInputs, state: State | None) -> Float[Tensor, "n 3 r r"]:
        """The images, approximately in [-1, 1]; without `state`, F is head(code)."""
        features, rgb = state or self.head(inputs)
        with self.execution.autocast(features.device):
            return self._synthesize(self.generator, self.layer, self.noise, inputs.styles, features, rgb)


def synthesize(
    generator: Generator,
    layer: int,
    noise: tuple[Tensor, ...] | None,
    styles: tuple[Tensor, ...],
    features: Tensor,
    rgb: Tensor | None,
) -> Tensor:
    """The images in fp32. No space is an argument, so that all spaces share what is compiled."""
    return generator.synthesize(SynthesisInputs(styles, noise, {layer: Feature(State(features, rgb))})).float()
