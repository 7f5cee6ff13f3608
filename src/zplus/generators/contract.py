"""The contract of every generator: a network with visible stages, the same for every architecture.

    map: z -> w        styles: w -> s_k        head: inputs -> State        synthesize: inputs -> image

A generator knows nothing of spaces, losses or foreign files.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zplus.errors import UnknownNameError, ZplusError

LARGEST = 4096  # pixels a side
WIDEST = 2048  # numbers in a code; known models have up to 512
MAX_MAPPING_LAYERS = 64  # known models have 2 to 18
MAX_MAP = 2**29  # numbers in the feature maps of a layer; known models have up to 3.6e8


class Layer(NamedTuple):
    """A place, after a convolution, where the state of the synthesis can be read or replaced.

    Attributes:
        name: Such as "b32.conv1". "32" stands for the last layer at that resolution.
        resolution: Pixels a side of the part that the image shows.
        channels: Channels of the feature map.
        code: Index of the code that feeds this layer.
        margin: Pixels of the map around the image on every side: the map is a canvas larger than the image (StyleGAN3).
    """

    name: str
    resolution: int
    channels: int
    code: int
    margin: int = 0

    @property
    def side(self) -> int:
        """Pixels a side of the feature map."""
        return self.resolution + 2 * self.margin

    def with_margin(self, x: Tensor) -> Tensor:
        """What belongs to the image [N, C, r, r] as a map of this layer, the edge repeated over the margin."""
        return F.pad(x, [self.margin] * 4, mode="replicate") if self.margin else x


class State(NamedTuple):
    """The whole state after a layer.

    Attributes:
        features: [N, C, r, r], r being the layer's `side`.
        rgb: The RGB accumulated so far [N, 3, r, r] in skip architectures; else None.
    """

    features: Tensor
    rgb: Tensor | None = None

    def map(self, change: Callable[..., Tensor], *others: "State") -> "State":
        """Apply `change` to the tensors of this and other states; RGB is None where one of them has none."""
        states = (self, *others)
        features, rgb = change(*(x.features for x in states)), [x.rgb for x in states if x.rgb is not None]
        return State(features, change(*rgb) if len(rgb) == len(states) else None)


class Feature(NamedTuple):
    """A change of the state after a layer: it is replaced, or the given state is added to it."""

    state: State
    mode: Literal["replace", "add"] = "replace"

    def apply(self, state: State) -> State:
        """The changed state."""
        if self.mode == "replace":
            return self.state
        rgb = [x for x in (state.rgb, self.state.rgb) if x is not None]
        return State(state.features + self.state.features, torch.stack(rgb).sum(0) if rgb else None)


@dataclass(frozen=True)
class SynthesisInputs:
    """Everything that a synthesis takes.

    Attributes:
        styles: One tensor [N, C_k] per modulated operation.
        noise: One map [N or 1, 1, r, r] per convolution that takes noise, already scaled by its strength; None for the
            stored noise.
        features: By layer index, what replaces or is added to the state there.
    """

    styles: tuple[Tensor, ...]
    noise: tuple[Tensor, ...] | None = None
    features: Mapping[int, Feature] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """The number of rows N."""
        return self.styles[0].shape[0]

    def with_feature(self, layer: int, state: State) -> "SynthesisInputs":
        """The same inputs with the state after `layer` replaced."""
        return replace(self, features={**self.features, layer: Feature(state)})


class Generator(nn.Module):
    """A StyleGAN generator. An architecture implements `map`, `styles`, `noise`, `initial`, `advance` and `finish`.

    Attributes:
        name: Its name, for messages and latents.
        resolution: R, pixels a side of its images.
        z_dim: Length of a z.
        w_dim: Length of a w.
        layers: Where the state can be read or replaced, in order.
        style_codes: Index of the code that feeds each style.
        style_sizes: Number of channels C_k of each style.
        w_mean: The mean of w [w_dim], if the checkpoint has one; else None.
        label: The label that a conditional generator is bound to [c_dim]; else None.
        transform: How the image is turned and moved [3, 3]: from its coordinates to those of what is drawn, in sides of
            the image from its middle (StyleGAN3); None for as it was trained.
    """

    architecture: str
    config: Any
    name: str
    resolution: int
    z_dim: int
    w_dim: int
    layers: tuple[Layer, ...]
    style_codes: tuple[int, ...]
    style_sizes: tuple[int, ...]
    mapping: nn.Module
    w_mean: Tensor | None
    label: Tensor | None = None
    transform: Tensor | None = None

    @staticmethod
    def from_pretrained(
        name: str | Path,
        device: str | torch.device = "cpu",
        label: int | Sequence[float] | None = None,
        revision: str | None = None,
    ) -> "Generator":
        """Load a generator from wherever it is. What is not on this machine is fetched; nothing in a file is executed.

        Args:
            name: A name of `MODELS`; a folder of `save_pretrained`; a file of any known format (docs/models.md); or
                "owner/name" on a hub, whose two files come through huggingface_hub into its cache.
            device: "cpu", "cuda", "mps" or a torch device.
            label: What a conditional generator is bound to: an index or a vector [c_dim].
            revision: A branch, tag or commit on the hub; None for the newest.

        Raises:
            CheckpointError: A file is missing or damaged, or config.json tells of other weights.
            DownloadError: It cannot be fetched.
            MissingExtraError: huggingface_hub is not installed (extra `hub`).
            UnknownNameError: There is no such model.
            ZplusError: There is no such device or label.
        """
        from zplus.generators.pretrained import from_pretrained  # noqa: PLC0415  # which needs every architecture

        return from_pretrained(name, device, label, revision)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors, as `from_pretrained` reads them and a hub takes them.

        model.safetensors is what `save_generator` writes, and can be given to `--model` by itself. A label and a
        transform are not kept: give them again. A tuned generator (PTI) becomes one with a fingerprint of its own.

        Args:
            folder: It is made if missing; the two files in it are replaced.

        Raises:
            CheckpointError: Weights are not finite, or the folder cannot be written.
        """
        from zplus.generators.pretrained import save_pretrained  # noqa: PLC0415

        save_pretrained(self, folder)

    @property
    def base(self) -> "Generator":
        """The generator whose statistics apply: for a tuned one, the one that it was tuned from."""
        return vars(self).get("base", self)

    @property
    def plain_name(self) -> str:
        """The name without the words on its label."""
        return str(vars(self).get("plain_name", self.name))

    @property
    def num_codes(self) -> int:
        """L, the number of codes in the extended spaces (Z+, W+)."""
        return max(self.style_codes) + 1

    @property
    def device(self) -> torch.device:
        """The device that the weights are on."""
        return next(self.parameters()).device

    def map(self, z: Float[Tensor, "n l z"]) -> Float[Tensor, "n l w"]:
        """The mapping network f, code by code, without truncation.

        Args:
            z: [N, L, z_dim]; it is normalised to a root mean square of 1 first.

        Returns:
            w [N, L, w_dim].
        """
        raise NotImplementedError

    def styles(self, w: Float[Tensor, "n l w"]) -> tuple[Tensor, ...]:
        """The affine layers.

        Args:
            w: [N, num_codes, w_dim].

        Returns:
            One style [N, C_k] per modulated operation.
        """
        raise NotImplementedError

    def with_label(self, label: int | Sequence[float] | Tensor) -> "Generator":
        """The same generator, with shared weights, bound to a label.

        Args:
            label: An index from 0, or a vector [c_dim].

        Raises:
            ZplusError: The generator is not conditional, or has no such label.
        """
        raise ZplusError(f"{self.name} is not conditional: it takes no label.")

    def with_transform(self, transform: Any) -> "Generator":
        """The same generator, with shared weights and fingerprints, that turns and moves what it draws.

        Args:
            transform: [3, 3], or nine numbers row by row, as in `Generator.transform`.

        Raises:
            ZplusError: The generator cannot do so, or this is no such matrix.
        """
        raise ZplusError(f"{self.name} cannot turn or move its image: only a StyleGAN3 takes a transform.")

    def noise(self, mode: str) -> tuple[Tensor, ...] | None:
        """Noise maps for "const" (None, the stored ones), "none" (zeros), or a seed as a decimal number.

        A generator without noise has no maps, in every mode.
        """
        raise NotImplementedError

    def initial(self, inputs: SynthesisInputs) -> State:
        """The input of the first layer: a learnt constant, or what the first style makes (StyleGAN3)."""
        raise NotImplementedError

    def advance(self, state: State, k: int, inputs: SynthesisInputs) -> State:
        """The state after layer k, from the state before it."""
        raise NotImplementedError

    def finish(self, state: State, inputs: SynthesisInputs) -> Tensor:
        """The image from the state after the last layer."""
        raise NotImplementedError

    def head(self, inputs: SynthesisInputs, k: int) -> State:
        """The state after layer k. Replacing the state at layer k by it leaves the image unchanged.

        Args:
            inputs: Styles, noise and features.
            k: Index of a layer.
        """
        whole = [i for i, f in inputs.features.items() if i <= k and f.mode == "replace"]
        first = max(whole, default=-1)
        state = inputs.features[first].state if whole else self.initial(inputs)
        for i in range(first + 1, k + 1):
            state = self.advance(state, i, inputs)
            if i in inputs.features:
                state = inputs.features[i].apply(state)
        return state

    def synthesize(self, inputs: SynthesisInputs) -> Float[Tensor, "n 3 r r"]:
        """The images [N, 3, R, R], RGB, float32, in [-1, 1] apart from small excesses."""
        return self.finish(self.head(inputs, len(self.layers) - 1), inputs)

    def tuned(self, offsets: Mapping[str, Tensor]) -> "Generator":
        """A copy with offsets added to its weights (PTI). It keeps the fingerprints of the original.

        Args:
            offsets: Offsets by weight name, each of the weight's shape.

        Raises:
            ZplusError: A name or shape is not one of this generator.
        """
        own = {"fingerprint": self.fingerprint, "mapping_fingerprint": self.mapping_fingerprint}
        found = copy.deepcopy(self)
        vars(found).update(own, base=self.base)
        weights = dict(found.named_parameters())
        for name, offset in offsets.items():
            if name not in weights or weights[name].shape != offset.shape:
                raise ZplusError(f"There is no weight {name[:60]} of this size in {self.name}.")
            weights[name].data.add_(offset.to(weights[name]))
        return found

    def layer(self, name: str) -> int:
        """The index of a layer.

        Args:
            name: Its full name, or a resolution: "32" is the last layer at 32x32.

        Raises:
            UnknownNameError: There is no such layer.
        """
        found = [i for i, x in enumerate(self.layers) if name in (x.name, str(x.resolution))]
        if not found:
            raise UnknownNameError("layer", name, [x.name for x in self.layers])
        return found[-1]

    @cached_property
    def fingerprint(self) -> str:
        """A hash that identifies the generator: of its tensors in fp32 and its label. Weights must not change."""
        return fingerprint(self.state_dict() | self._bound_to)

    @cached_property
    def mapping_fingerprint(self) -> str:
        """A hash that identifies its Z and W: of the mapping network's tensors in fp32 and its label."""
        return fingerprint(self.mapping.state_dict() | self._bound_to)

    @property
    def _bound_to(self) -> dict[str, Tensor]:
        return {} if self.label is None else {"label": self.label}

    def check_codes(self, w: Tensor) -> None:
        """Raise ZplusError unless w is [N, num_codes, w_dim]."""
        if w.shape[1:] != (self.num_codes, self.w_dim):
            raise ZplusError(f"w has shape {tuple(w.shape)}, expected [N, {self.num_codes}, {self.w_dim}].")

    def check_finite(self) -> None:
        """Raise ZplusError if a weight is NaN or infinite."""
        for name, tensor in self.state_dict().items():
            if not torch.isfinite(tensor).all():
                raise ZplusError(f"The weights of {self.name} hold values that are not numbers ({name}): get it again.")

    def check_untuned(self) -> None:
        """Raise ZplusError for a generator with the weights of one photo (PTI)."""
        if self.base is not self:
            raise ZplusError(f"{self.name} is tuned to one photo: give the generator that it was tuned from.")


