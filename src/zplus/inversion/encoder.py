"""The encoder: one pass from an image to codes of Z+ and W+ and to F, for one generator.

Its input is the features of LPIPS's VGG16, which is installed anyway, and the pixels. Only the layers after them are
trained and stored. Codes come as in e4e (Tov et al. 2021, arXiv 2102.02766, section 4): one coarse code for all layers
plus an offset per layer; coarse layers read the coarsest map (pSp's pyramid, Richardson et al. 2021, arXiv 2008.00951).
F comes from separate convolutions, as in BDInvert (Kang et al. 2021, arXiv 2110.04464).
"""

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zplus.errors import LatentError, ZplusError
from zplus.generators import Generator
from zplus.generators.memory import kept
from zplus.perception.lpips import LPIPS
from zplus.records import Kind, read_record, write_record
from zplus.spaces.mapping import onto_sphere
from zplus.spaces.registry import default_layer
from zplus.tensor_files import read_texts

KIND = Kind("encoder", LatentError, damaged="is not a readable encoder", remedy="train it again")
LARGEST_SIDE = 256  # pixels: what it sees of a larger photo
REDUCTION = 8  # from the side of the photo to that of what is seen
SEEN = 3 * REDUCTION**2 + 256 + 512  # channels: pixels, the third and the fourth stage of VGG16
FORMS = ("w+", "z+")
POOLED = 4  # side of the maps that codes are read from
MIN_SIZE, MAX_SIZE = 1, 2048  # of any size in a file


@dataclass(frozen=True)
class EncoderConfig:
    """Every size of the network. `forms` are the spaces that it has codes of; empty where it gives F only."""

    side: int
    num_codes: int
    w_dim: int
    z_dim: int
    layer: str
    feature_side: int
    feature_channels: int
    forms: tuple[str, ...] = FORMS
    channels: int = 192
    hidden: int = 256
    margin: int = 0  # of F around the image


def config_for(generator: Generator, layer: str | None = None, **sizes: Any) -> EncoderConfig:
    """The configuration for a generator; F sits at `layer`, by default where the F spaces put it."""
    place = generator.layers[generator.layer(layer) if layer else default_layer(generator)]
    side = min(LARGEST_SIDE, generator.resolution)
    if side < 4 * REDUCTION:
        raise ZplusError(f"An encoder needs pictures of {4 * REDUCTION} px, {generator.name} makes {side} px.")
    return EncoderConfig(
        side, generator.num_codes, generator.w_dim, generator.z_dim, place.name, place.resolution, place.channels,
        margin=place.margin, **sizes,
    )  # fmt: skip