def check_sizes(resolution: int, z_dim: int, w_dim: int, mapping_layers: int) -> None:
    """Raise ValueError for sizes that no known generator has, before memory is allocated for them."""
    if not 0 <= mapping_layers <= MAX_MAPPING_LAYERS:
        raise ValueError(f"no generator of {str(mapping_layers)[:30]} layers of the mapping is known")
    known = 4 <= resolution <= LARGEST and resolution.bit_count() == 1
    if not known or not all(1 <= width <= WIDEST for width in (z_dim, w_dim)):
        text = f"{resolution} px and codes of {z_dim} and {w_dim}"[:100]
        raise ValueError(f"no generator of {text} numbers is known")


def check_maps(maps: Iterable[tuple[int, int]]) -> None:
    """Raise ValueError for maps (channels, side) that are larger than those of any known generator."""
    for channels, side in maps:
        if channels * side**2 > MAX_MAP:
            raise ValueError(f"no generator of {str(channels)[:30]} feature maps of {side} px is known")


def by_side(channels: Mapping[str, int]) -> dict[int, int]:
    """Channels by resolution from JSON, whose keys are strings. Raises ValueError or AttributeError."""
    return {int(side): count for side, count in channels.items()}


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """A hash of canonical fp32 tensors, independent of their order, dtype, device and memory layout."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]


def in_fp32(x: Tensor) -> torch.autocast:
    """A context without autocast for colours and wavelets: bfloat16 would show steps of an 8-bit level."""
    return torch.autocast(x.device.type, enabled=False)


def pixel_norm(z: Tensor) -> Tensor:
    """z * rsqrt(mean(z^2) + 1e-8) over the last axis: onto the sphere of radius sqrt(z_dim)."""
    return z * torch.rsqrt(z.square().mean(dim=-1, keepdim=True) + 1e-8)