def vgg_features(lpips: LPIPS, image: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n c g g"]:
    """The encoder's input from images in [-1, 1]: [N, 960, s/8, s/8], of about unit variance."""
    _, _, third, fourth, _ = lpips.features(image)
    stages = [x * x.shape[1] ** 0.5 for x in (F.avg_pool2d(third, 2), fourth)]
    return torch.cat([F.pixel_unshuffle(image, REDUCTION), *stages], 1)


class Codes(nn.Module):
    """The code of one form from the hidden features of the three levels."""

    def __init__(self, config: EncoderConfig, width: int):
        super().__init__()
        self.coarse = nn.Linear(config.hidden, width)
        offsets = [nn.Linear(config.hidden, width) for _ in range(config.num_codes)]
        for offset in offsets:
            nn.init.zeros_(offset.weight)
            nn.init.zeros_(offset.bias)
        self.offsets = nn.ModuleList(offsets)

    def forward(self, levels: list[Tensor], active: int | None) -> tuple[Tensor, Tensor]:
        """Codes [N, L, D] in standard deviations, and their offsets; layers from `active` on have none."""
        count = len(self.offsets)
        offsets = [offset(levels[3 * i // count]) for i, offset in enumerate(self.offsets)]
        shown = torch.arange(count, device=levels[0].device) < (count if active is None else active)
        moved = torch.stack(offsets, 1) * shown[:, None]
        return self.coarse(levels[0])[:, None] + moved, moved


class Encoder(nn.Module):
    """The trained part: from `vgg_features` to codes and F."""

    w_mean: Tensor
    w_spread: Tensor
    feature_mean: Tensor
    feature_std: Tensor
    seen_mean: Tensor
    seen_std: Tensor

    def __init__(self, config: EncoderConfig, belongs_to: str = "", card: dict[str, Any] | None = None):
        super().__init__()
        self.config, self.belongs_to, self.card = config, belongs_to, card or {}
        c, wide = config.channels, max(config.channels, 256)
        if config.forms:
            self.inlet = nn.Conv2d(SEEN, c, 1)
            self.down = nn.ModuleList(nn.Conv2d(c, c, 3, 2, 1) for _ in range(3))
            self.flat = nn.ModuleList(nn.Linear(c * POOLED**2, config.hidden) for _ in range(3))
            widths = {"w+": config.w_dim, "z+": config.z_dim}
            self.forms = nn.ModuleDict({form: Codes(config, widths[form]) for form in config.forms})
        self.feature = nn.Sequential(
            nn.Conv2d(SEEN, wide, 1), Residual(wide), Residual(wide), nn.LeakyReLU(0.2),
            nn.Conv2d(wide, config.feature_channels, 3, padding=1),
        )  # fmt: skip
        for name, shape in (
            ("w_mean", (config.w_dim,)), ("w_spread", ()), ("seen_mean", (SEEN,)), ("seen_std", (SEEN,)),
            ("feature_mean", (1, config.feature_channels, 1, 1)), ("feature_std", (1, config.feature_channels, 1, 1)),
        ):  # fmt: skip
            self.register_buffer(name, torch.ones(shape))

    @property
    def has_codes(self) -> bool:
        """Whether it gives codes, not only F."""
        return bool(self.config.forms)

    def code(self, seen: Float[Tensor, "n c g g"], form: str) -> Float[Tensor, "n l d"]:
        """The codes [N, L, D] in "w+" or "z+"."""
        return self.code_and_offsets(seen, form)[0]

    def code_and_offsets(self, seen: Tensor, form: str, active: int | None = None) -> tuple[Tensor, Tensor]:
        """The codes with the offsets of the first `active` layers (None for all), and the offsets."""
        x, levels = F.leaky_relu(self.inlet(seen), 0.2), []
        for down, flat in zip(self.down, self.flat, strict=True):
            x = F.leaky_relu(down(x), 0.2)
            levels.append(F.leaky_relu(flat(F.adaptive_avg_pool2d(x, POOLED).flatten(1)), 0.2))
        code, offsets = self.forms[form](levels[::-1], active)
        return (onto_sphere(code) if form == "z+" else self.w_mean + self.w_spread * code), offsets

    def base_code(self, seen: Float[Tensor, "n c g g"]) -> Float[Tensor, "n f r r"]:
        """F [N, C, r, r]; what is around the image is guessed from its edge."""
        side, margin = self.config.feature_side, self.config.margin
        seen = seen if seen.shape[-1] == side else F.interpolate(seen, (side, side), mode="bilinear")
        x = self.feature(F.pad(seen, [margin] * 4, mode="replicate") if margin else seen)
        return self.feature_mean + self.feature_std * x

    def domain_distance(self, seen: Float[Tensor, "n c g g"]) -> Float[Tensor, " n"]:
        """The distance [N] of images from the training images: rms over the features, in standard deviations."""
        return ((seen.mean((2, 3)) - self.seen_mean) / self.seen_std).square().mean(1).sqrt()


class Residual(nn.Module):
    """x plus two convolutions of it."""

    def __init__(self, channels: int):
        super().__init__()
        self.one, self.two = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, r, r] to the same size."""
        return x + self.two(F.leaky_relu(self.one(F.leaky_relu(x, 0.2)), 0.2))


def save_encoder(encoder: Encoder, path: str | Path) -> None:
    """Write an encoder in half precision."""
    config, card = json.dumps(asdict(encoder.config)), json.dumps(encoder.card)
    header = {"belongs_to": encoder.belongs_to, "config": config, "card": card}
    write_record(path, KIND, header, encoder.state_dict(), torch.float16)


def load_encoder(path: str | Path, generator: Generator) -> Encoder:
    """Read an encoder that `save_encoder` wrote. Nothing in the file is executed.

    Args:
        path: The file.
        generator: The generator that it must belong to.

    Raises:
        LatentError: The file is missing, damaged, or belongs to another generator.
    """
    with read_record(path, KIND) as (header, tensors):
        if header["belongs_to"] != generator.fingerprint:
            raise LatentError(f"{path} is an encoder of another generator than {generator.name}: train one for it.")
        text = json.loads(header["config"])
        config = EncoderConfig(**text | {"forms": tuple(text["forms"])})
        if config != config_for(generator, config.layer, **_free(config)):
            raise ValueError("its sizes do not fit the generator")
        with torch.device("meta"):  # sizes only: a hostile header must not take memory
            encoder = Encoder(config, header["belongs_to"], json.loads(header["card"]))
        encoder.load_state_dict(tensors, assign=True)
    return encoder.to(generator.device).eval().requires_grad_(False)


def _free(config: EncoderConfig) -> dict[str, Any]:
    """The sizes that do not follow from the generator, checked against limits."""
    if not all(isinstance(x, int) and MIN_SIZE <= x <= MAX_SIZE for x in (config.channels, config.hidden)):
        raise ValueError("its sizes are those of no encoder")
    if not set(config.forms) <= set(FORMS) or len(config.forms) > len(FORMS):
        raise ValueError("its forms are unknown")
    return {"forms": config.forms, "channels": config.channels, "hidden": config.hidden}


def encoder_of(generator: Generator) -> Encoder | None:
    """The encoder that comes with the package for this generator, on its device; None where there is none."""
    return _encoder_of(generator, generator.device)


@kept
def _encoder_of(generator: Generator, device: torch.device) -> Encoder | None:
    for path in sorted(Path(str(files("zplus.inversion") / "encoders")).glob("*.safetensors")):
        if read_texts(path).get("belongs_to") == generator.fingerprint:
            return load_encoder(path, generator)
    return None
